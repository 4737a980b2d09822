"""Problem details for HTTP APIs (RFC 9457): one way to render every refusal."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse

PROBLEM_TYPE = "application/problem+json"


def problem_body(status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """``type, title, status, detail, code`` and whatever else the problem carries (``errors``, ``allowed``, ...)."""
    return {
        "type": f"urn:customer360:problem:{code}",
        "title": HTTPStatus(status).phrase,
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
