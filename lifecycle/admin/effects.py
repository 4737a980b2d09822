"""Effects in the admin: what ran, when, for whom, and why not; run again, cancelled, paused. And webhook endpoints."""

from typing import Any
from uuid import UUID

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from lifecycle.delivery.samples import TooManySamples, send_sample
from lifecycle.models import EffectLane, EffectRun, WebhookEndpoint
from lifecycle.services.customers.profiles import find_customer
from lifecycle.services.effects import actions, endpoints
from lifecycle.services.effects.actions import ActionRefused
from lifecycle.services.effects.addresses import AddressRefused, check_url
from lifecycle.services.effects.endpoints import EndpointRefused
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import mask_recipient
from tenants.admin.base import ModelForm, ServiceAdmin, identity_of, service_arguments
from tenants.roles import CONFIGURE_STAGES


class ReplayForm(forms.Form):
    """All that failed, or are held, since a time."""

    since = forms.DateTimeField(
        label=gettext_lazy("Since (UTC)"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=gettext_lazy("Started since."),
    )
    state = forms.ChoiceField(
        label=gettext_lazy("State"), choices=[(state, state) for state in actions.REPLAYABLE_TOGETHER]
    )
    effect = forms.CharField(
        label=gettext_lazy("Effect"), max_length=255, required=False, help_text=gettext_lazy("Empty: of every name.")
    )


class PauseForm(forms.Form):
    """What is to be paused or resumed, and why."""

    effect = forms.CharField(
        label=gettext_lazy("Effect"), max_length=255, required=False, help_text=gettext_lazy("One effect, by its name.")
    )
    endpoint = forms.CharField(
        label=gettext_lazy("Endpoint"),
        max_length=80,
        required=False,
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
        "kind",
        "shown_recipient",
        "state",
        "why",
        "attempts",
        "took",
        "due_at",
        "finished_at",
    )
    list_filter = ("state", "kind", "effect")
    search_fields = ("customer_id",)
    search_help_text = gettext_lazy("A customer's external id or id, or the id of the request that made a change.")
    ordering = ("-id",)
    actions = ("replay", "cancel")
    fields = (
        "effect",
        "kind",
        "shown_recipient",
        "state",
        "why",
        "customer_id",
        "request_id",
        "created_at",
        "due_at",
        "attempts",
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

    def get_urls(self) -> list[Any]:
        """The page that replays many and pauses, before Django's own."""
        view = self.admin_site.admin_view(self.control_view)
        return [path("control", view, name="effects_control"), *super().get_urls()]

    def control_view(self, request: HttpRequest) -> HttpResponse:
        """Replay all since a time; pause and resume."""
        if not self.may_change_rows(request):
            raise PermissionDenied(_("Only tenant admins can replay and pause effects."))
        posted = request.POST if request.method == "POST" else None
        replay = ReplayForm(posted if posted and "replay" in posted else None)
        pause = PauseForm(posted if posted and ("pause" in posted or "resume" in posted) else None)
        try:
            if replay.is_bound and replay.is_valid():
                asked = replay.cleaned_data
                count = actions.replay_since(
                    asked["since"], state=asked["state"], effect=asked["effect"] or None, **service_arguments(request)
                )
                messages.success(request, _("%(count)s replayed.") % {"count": f"{count:,}"})
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
        }
        return TemplateResponse(request, "admin/lifecycle/effectrun/control.html", context)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may replay and cancel."""
        return identity_of(request).may(CONFIGURE_STAGES)

    @admin.action(description=gettext_lazy("Replay the selected effects"), permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Each runs again, at once."""
        self._each(request, queryset, actions.replay, gettext_noop("%(count)s replayed."))

    @admin.action(description=gettext_lazy("Cancel the selected effects"), permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Those that are held or due."""
        self._each(request, queryset, actions.cancel, gettext_noop("%(count)s cancelled."))

    def _each(self, request: HttpRequest, queryset: QuerySet[EffectRun], act: Any, what: str) -> None:
        done = 0
        for effect_id in queryset.order_by("id").values_list("id", flat=True):
            try:
                act(effect_id, **service_arguments(request))
                done += 1
            except ActionRefused as refusal:
                messages.warning(request, f"{effect_id}: {refusal}")
        messages.success(request, _(what) % {"count": done})

    @admin.display(description=gettext_lazy("recipient"))
    def shown_recipient(self, run: EffectRun) -> str:
        """A reference, or an address with its name masked."""
        return mask_recipient(run.recipient)

    @admin.display(description=gettext_lazy("why"))
    def why(self, run: EffectRun) -> str:
        """Why it has not run, or not yet."""
        return explain_reason(run.reason)

    @admin.display(description=gettext_lazy("ms"))
    def took(self, run: EffectRun) -> str:
        """How long the last attempt took."""
        took = (run.last_attempt or {}).get("milliseconds")
        return "–" if took is None else f"{took:,}"

    @admin.display(description=gettext_lazy("last attempt"))
    def last_answer(self, run: EffectRun) -> str:
        """What was sent and answered, without secrets and people."""
        if run.last_attempt is None:
            return "–"
        return format_html("<pre>{}</pre>", orjson.dumps(run.last_attempt, option=orjson.OPT_INDENT_2).decode())


class EndpointForm(ModelForm):
    """A new endpoint. Its address is checked as it will be when something is sent."""

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url")
        widgets = {"url": forms.URLInput(attrs={"size": 60})}

    def clean_url(self) -> str:
        """https, to the public internet."""
        url: str = self.cleaned_data["url"]
        try:
            check_url(url)
        except AddressRefused as refused:
            raise ValidationError(str(refused)) from refused
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ServiceAdmin):
    """Where webhooks go. Effects name an endpoint in "to"; the secret is shown once."""

    list_display = ("name", "url", "created_at", "now")
    ordering = ("name",)
    form = EndpointForm
    fields = ("name", "url")
    actions = ("test", "rotate", "remove")
    refusals = (EndpointRefused, AddressRefused, TooManySamples)

    @admin.display(description=gettext_lazy("now"))
    def now(self, endpoint: WebhookEndpoint) -> str:
        """Whether it is in use, paused, or switched off and why."""
        lane: Any = endpoint
        if lane.disabled_at:
            return _("Switched off: %(why)s") % {"why": explain_reason(f"endpoint_{lane.disabled_reason}")}
        return _("Paused") if lane.paused_at else _("In use")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The endpoints, each with the state of its lane."""
        lanes = EffectLane.objects.filter(tenant_id=OuterRef("tenant_id"), id=OuterRef("id"))
        names = ("paused_at", "disabled_at", "disabled_reason")
        shown: QuerySet[Any] = (
            super().get_queryset(request).annotate(**{name: Subquery(lanes.values(name)) for name in names})
        )
        return shown

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Anyone who may configure the tenant at hand."""
        return self.may_change_rows(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """An endpoint is not changed: what was signed for one address must not go to another."""
        return False

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may test, rotate and remove."""
        return self.may_change_rows(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the service, which makes the secret."""
        endpoint, secret = endpoints.create_endpoint(obj.name, obj.url, **service_arguments(request))
        obj.pk = endpoint.pk
        said = _("The secret of %(name)s, shown this once: %(secret)s")
        messages.warning(request, said % {"name": endpoint.name, "secret": secret})

    @admin.action(description=gettext_lazy("Send a signed sample"), permissions=["decide"])
    def test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """To the first of the chosen endpoints: each is waited for."""
        arguments = service_arguments(request)
        endpoint = queryset.order_by("name")[0]
        destination = endpoints.read_destination(endpoint.id, tenant=arguments["tenant"], now=arguments["now"])
        if destination is not None:
            delivery = send_sample(destination, tenant=arguments["tenant"])
            facts = {"name": endpoint.name, "milliseconds": f"{delivery.milliseconds:,}"}
            said = _("%(name)s answered %(status)s (%(milliseconds)s ms).") % {**facts, "status": delivery.status}
            if not delivery.status:
                said = _("%(name)s: %(error)s (%(milliseconds)s ms).") % {**facts, "error": delivery.error}
            say = messages.success if delivery.outcome == "done" else messages.warning
            say(request, said)

    @admin.action(description=gettext_lazy("Give the selected endpoints new secrets"), permissions=["decide"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """The former secrets sign beside them for a day."""
        for endpoint in queryset.order_by("name"):
            secret = endpoints.rotate_secret(endpoint.id, **service_arguments(request))
            said = _("The new secret of %(name)s, shown this once: %(secret)s")
            messages.warning(request, said % {"name": endpoint.name, "secret": secret})

    @admin.action(description=gettext_lazy("Remove the selected endpoints"), permissions=["decide"])
    def remove(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """What still waits for them is cancelled."""
        for endpoint_id in queryset.order_by("name").values_list("id", flat=True):
            endpoints.delete_endpoint(endpoint_id, **service_arguments(request))
        messages.success(request, _("Removed. What was waiting for them is cancelled."))


def _read_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
