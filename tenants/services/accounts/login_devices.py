"""The mark that a log-in leaves in a browser: it opens nothing, and lets its owner try again while others guess.

A signed cookie names the last people who were logged in here, each by a hash, and the browser by a random id. Who
copies it gets a count of attempts of its own for those names, no more (OWASP's device cookies).
"""

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

MOST_NAMES = 5
KEPT_SECONDS = 180 * 24 * 3600
_SALT = "login-device"


def read_device(request: HttpRequest, username: str) -> str:
    """The id of this browser, if the name was logged in here before; else empty."""
    device, names = _read(request)
    return device if _hash(username) in names else ""


def is_known_device(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """django-axes' AXES_WHITELIST_CALLABLE: a known browser is limited by the guard of its own, and not locked out."""
    username = (credentials or {}).get("username") or request.POST.get("username", "")
    return bool(read_device(request, str(username)))


def mark_device(request: HttpRequest, response: HttpResponseBase, username: str) -> None:
    """Remember in the browser that the name was logged in."""
    device, names = _read(request)
    name = _hash(username)
    kept = [name, *(other for other in names if other != name)][:MOST_NAMES]
    response.set_cookie(
        _cookie(),
        signing.dumps([device or secrets.token_hex(16), *kept], salt=_SALT, compress=True),
        max_age=KEPT_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _read(request: HttpRequest) -> tuple[str, list[str]]:
    try:
        device, *names = signing.loads(request.COOKIES.get(_cookie(), ""), salt=_SALT, max_age=KEPT_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return "", []
    return str(device), [str(name) for name in names]


def _cookie() -> str:
    return "__Host-device" if settings.SESSION_COOKIE_SECURE else "device"


def _hash(username: str) -> str:
    return hashlib.sha256(username.casefold().encode(errors="replace")).hexdigest()[:16]
