"""The tenant's lifecycle configuration: the live version, and the next one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from django.utils import timezone
from django.utils.http import http_date
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import configuration_responses, schema
from lifecycle.api.filters import refuse_unknown_parameters
from lifecycle.api.preconditions import format_etag, is_known_to_caller, read_replaced_version
from lifecycle.api.serializers import PublicationSerializer
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.configuration.previews import preview_configuration
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.outcomes import EffectsUnconfirmed
from tenants.models import ConfigurationVersion
from tenants.roles import CONFIGURE_STAGES, VIEW_LIFECYCLE
from tenants.rules.configuration.document import InvalidConfiguration, read_configuration
from tenants.services.configuration.policies import NoConfiguration
from tenants.services.configuration.versions import live_version


class ConfigurationViewSet(TenantViewSet):
    """``/configuration`` and ``/configuration/preview``."""

    required_permissions: ClassVar[dict[str, str]] = {
        "retrieve": VIEW_LIFECYCLE,
        "update": CONFIGURE_STAGES,
        "preview": CONFIGURE_STAGES,
    }
    only_look: ClassVar[tuple[str, ...]] = ("preview",)

    @schema.GET_CONFIGURATION
    def retrieve(self, request: Request) -> Response:
        """The configuration that judges now."""
        refuse_unknown_parameters(request.query_params, ())
        version = live_version(self.tenant)
        if version is None or version.number is None:
            raise NoConfiguration(self.tenant.id)
        shown = _show(version)
        return (
            Response(status=304, headers=dict(shown.headers)) if is_known_to_caller(request, version.number) else shown
        )

    @schema.PUBLISH_CONFIGURATION
    def update(self, request: Request) -> Response:
        """Publish the next version [AC-8]. If-Match names the version that the caller has seen.

        `If-None-Match: *` in its place publishes the first version only.

        Customers of stages that go away are moved as the mapping says: up to a thousand with the answer, more in the
        background. These moves start no effects, unless `start_effects` says so; the preview counts them.
        """
        body = PublicationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked, now = dict(body.validated_data), timezone.now()
        with _findings_placed(body), self._effects_compared():
            publication = publish_configuration(
                asked.pop("configuration"),
                starts_effects=asked.pop("start_effects"),
                **asked,
                expected_version=read_replaced_version(request, current=self._live_number),
                tenant=self.tenant,
                actor=self.identity.actor(),
                now=now,
            )
        return _show(publication.version)

    @schema.PREVIEW_CONFIGURATION
    def preview(self, request: Request) -> Response:
        """What a configuration would do to the customers as they are now, and to the last 90 days. Writes nothing."""
        body = PublicationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked: dict[str, Any] = dict(body.validated_data)
        for name in ("comment", "start_effects", "confirm_effects"):
            asked.pop(name, None)
        configuration, findings = read_configuration(asked.pop("configuration"))
        made_by = (self.identity.actor().name,)
        preview = preview_configuration(
            configuration, findings, **asked, made_by=made_by, tenant=self.tenant, now=timezone.now()
        )
        return Response(configuration_responses.PreviewResponse(preview).data)

    @contextmanager
    def _effects_compared(self) -> Iterator[None]:
        try:
            yield
        except EffectsUnconfirmed as refusal:
            raise self.refuse_call(refusal, customer_id=None) from refusal

    def _live_number(self) -> int | None:
        version = live_version(self.tenant)
        return None if version is None else version.number


@contextmanager
def _findings_placed(body: PublicationSerializer) -> Iterator[None]:
    """Let the pointers of findings lead to where the configuration is in the body."""
    try:
        yield
    except InvalidConfiguration as error:
        beside = ("/renamed", "/mapping")
        raise InvalidConfiguration(
            tuple(
                found if found.path.startswith(beside) else replace(found, path=f"{body.place}{found.path}")
                for found in error.findings
            )
        ) from error


def _show(version: ConfigurationVersion) -> Response:
    """The document as it is; its version is the entity tag."""
    headers = {"ETag": format_etag(version.number or 0), "Cache-Control": "private, no-cache"}
    if version.published_at is not None:
        headers["Last-Modified"] = http_date(version.published_at.timestamp())
    return Response(version.document, headers=headers)
