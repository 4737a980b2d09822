"""Every address that answers, read from the URLconf itself: what is forgotten in a table shows up here."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
METHODS = ("get", "post", "put", "patch", "delete")


def list_routes(prefix: str) -> set[tuple[str, str]]:
    """``("PATCH", "/api/v1/customers/{customer_id}/lifecycle")`` for each method of each address under the prefix."""
    return {
        (method.upper(), route)
        for route, view in _walk(get_resolver().url_patterns, "/")
        if route.startswith(prefix)
        for method in _methods_of(view)
    }


def _walk(patterns: Any, before: str) -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if route.startswith("^"):
            # Regular expressions are catch-alls and static files: nothing of a tenant stands behind them.
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, before + route)
        elif isinstance(pattern, URLPattern):
            yield before + _CONVERTER.sub(r"{\1}", route), pattern.callback


def _methods_of(view: Any) -> list[str]:
    actions = getattr(view, "actions", None)
    if actions:
        return [method for method in actions if method in METHODS]
    view_class = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if view_class is not None:
        return [method for method in METHODS if hasattr(view_class, method)]
    return ["get"]
