"""Customers, what is known of them and who reported it, and which stage they are in."""

from lifecycle.models.bulk import BulkChange, BulkChangeItem
from lifecycle.models.calendars import CalendarFeed
from lifecycle.models.customers import BillingFigures, Contact, Customer, SupportFigures
from lifecycle.models.effects import (
    EffectLane,
    EffectPause,
    EffectRun,
    EffectTally,
    Notification,
    NotificationPreference,
    WebhookEndpoint,
    WebhookSecret,
)
from lifecycle.models.events import NO_TENANT, DeadLetter, InboxEvent, ParkedEvent
from lifecycle.models.figures import FigureChange
from lifecycle.models.forecasts import CustomerForecast, ForecastFit
from lifecycle.models.home import HomeVisit, Snooze
from lifecycle.models.imports import ImportPart, ImportUpload
from lifecycle.models.insight import (
    CountedOwner,
    HealthPlay,
    InsightFact,
    InsightState,
    OwnerFact,
    RiskEpisode,
    SegmentFact,
    Stay,
)
from lifecycle.models.requests import IdempotentRequest
from lifecycle.models.risk import RiskFiring, RiskState, RulePlay
from lifecycle.models.saved_views import SavedView
from lifecycle.models.stage_migrations import StageMigration
from lifecycle.models.stale import StaleCopies
from lifecycle.models.status import CustomerLifecycleStatus
from lifecycle.models.undo import Undo
from lifecycle.models.work import Note, NoteVersion, Task

__all__ = [
    "NO_TENANT",
    "BillingFigures",
    "BulkChange",
    "BulkChangeItem",
    "CalendarFeed",
    "Contact",
    "CountedOwner",
    "Customer",
    "CustomerForecast",
    "CustomerLifecycleStatus",
    "DeadLetter",
    "EffectLane",
    "EffectPause",
    "EffectRun",
    "EffectTally",
    "FigureChange",
    "ForecastFit",
    "HealthPlay",
    "HomeVisit",
    "IdempotentRequest",
    "ImportPart",
    "ImportUpload",
    "InboxEvent",
    "InsightFact",
    "InsightState",
    "Note",
    "NoteVersion",
    "Notification",
    "NotificationPreference",
    "OwnerFact",
    "ParkedEvent",
    "RiskEpisode",
    "RiskFiring",
    "RiskState",
    "RulePlay",
    "SavedView",
    "SegmentFact",
    "Snooze",
    "StageMigration",
    "StaleCopies",
    "Stay",
    "SupportFigures",
    "Task",
    "Undo",
    "WebhookEndpoint",
    "WebhookSecret",
]
