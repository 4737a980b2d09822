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
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AdministrationEntry, LifecycleHistory, RefusedAttempt
from audit.services.refusals import KEPT_DAYS, RuleCount, summarise_refusals
from lifecycle.admin.actions import ActionFilter, name_action
from lifecycle.admin.coded import EntryPointFilter, RefusalFilter, name_refusal
from lifecycle.admin.naming import NamedAdmin, name_person, name_subject
from lifecycle.sentences.codes import name_entry_point
from tenants.admin.base import identity_of
from tenants.admin.everywhere import OfAllServers
from tenants.rules.texts import quote_text
from tenants.sentences.arrows import arrow
from tenants.sentences.figures import say_number

PERIODS = (7, 30, KEPT_DAYS)
DEFAULT_PERIOD = 30


@admin.register(LifecycleHistory)
class LifecycleHistoryAdmin(NamedAdmin):
    """Every transition of the tenant's customers. The note stays closed here: it is personal data."""

    list_display = ("changed_at", "customer", "from_stage", "to_stage", "reason_code", "entry_point", "changed_by_name")
    list_display_links = ("changed_at",)
    ordering = ("-id",)
    list_filter = (("source", EntryPointFilter),)
    search_fields = ("customer_id",)
    search_help_text = gettext_lazy("Customer, account number, or the person who made the change")
    fields = (
        "changed_at",
        "customer",
        "from_stage",
        "to_stage",
        "reason_code",
        "entry_point",
        "changed_by_name",
        "on_behalf_of_name",
        "effective_at",
        "recorded_at",
        "configuration_version",
        "event_id",
        "request_id",
        "sequence",
        "customer_id",
        "changed_by",
        "id",
    )
    person_field = "changed_by"

    def entitle(self, row: LifecycleHistory) -> str:
        """The customer, and from where it came to where."""
        way = f" {arrow()} ".join(filter(None, [row.from_stage, row.to_stage]))
        return format_html("{}: {}", self.customer(row), way)

    @admin.display(description=gettext_lazy("source"), ordering="source")
    def entry_point(self, row: LifecycleHistory) -> str:
        """How the change came about, in words."""
        return name_entry_point(row.source)

    @admin.display(description=gettext_lazy("Changed by"), ordering="changed_by")
    def changed_by_name(self, row: LifecycleHistory) -> SafeString | str:
        """The person, with a link to them."""
        return name_person(row, "changed_by")

    @admin.display(description=gettext_lazy("On behalf of"))
    def on_behalf_of_name(self, row: LifecycleHistory) -> SafeString | str:
        """For whom a service account acted."""
        return name_person(row, "on_behalf_of") if row.on_behalf_of else "–"


@admin.register(RefusedAttempt)
class RefusedAttemptAdmin(NamedAdmin):
    """Attempts that were refused, kept for 90 days."""

    list_display = (
        "attempted_at",
        "customer",
        "shown_code",
        "from_stage",
        "to_stage",
        "entry_point",
        "actor_name",
        "detail",
        "counted",
    )
    list_display_links = ("attempted_at",)
    list_filter = (("code", RefusalFilter), ("source", EntryPointFilter))
    ordering = ("-attempted_at",)
    search_fields = ("customer_id",)
    search_help_text = gettext_lazy("Customer, account number, or the person who tried")
    fields = (
        "attempted_at",
        "customer",
        "shown_code",
        "detail",
        "from_stage",
        "to_stage",
        "entry_point",
        "actor_name",
        "more",
        "request_id",
        "customer_id",
        "actor",
        "id",
    )
    person_field = "actor"
    time_field = "attempted_at"

    def entitle(self, row: RefusedAttempt) -> str:
        """The rule, and who tried."""
        return format_html("{}: {}", self.shown_code(row), self.actor_name(row))

    @admin.display(description=gettext_lazy("Rule"), ordering="code")
    def shown_code(self, row: RefusedAttempt) -> str:
        """Why it was refused, in a few words."""
        return name_refusal(row.code)

    @admin.display(description=gettext_lazy("source"), ordering="source")
    def entry_point(self, row: RefusedAttempt) -> str:
        """By which way it came, in words."""
        return name_entry_point(row.source)

    @admin.display(description=gettext_lazy("By"), ordering="actor")
    def actor_name(self, row: RefusedAttempt) -> SafeString | str:
        """The person, with a link to them."""
        return name_person(row, "actor")

    @admin.display(description=gettext_lazy("More that minute"))
    def counted(self, attempt: RefusedAttempt) -> str:
        """Further attempts of the actor in the same minute, which are counted and not kept one by one."""
        return _("and %(count)s more") % {"count": say_number(attempt.more)} if attempt.more else ""

    def get_urls(self) -> list[Any]:
        """The summary, before Django's own pages."""
        view = self.admin_site.admin_view(self.summary_view)
        return [path("summary", view, name="refusals_summary"), *super().get_urls()]

    def summary_view(self, request: HttpRequest) -> HttpResponse:
        """What each rule refused, how often, and by which entry points."""
        tenant = identity_of(request).tenant
        if not self.has_view_permission(request) or tenant is None:
            raise PermissionDenied(_("Choose the tenant whose refused attempts you want to see."))
        days = request.GET.get("days", "")
        period = next((choice for choice in PERIODS if str(choice) == days), DEFAULT_PERIOD)
        counts = summarise_refusals(tenant.id, timezone.now() - dt.timedelta(days=period))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Blocked moves"),
            "opts": self.opts,
            "rules": [describe_rule(count) for count in counts],
            "days": period,
            "choices": PERIODS,
            "kept_days": KEPT_DAYS,
        }
        return TemplateResponse(request, "admin/audit/refusedattempt/summary.html", context)


