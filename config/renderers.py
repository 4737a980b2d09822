"""Answers as JSON, by orjson: a third of the time of the standard library's on a page of a list."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import orjson
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from tenants.api.negotiation import Negotiation

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class OrjsonRenderer(BaseRenderer):
    """``application/json``. Times end in Z, decimals are texts; bytes that are JSON already go in as ``Fragment``."""

    media_type = "application/json"
    format = "json"
    # JSON is UTF-8 and has no charset parameter.
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        """The body; empty for None, which only an answer without content has."""
        return b"" if data is None else orjson.dumps(data, default=_simplify, option=OPTIONS)


def _simplify(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes | memoryview):
        raise TypeError("bytes are not JSON")
    if isinstance(value, Mapping):
        return dict(value)
    # Lazy translations and other texts of Django.
    return str(value)


class QuickNegotiation(Negotiation):
    """Takes the header apart only where there is something to negotiate."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and its media type. Raises NotAcceptable, and Http404 for a format that does not exist."""
        first = next(iter(renderers))
        asked, query = request.META.get("HTTP_ACCEPT", "*/*"), request.META.get("QUERY_STRING", "")
        if asked in ("*/*", first.media_type) and not format_suffix and "format=" not in query:
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
