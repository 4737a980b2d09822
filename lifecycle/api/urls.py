"""Addresses of the API."""

from django.urls import URLPattern, URLResolver, include, path

from lifecycle.api.docs import DocsView, SchemaView
from lifecycle.api.viewsets.backtests import BacktestViewSet, HealthBacktestViewSet
from lifecycle.api.viewsets.configuration import ConfigurationViewSet
from lifecycle.api.viewsets.contacts import ContactViewSet
from lifecycle.api.viewsets.customer_data import CustomerDataViewSet
from lifecycle.api.viewsets.customer_exports import CustomerExportViewSet
from lifecycle.api.viewsets.customers import CustomerViewSet, LifecycleViewSet
from lifecycle.api.viewsets.effects import EffectViewSet
from lifecycle.api.viewsets.endpoints import EndpointViewSet
from lifecycle.api.viewsets.feed import FeedViewSet
from lifecycle.api.viewsets.forecasts import ForecastViewSet
from lifecycle.api.viewsets.insight import InsightViewSet
from lifecycle.api.viewsets.keys import KeyViewSet
from lifecycle.api.viewsets.notifications import NotificationViewSet
from lifecycle.api.viewsets.personal_data import PersonalDataViewSet
from lifecycle.api.viewsets.pins import PinViewSet
from lifecycle.api.viewsets.proposals import ProposalViewSet
from lifecycle.api.viewsets.saved_views import SavedViewViewSet
from lifecycle.api.viewsets.timeline import TimelineViewSet
from lifecycle.api.viewsets.transitions import TenantSummaryViewSet, TransitionViewSet
from lifecycle.api.viewsets.undo import UndoViewSet
from lifecycle.api.viewsets.work import NoteViewSet, TaskOfAnyoneViewSet, TaskViewSet

