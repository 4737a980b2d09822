"""Effects in the admin: what ran, when, for whom, and why not; run again, cancelled, paused."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop, ngettext

from audit.services.former_names import Then, find_names_then
from lifecycle.admin.coded import EffectKindFilter, EffectStateFilter, name_effect_kind, name_effect_state
from lifecycle.models import Customer, EffectRun
from lifecycle.sentences.codes import EFFECT_STATES
from lifecycle.services.customers.profiles import find_customer
from lifecycle.services.effects import actions, endpoints
from lifecycle.services.effects.actions import ActionRefused
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import mask_recipient, name_recipients_then
from tenants.actors import TenantRef
from tenants.admin.base import ServiceAdmin, identity_of, service_arguments
from tenants.roles import CONFIGURE_STAGES
from tenants.sentences.figures import say_minute, say_number

WAITING: Final = (EffectRun.HELD, EffectRun.DUE)

# Lists of the page from which the names are offered.
AUTOMATIONS, ENDPOINTS = "automations", "endpoints"


def _offer(names: str) -> forms.TextInput:
    return forms.TextInput(attrs={"list": names, "autocomplete": "off"})


class ReplayForm(forms.Form):
    """All that failed, or are held, since a time."""

    since = forms.DateTimeField(
        label=gettext_lazy("Since (UTC)"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Started since."),
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"), choices=[(one, EFFECT_STATES[one]) for one in actions.REPLAYABLE_TOGETHER]
    )
    effect = forms.CharField(
        label=gettext_lazy("Automation"),
        max_length=255,
        required=False,
        widget=_offer(AUTOMATIONS),
        help_text=gettext_lazy("Empty: of every name."),
    )


class PauseForm(forms.Form):
    """What is to be paused or resumed, and why."""

    effect = forms.CharField(
        label=gettext_lazy("Automation"),
        max_length=255,
        required=False,
        widget=_offer(AUTOMATIONS),
        help_text=gettext_lazy("One automation, by its name. One of a draft is held from its publication on."),
    )
    endpoint = forms.CharField(
        label=gettext_lazy("Endpoint"),
        max_length=80,
        required=False,
        widget=_offer(ENDPOINTS),
        help_text=gettext_lazy("One endpoint, by its name. Without both: everything."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500, help_text=gettext_lazy("Kept in the administration log.")
    )


@admin.register(EffectRun)
class EffectRunAdmin(ServiceAdmin):
    """The effects that stage changes of the tenant started."""

    list_display = (
        "created_at",
        "effect",
        "shown_kind",
        "customer",
        "shown_recipient",
        "progress",
        "finished_at",
    )
    list_filter = (("state", EffectStateFilter), ("kind", EffectKindFilter), "effect")
    search_fields = ("customer_id",)
    search_help_text = gettext_lazy("A customer's external id or id, or the id of the request that made a change.")
    ordering = ("-id",)
    actions = ("replay", "cancel")
    fields = (
        "effect",
        "shown_kind",
        "shown_recipient",
        "shown_state",
        "why",
        "customer",
        "customer_id",
        "request_id",
        "created_at",
        "due_at",
        "attempts",
        "took",
        "may_be_twice",
        "finished_at",
        "last_answer",
    )
    readonly_fields = fields
    refusals = (ActionRefused,)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Those of one customer, or of one request."""
        text = search_term.strip()
        if not text:
            return queryset, False
        tenant = identity_of(request).tenant
        customer = find_customer(text, tenant=tenant) if tenant else None
        ids = [found for found in (customer, _read_uuid(text)) if found]
        return queryset.filter(Q(customer_id__in=ids) | Q(request_id__in=ids)), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The page, each row with the names of its customer and its recipient, and why it waits. Nine statements more
        at most.
        """
        changelist = super().get_changelist_instance(request)
        rows = list(changelist.result_list)
        _attach(rows, identity_of(request).tenant)
        changelist.result_list = rows
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """One effect with these."""
        run = super().get_object(request, object_id, from_field)
        if run is not None:
            _attach([run], identity_of(request).tenant)
        return run

    def get_urls(self) -> list[Any]:
        """The page that replays many and pauses, before Django's own."""
        view = self.admin_site.admin_view(self.control_view)
        return [path("control", view, name="effects_control"), *super().get_urls()]

    def control_view(self, request: HttpRequest) -> HttpResponse:
        """Replay all since a time; pause and resume."""
        if not self.may_change_rows(request):
            raise PermissionDenied(_("Only tenant admins can replay and pause automations."))
        posted = request.POST if request.method == "POST" else None
        replay = ReplayForm(posted if posted and "replay" in posted else None)
        pause = PauseForm(posted if posted and ("pause" in posted or "resume" in posted) else None)
        try:
            if replay.is_bound and replay.is_valid():
                asked = replay.cleaned_data
                count = actions.replay_since(
                    asked["since"], state=asked["state"], effect=asked["effect"] or None, **service_arguments(request)
                )
                messages.success(request, _("%(count)s replayed.") % {"count": say_number(count)})
                return HttpResponseRedirect(request.path)
            if pause.is_bound and pause.is_valid():
                actions.set_pause("pause" in request.POST, **pause.cleaned_data, **service_arguments(request))
                messages.success(request, _("Paused.") if "pause" in request.POST else _("Resumed."))
                return HttpResponseRedirect(request.path)
        except ActionRefused as refusal:
            messages.error(request, str(refusal))
        tenant = service_arguments(request)["tenant"]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Replay and pause"),
            "opts": self.opts,
            "replay": replay,
            "pause": pause,
            "pauses": actions.list_pauses(tenant),
            "endpoints": endpoints.list_endpoints(tenant),
            "automations": actions.list_automations(tenant),
        }
        return TemplateResponse(request, "admin/lifecycle/effectrun/control.html", context)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may replay and cancel."""
        return identity_of(request).may(CONFIGURE_STAGES)

    @admin.action(description=gettext_lazy("Replay the selected runs"), permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Each runs again, at once."""
        self._each(request, queryset, actions.replay, gettext_noop("%(count)s replayed."))

    @admin.action(description=gettext_lazy("Cancel the selected runs"), permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Those that are held or due."""
        self._each(request, queryset, actions.cancel, gettext_noop("%(count)s canceled."))

    def _each(self, request: HttpRequest, queryset: QuerySet[EffectRun], act: Any, what: str) -> None:
        done = 0
        for effect_id in queryset.order_by("id").values_list("id", flat=True):
            try:
                act(effect_id, **service_arguments(request))
                done += 1
            except ActionRefused as refusal:
                messages.warning(request, f"{effect_id}: {refusal}")
        messages.success(request, _(what) % {"count": done})

    @admin.display(description=gettext_lazy("customer"))
    def customer(self, run: Any) -> SafeString | str:
        """The name that the customer had, with a link to its page; its id where it has none any more."""
        if not run.customer_id.int:
            return "–"
        return format_html('<a href="{}">{}</a>', reverse("customer-page", args=[run.customer_id]), run.customer_then)

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def shown_kind(self, run: EffectRun) -> str:
        """What kind of automation it is, in words."""
        return name_effect_kind(run.kind)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def shown_state(self, run: EffectRun) -> str:
        """How far it is, in words."""
        return name_effect_state(run.state)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def progress(self, run: EffectRun) -> SafeString:
        """How far it is, and below it why it has not run, or not yet; when it is due; how often it was tried."""
        lines = [name_effect_state(run.state)]
        if run.reason:
            lines.append(explain_reason(run.reason))
        if run.state in WAITING:
            lines.append(_("due %(day)s") % {"day": say_minute(timezone.localtime(run.due_at))})
        if run.attempts > 1:
            lines.append(
                ngettext("%(count)s attempt", "%(count)s attempts", run.attempts) % {"count": say_number(run.attempts)}
            )
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines))

    @admin.display(description=gettext_lazy("recipient"))
    def shown_recipient(self, run: Any) -> str:
        """Who or what it was called, of an address the name masked; as the configuration names it where no one is."""
        recipient: str = run.recipient_then
        return recipient

    @admin.display(description=gettext_lazy("why"))
    def why(self, run: EffectRun) -> str:
        """Why it has not run, or not yet."""
        return explain_reason(run.reason)

    @admin.display(description=gettext_lazy("ms"))
    def took(self, run: EffectRun) -> str:
        """How long the last attempt took."""
        took = (run.last_attempt or {}).get("milliseconds")
        return "–" if took is None else say_number(took)

    @admin.display(description=gettext_lazy("last attempt"))
    def last_answer(self, run: EffectRun) -> str:
        """What was sent and answered, without secrets and people."""
        if run.last_attempt is None:
            return "–"
        return format_html("<pre>{}</pre>", orjson.dumps(run.last_attempt, option=orjson.OPT_INDENT_2).decode())


def _attach(runs: Sequence[Any], tenant: TenantRef | None) -> None:
    """What customer and recipient were called when each was started, and whether it is paused; nine statements at
    most.
    """
    recipients: Mapping[tuple[str, dt.datetime], str] = {}
    customers: dict[UUID, str] = {}
    former: Mapping[Then, str] = {}
    if tenant is not None and runs:
        recipients = name_recipients_then({(run.recipient, run.created_at) for run in runs}, tenant_id=tenant.id)
        rows = Customer.objects.filter(tenant_id=tenant.id, id__in={run.customer_id for run in runs})
        customers = dict(rows.values_list("id", "name"))
        former = find_names_then({(run.customer_id, run.created_at) for run in runs}, tenant_id=tenant.id)
        actions.explain_pauses(runs, tenant)
    for run in runs:
        today = customers.get(run.customer_id) or str(run.customer_id)
        run.customer_then = former.get((run.customer_id, run.created_at), today)
        run.recipient_then = recipients.get((run.recipient, run.created_at)) or mask_recipient(run.recipient)


def _read_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