@admin.register(AdministrationEntry)
class AdministrationEntryAdmin(NamedAdmin, OfAllServers):
    """Who changed what about the tenant itself, and why."""

    list_display = ("recorded_at", "action_name", "subject_name", "actor_name", "reason")
    list_display_links = ("recorded_at",)
    list_filter = (("action", ActionFilter),)
    ordering = ("-id",)
    search_fields = ("subject",)
    search_help_text = gettext_lazy("Customer, person, or the user who acted")
    fields = (
        "recorded_at",
        "action_name",
        "subject_name",
        "actor_name",
        "reason",
        "detail",
        "request_id",
        "subject",
        "actor",
        "id",
    )
    person_field = "actor"
    customer_field = "subject"
    needs_tenant = False

    def entitle(self, row: AdministrationEntry) -> str:
        """The action, and what it was about."""
        return format_html("{}: {}", self.action_name(row), self.subject_name(row))

    @admin.display(description=gettext_lazy("Action"), ordering="action")
    def action_name(self, row: AdministrationEntry) -> str:
        """The action in words."""
        return name_action(row.action)

    @admin.display(description=gettext_lazy("Subject"))
    def subject_name(self, row: AdministrationEntry) -> SafeString | str:
        """The customer, person, configuration version or key, with a link to it."""
        return name_subject(row)

    @admin.display(description=gettext_lazy("By"), ordering="actor")
    def actor_name(self, row: AdministrationEntry) -> SafeString | str:
        """The person, with a link to them."""
        return name_person(row, "actor")


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule and its count, in words."""

    count: RuleCount
    sentence: str
    sources: str


def describe_rule(count: RuleCount) -> RuleLine:
    """What was refused ("From A to B is not allowed.") and who tried ("290 by events of billing, 22 in the app")."""
    origin, target = quote_text(count.from_stage), quote_text(count.to_stage)
    sentences = {
        "transition_not_allowed": _("From %(origin)s to %(target)s is not allowed."),
        "reason_required": _("A move to %(target)s needs a reason, and none was given."),
        "unknown_reason": _("The reason given for a move to %(target)s is not an accepted one."),
        "invalid_stage": _("%(target)s is not a stage."),
        "version_conflict": _("The customer had just been updated by someone else."),
        "permission_denied": _("The user does not have the permission."),
        "actor_mismatch": _("The change was to be recorded under another user's name."),
        "stale_event": _("The event was older than the customer's stay in its stage."),
        "rate_limited": _("The user had reached the hourly limit of changes."),
        "effects_unconfirmed": _("The move would have started other automations than were confirmed."),
        "invalid_request": _("The request is malformed."),
        "not_found": _("There is no such customer: check the id."),
    }
    found = sentences.get(count.code)
    sentence = (
        count.code.replace("_", " ").capitalize() if found is None else found % {"origin": origin, "target": target}
    )
    return RuleLine(count, sentence, _(", ").join(_describe_source(one.source, one.attempts) for one in count.sources))


def _describe_source(source: str, attempts: int) -> str:
    entry, _space, sender = source.partition(" ")
    said = _("%(count)s by %(source)s")
    if entry == "EventListener":
        said = _("%(count)s by events of %(sender)s") if sender else _("%(count)s by events")
    elif entry in ("API", "UI"):
        said = _("%(count)s via the API") if entry == "API" else _("%(count)s in the app")
    return said % {"count": say_number(attempts), "sender": sender.removeprefix("/"), "source": source}