v1: list[URLPattern | URLResolver] = [
    path("auth/", include("tenants.api.urls")),
    path("customers", CustomerDataViewSet.as_view({"get": "list", "put": "put_many"}), name="customers"),
    # Before those that take an id: an external id may be any text.
    path(
        "customers/by-external-id/<path:external_id>",
        CustomerDataViewSet.as_view({"get": "find", "put": "put"}),
        name="customer-by-external-id",
    ),
    path("customers/export", CustomerExportViewSet.as_view({"get": "export"}), name="customers-export"),
    path("customers/<str:customer_id>", CustomerViewSet.as_view({"get": "retrieve"}), name="customer"),
    path(
        "customers/<str:customer_id>/lifecycle",
        LifecycleViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="customer-lifecycle",
    ),
    path(
        "customers/<str:customer_id>/lifecycle/summary",
        LifecycleViewSet.as_view({"get": "summary"}),
        name="customer-lifecycle-summary",
    ),
    path(
        "customers/<str:customer_id>/lifecycle/history",
        LifecycleViewSet.as_view({"get": "history"}),
        name="customer-lifecycle-history",
    ),
    path(
        "customers/<str:customer_id>/pins/<str:field>",
        PinViewSet.as_view({"put": "pin", "delete": "unpin"}),
        name="customer-pin",
    ),
    path(
        "customers/<str:customer_id>/contacts/reveal",
        ContactViewSet.as_view({"post": "reveal"}),
        name="customer-contacts-reveal",
    ),
    path("customers/<str:customer_id>/export", PersonalDataViewSet.as_view({"post": "export"}), name="customer-export"),
    path("customers/<str:customer_id>/erase", PersonalDataViewSet.as_view({"post": "erase"}), name="customer-erase"),
    path(
        "customers/<str:customer_id>/timeline",
        TimelineViewSet.as_view({"get": "list"}),
        name="customer-timeline-over-api",
    ),
    path(
        "customers/<str:customer_id>/notes",
        NoteViewSet.as_view({"get": "list", "post": "create"}),
        name="customer-notes",
    ),
    path(
        "customers/<str:customer_id>/notes/<str:note_id>",
        NoteViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="customer-note",
    ),
    path(
        "customers/<str:customer_id>/tasks",
        TaskViewSet.as_view({"get": "list", "post": "create"}),
        name="customer-tasks",
    ),
    path(
        "customers/<str:customer_id>/tasks/<str:task_id>",
        TaskViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="customer-task",
    ),
    path(
        "customers/<str:customer_id>/forecast", ForecastViewSet.as_view({"get": "retrieve"}), name="customer-forecast"
    ),
    path("insight/forecast", ForecastViewSet.as_view({"get": "prove"}), name="forecast"),
    path(
        "insight/forecast/customers", ForecastViewSet.as_view({"get": "list_likely"}), name="insight-forecast-customers"
    ),
    path("insight/forecast/calibration", ForecastViewSet.as_view({"get": "calibrate"}), name="forecast-calibration"),
    *(
        path(f"insight/{address}", InsightViewSet.as_view({"get": action}), name=f"insight-{name}")
        for address, action, name in (
            ("stages", "stages", "of-stages"),
            ("flow", "flow", "of-flow"),
            ("conversion", "conversion", "of-conversion"),
            ("durations", "durations", "of-durations"),
            ("cohorts", "cohorts", "of-cohorts"),
            ("risk", "risk", "of-risk"),
            ("save-rate", "save_rate", "of-save-rate"),
            ("renewals", "renewals", "renewals"),
            ("renewals/customers", "due", "renewals-due"),
            ("renewals/kept", "kept", "renewals-kept"),
            ("customers", "behind", "behind"),
        )
    ),
    path("tasks", TaskOfAnyoneViewSet.as_view({"get": "list"}), name="own-tasks"),
    path("views", SavedViewViewSet.as_view({"get": "list", "post": "create"}), name="saved-views-over-api"),
    path(
        "views/<str:view_id>",
        SavedViewViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="saved-view-over-api",
    ),
    path(
        "tasks/<str:task_id>",
        TaskOfAnyoneViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="task",
    ),
    path("lifecycle/summary", TenantSummaryViewSet.as_view({"get": "retrieve"}), name="lifecycle-summary"),
    path("lifecycle/history", FeedViewSet.as_view({"get": "list"}), name="lifecycle-history"),
    path("lifecycle/transitions", TransitionViewSet.as_view({"post": "create"}), name="lifecycle-transitions"),
    path(
        "lifecycle/transitions/<str:request_id>/undo",
        UndoViewSet.as_view({"post": "create"}),
        name="undo-transitions",
    ),
    path("lifecycle/undos/<str:undo_id>", UndoViewSet.as_view({"get": "retrieve"}), name="undo"),
    path("effects", EffectViewSet.as_view({"get": "list"}), name="effects"),
    path("effects/replay", EffectViewSet.as_view({"post": "replay_many"}), name="replay-effects"),
    path("effects/pause", EffectViewSet.as_view({"put": "pause"}), name="pause-effects"),
    path("effects/<str:effect_id>", EffectViewSet.as_view({"get": "retrieve"}), name="effect"),
    path("effects/<str:effect_id>/replay", EffectViewSet.as_view({"post": "replay"}), name="replay-effect"),
    path("effects/<str:effect_id>/cancel", EffectViewSet.as_view({"post": "cancel"}), name="cancel-effect"),
    path("webhooks/endpoints", EndpointViewSet.as_view({"get": "list", "post": "create"}), name="webhook-endpoints"),
    path(
        "webhooks/endpoints/<str:endpoint_id>", EndpointViewSet.as_view({"delete": "destroy"}), name="webhook-endpoint"
    ),
    path(
        "webhooks/endpoints/<str:endpoint_id>/rotate",
        EndpointViewSet.as_view({"post": "rotate"}),
        name="rotate-webhook-secret",
    ),
    path("webhooks/endpoints/<str:endpoint_id>/test", EndpointViewSet.as_view({"post": "test"}), name="test-webhook"),
    path("keys", KeyViewSet.as_view({"get": "list", "post": "create"}), name="api-keys"),
    path("keys/<str:key_id>", KeyViewSet.as_view({"delete": "destroy"}), name="api-key"),
    path("keys/<str:key_id>/rotate", KeyViewSet.as_view({"post": "rotate"}), name="rotate-api-key"),
    path("notifications", NotificationViewSet.as_view({"get": "list"}), name="notifications"),
    path("notifications/read", NotificationViewSet.as_view({"post": "read_all"}), name="read-all-notifications"),
    path(
        "notifications/preferences",
        NotificationViewSet.as_view({"get": "preferences", "patch": "set_preferences"}),
        name="notification-preferences-of-caller",
    ),
    path(
        "notifications/<str:notification_id>/read",
        NotificationViewSet.as_view({"post": "read"}),
        name="read-notification",
    ),
    path(
        "notifications/<str:notification_id>/acknowledge",
        NotificationViewSet.as_view({"post": "acknowledge"}),
        name="acknowledge-notification",
    ),
    path(
        "configuration",
        ConfigurationViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="configuration",
    ),
    path(
        "configuration/backtest",
        BacktestViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="configuration-backtest",
    ),
    path(
        "configuration/health-backtest",
        HealthBacktestViewSet.as_view({"get": "retrieve", "post": "create"}),
        name="configuration-health-backtest",
    ),
    path("proposals", ProposalViewSet.as_view({"get": "list"}), name="proposals"),
    path("proposals/<str:proposal_id>", ProposalViewSet.as_view({"get": "retrieve"}), name="proposal"),
    path("proposals/<str:proposal_id>/accept", ProposalViewSet.as_view({"post": "accept"}), name="accept-proposal"),
    path(
        "proposals/<str:proposal_id>/dismiss",
        ProposalViewSet.as_view({"post": "dismiss"}),
        name="dismiss-proposal-over-api",
    ),
    path("schema", SchemaView.as_view(), name="schema"),
    path("configuration/preview", ConfigurationViewSet.as_view({"post": "preview"}), name="configuration-preview"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include(v1)),
    path("docs", DocsView.as_view(), name="docs"),
]
