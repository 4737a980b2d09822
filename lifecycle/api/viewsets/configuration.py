"""The tenant's lifecycle configuration: the live version, and the next one."""

from typing import ClassVar

from django.utils import timezone
from django.utils.http import http_date
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import schema
from lifecycle.api.filters import refuse_strangers
from lifecycle.api.preconditions import format_etag, is_known_to_caller, read_if_match
from lifecycle.api.serializers import PublicationSerializer
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.previews import preview_configuration
from lifecycle.services.publication import publish_configuration
from tenants.models import ConfigurationVersion
from tenants.roles import CONFIGURE_STAGES, VIEW_LIFECYCLE
from tenants.services.configurations import live_version
from tenants.services.policies import NoConfiguration


class ConfigurationViewSet(TenantViewSet):
    """``/configuration`` and ``/configuration/preview``."""

    required_permissions: ClassVar[dict[str, str]] = {
        "retrieve": VIEW_LIFECYCLE,
        "update": CONFIGURE_STAGES,
        "preview": CONFIGURE_STAGES,
    }

    @schema.GET_CONFIGURATION
    def retrieve(self, request: Request) -> Response:
        """The configuration that judges now."""
        refuse_strangers(request.query_params, ())
        version = live_version(self.tenant)
        if version is None or version.number is None:
            raise NoConfiguration(self.tenant.id)
        shown = _show(version)
        return (
            Response(status=304, headers=dict(shown.headers)) if is_known_to_caller(request, version.number) else shown
        )

    @schema.PUBLISH_CONFIGURATION
    def update(self, request: Request) -> Response:
        """Publish the next version [AC-8]. If-Match names the version that the caller has seen."""
        body = PublicationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        publication = publish_configuration(
            **body.validated_data,
            expected_version=read_if_match(request),
            tenant=self.tenant,
            actor=self.identity.actor(),
            now=timezone.now(),
        )
        return _show(publication.version)

    @schema.PREVIEW_CONFIGURATION
    def preview(self, request: Request) -> Response:
        """What a configuration would do to the customers as they stand, and to the last 90 days. Writes nothing."""
        body = PublicationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        asked.pop("comment", None)
        return Response(preview_configuration(**asked, tenant=self.tenant, now=timezone.now()).to_json())


def _show(version: ConfigurationVersion) -> Response:
    """The document as it stands; its version is the entity tag."""
    headers = {"ETag": format_etag(version.number or 0), "Cache-Control": "private, no-cache"}
    if version.published_at is not None:
        headers["Last-Modified"] = http_date(version.published_at.timestamp())
    return Response(version.document, headers=headers)
