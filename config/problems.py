"""Problem details for HTTP APIs (RFC 9457): one way to render every refusal."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

PROBLEM_TYPE = "application/problem+json"
# What programs talk to; everything else is for browsers.
API_PATHS = ("/api/", "/scim/")
# The phrases of HTTP, for people.
TITLES = {
    400: _("Bad Request"),
    401: _("Unauthorized"),
    403: _("Forbidden"),
    404: _("Not Found"),
    405: _("Method Not Allowed"),
    406: _("Not Acceptable"),
    408: _("Request Timeout"),
    409: _("Conflict"),
    412: _("Precondition Failed"),
    413: _("Request Entity Too Large"),
    415: _("Unsupported Media Type"),
    422: _("Unprocessable Entity"),
    429: _("Too Many Requests"),
    500: _("Internal Server Error"),
    503: _("Service Unavailable"),
}


def problem_body(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """``type, title, status, detail, code`` and whatever else the problem carries (``errors``, ``allowed``, ...)."""
    return {
        "type": f"urn:customer360:problem:{code}",
        "title": str(TITLES.get(status, HTTPStatus(status).phrase)),
        "status": status,
        "detail": detail,
        "code": code,
        **extra,
    }


def problem_bytes(status: int, code: str, detail: str, **extra: Any) -> bytes:
    """The same as it goes over the line."""
    return orjson.dumps(problem_body(status, code, detail, **extra))


def problem_response(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> HttpResponse:
    """The same as a plain Django response, for refusals outside DRF."""
    return HttpResponse(
        problem_bytes(status, code, detail, **extra),
        status=status,
        content_type=PROBLEM_TYPE,
        headers=dict(headers or {}),
    )
