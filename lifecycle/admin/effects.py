"""Effects in the admin: what ran, when, for whom, and why not; run again, cancelled, paused. And webhook endpoints."""

from typing import Any

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from lifecycle.delivery.addresses import AddressRefused, check_url
from lifecycle.delivery.senders import send_sample
from lifecycle.models import EffectRun, WebhookEndpoint
from lifecycle.services.effects import actions, endpoints
from lifecycle.services.effects.actions import ActionRefused
from lifecycle.services.effects.endpoints import EndpointRefused
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import mask_recipient
from tenants.admin.base import ModelForm, ServiceAdmin, identity_of, service_arguments
from tenants.roles import CONFIGURE_STAGES


@admin.register(EffectRun)
class EffectRunAdmin(ServiceAdmin):
    """The effects that stage changes of the tenant started."""

    list_display = ("created_at", "effect", "kind", "shown_recipient", "state", "why", "attempts", "due_at")
    list_filter = ("state", "kind", "effect")
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

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Who may replay and cancel."""
        return identity_of(request).may(CONFIGURE_STAGES)

    @admin.action(description="Replay the selected effects", permissions=["decide"])
    def replay(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Each runs again, at once."""
        self._each(request, queryset, actions.replay, "replayed")

    @admin.action(description="Cancel the selected effects", permissions=["decide"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[EffectRun]) -> None:
        """Those that are held or due."""
        self._each(request, queryset, actions.cancel, "cancelled")

    def _each(self, request: HttpRequest, queryset: QuerySet[EffectRun], act: Any, what: str) -> None:
        done = 0
        for effect_id in queryset.order_by("id").values_list("id", flat=True):
            try:
                act(effect_id, **service_arguments(request))
                done += 1
            except ActionRefused as refusal:
                messages.warning(request, f"{effect_id}: {refusal}")
        messages.success(request, f"{done} {what}.")

    @admin.display(description="recipient")
    def shown_recipient(self, run: EffectRun) -> str:
        """A reference, or an address with its name masked."""
        return mask_recipient(run.recipient)

    @admin.display(description="why")
    def why(self, run: EffectRun) -> str:
        """Why it has not run, or not yet."""
        return explain_reason(run.reason)

    @admin.display(description="last attempt")
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

    list_display = ("name", "url", "created_at")
    ordering = ("name",)
    form = EndpointForm
    fields = ("name", "url")
    actions = ("test", "rotate", "remove")
    refusals = (EndpointRefused,)

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
        messages.warning(request, f"The secret of {endpoint.name}, shown this once: {secret}")

    @admin.action(description="Send a signed sample", permissions=["decide"])
    def test(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """To the first of the chosen endpoints: each is waited for."""
        arguments = service_arguments(request)
        endpoint = queryset.order_by("name")[0]
        destination = endpoints.read_destination(endpoint.id, tenant=arguments["tenant"], now=arguments["now"])
        if destination is not None:
            delivery = send_sample(destination, tenant=arguments["tenant"])
            answer = f"answered {delivery.status}" if delivery.status else delivery.error
            say = messages.success if delivery.outcome == "done" else messages.warning
            say(request, f"{endpoint.name} {answer} ({delivery.milliseconds:,} ms).")

    @admin.action(description="Give the selected endpoints new secrets", permissions=["decide"])
    def rotate(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """The former secrets sign beside them for a day."""
        for endpoint in queryset.order_by("name"):
            secret = endpoints.rotate_secret(endpoint.id, **service_arguments(request))
            messages.warning(request, f"The new secret of {endpoint.name}, shown this once: {secret}")

    @admin.action(description="Remove the selected endpoints", permissions=["decide"])
    def remove(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """What still waits for them is cancelled."""
        for endpoint_id in queryset.order_by("name").values_list("id", flat=True):
            endpoints.delete_endpoint(endpoint_id, **service_arguments(request))
        messages.success(request, "Removed. What was waiting for them is cancelled.")
