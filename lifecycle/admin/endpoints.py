"""Webhook endpoints in the admin: made, tested, given new secrets, removed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.delivery.samples import TooManySamples, send_sample
from lifecycle.models import EffectLane, WebhookEndpoint
from lifecycle.services.effects import endpoints
from lifecycle.services.effects.addresses import AddressRefused, check_url
from lifecycle.services.effects.endpoints import EndpointRefused
from lifecycle.services.effects.reasons import explain_reason
from tenants.admin.base import ModelForm, ServiceAdmin, service_arguments
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value
from tenants.sentences.figures import say_number


class EndpointForm(ModelForm):
    """A new endpoint. Its address is checked as it will be when something is sent."""

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url")
        widgets = {"url": forms.URLInput(attrs={"size": 60})}

    def clean_name(self) -> str:
        """A name that no endpoint of the tenant has yet. Said by the service, it would take along what was typed."""
        try:
            name = read_line(self.cleaned_data["name"], endpoints.LONGEST_NAME, required=True)
        except InvalidValue as error:
            sentence = _("The name %(error)s. Nothing was saved.")
            raise ValidationError(sentence % {"error": describe_value(error)}) from error
        if WebhookEndpoint.objects.filter(name=name).exists():
            raise ValidationError(str(EndpointRefused("endpoint_exists")))
        return name

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
        endpoint = queryset.order_by("name").first()
        # Another admin may have removed it since the list was shown.
        if endpoint is not None:
            destination = endpoints.read_destination(endpoint.id, tenant=arguments["tenant"], now=arguments["now"])
        if endpoint is None or destination is None:
            messages.error(request, _("Choose rows on this page. Nothing was changed."))
        else:
            delivery = send_sample(destination, tenant=arguments["tenant"])
            facts = {"name": endpoint.name, "milliseconds": say_number(delivery.milliseconds)}
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
            if secret is None:
                # Removed by another admin, on whom this has waited.
                continue
            said = _("The new secret of %(name)s, shown this once: %(secret)s")
            messages.warning(request, said % {"name": endpoint.name, "secret": secret})

    @admin.action(description=gettext_lazy("Remove the selected endpoints"), permissions=["decide"])
    def remove(self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]) -> None:
        """What still waits for them is cancelled."""
        for endpoint_id in queryset.order_by("name").values_list("id", flat=True):
            endpoints.delete_endpoint(endpoint_id, **service_arguments(request))
        messages.success(request, _("Removed. What was waiting for them is canceled."))
