"""The schema and the page that shows it; both for anyone."""

import functools
from typing import Any

from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tenants.views import METHODS


class PlainJsonRenderer(OpenApiJsonRenderer):
    """The schema for clients that ask for application/json and know no finer type."""

    media_type = "application/json"


class PlainYamlRenderer(OpenApiYamlRenderer):
    """The schema for clients that ask for application/yaml (RFC 9512)."""

    media_type = "application/yaml"


@functools.cache
def build_schema() -> dict[str, Any]:
    """The schema; the same for everybody, and made once: making it takes a second."""
    schema: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return schema


class SchemaView(APIView):
    """``GET /schema``: OpenAPI 3.1 as JSON, or as YAML to anyone who asks for it."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = METHODS
    renderer_classes = (OpenApiJsonRenderer, PlainJsonRenderer, OpenApiYamlRenderer, PlainYamlRenderer)
    schema = None

    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(build_schema(), headers={"Cache-Control": "public, max-age=300"})


class DocsView(SpectacularSwaggerSplitView):
    """``/api/docs``: the schema as a page to read and to try."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = METHODS
    template_name = "api_docs.html"
    url_name = "schema"
