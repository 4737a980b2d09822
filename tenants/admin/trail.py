"""The audit trail in the admin, to be read: history, refused attempts, administration."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from audit.services.refusals import KEPT_DAYS, RuleCount, summarise_refusals
from tenants.admin.base import TenantAdmin, identity_of
from tenants.rules.texts import quote_text

PERIODS = (7, 30, KEPT_DAYS)
DEFAULT_PERIOD = 30


@admin.register(LifecycleHistory)
class LifecycleHistoryAdmin(TenantAdmin):
    """Every transition of the tenant's customers. The note stays closed here: it is personal data."""

    list_display = ("changed_at", "customer_id", "from_stage", "to_stage", "reason_code", "source", "changed_by")
    ordering = ("-id",)
    list_filter = ("source",)
    exclude = ("note",)


@admin.register(RefusedAttempt)
class RefusedAttemptAdmin(TenantAdmin):
    """Attempts that were refused, kept for 90 days."""

    list_display = ("attempted_at", "code", "from_stage", "to_stage", "source", "actor", "detail", "counted")
    list_filter = ("code", "source")
    ordering = ("-attempted_at",)

    @admin.display(description="More in that minute")
    def counted(self, attempt: RefusedAttempt) -> str:
        """Further attempts of the actor in the same minute, which are counted and not kept one by one."""
        return f"and {attempt.more:,} more" if attempt.more else ""

    def get_urls(self) -> list[Any]:
        """The summary, before Django's own pages."""
        view = self.admin_site.admin_view(self.summary_view)
        return [path("summary", view, name="refusals_summary"), *super().get_urls()]

    def summary_view(self, request: HttpRequest) -> HttpResponse:
        """What each rule refused, how often, and by which doors."""
        tenant = identity_of(request).tenant
        if not self.has_view_permission(request) or tenant is None:
            raise PermissionDenied("Choose the tenant whose refused attempts you want to see.")
        days = request.GET.get("days", "")
        period = next((choice for choice in PERIODS if str(choice) == days), DEFAULT_PERIOD)
        counts = summarise_refusals(tenant.id, timezone.now() - dt.timedelta(days=period))
        context = {
            **self.admin_site.each_context(request),
            "title": "What the rules refused",
            "opts": self.opts,
            "rules": [describe_rule(count) for count in counts],
            "days": period,
            "choices": PERIODS,
            "kept_days": KEPT_DAYS,
        }
        return TemplateResponse(request, "admin/audit/refusedattempt/summary.html", context)


@admin.register(AdministrationEntry)
class AdministrationEntryAdmin(TenantAdmin):
    """Who changed what about the tenant itself, and why."""

    list_display = ("recorded_at", "action", "subject", "actor", "reason")
    list_filter = ("action",)
    ordering = ("-id",)


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule and its count, in words."""

    count: RuleCount
    sentence: str
    doors: str


def describe_rule(count: RuleCount) -> RuleLine:
    """What was refused ("From A to B is not allowed.") and who tried ("290 by events of billing, 22 by the pages")."""
    origin, target = quote_text(count.from_stage), quote_text(count.to_stage)
    sentences = {
        "transition_not_allowed": f"From {origin} to {target} is not allowed.",
        "reason_required": f"A move to {target} needs a reason, and none was given.",
        "unknown_reason": f"The reason given for a move to {target} is not an accepted one.",
        "invalid_stage": f"{target} is not a stage.",
        "version_conflict": "The customer had been changed meanwhile.",
        "permission_denied": "Whoever asked lacks the permission.",
        "actor_mismatch": "The change was to be recorded under another's name.",
        "stale_event": "The event was older than the customer's stay in its stage.",
        "rate_limited": "Whoever asked had used up the changes of the hour.",
    }
    doors = [f"{one.attempts:,} by {_describe_door(one.source)}" for one in count.sources]
    return RuleLine(count, sentences.get(count.code, count.code.replace("_", " ").capitalize()), ", ".join(doors))


def _describe_door(source: str) -> str:
    door, _, sender = source.partition(" ")
    if door == "EventListener":
        return f"events of {sender.removeprefix('/')}" if sender else "events"
    return {"API": "the API", "UI": "the pages"}.get(door, source)
