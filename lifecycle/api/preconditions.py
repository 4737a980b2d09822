"""Conditional requests: a version as an entity tag, and what If-Match and If-None-Match ask for.

A tag names a version and nothing else, so whatever a proxy made of it on the way, it names the same version: nginx and
Cloudflare give ``W/"3"`` for ``"3"``, Caddy ``"3-gzip"`` or ``"3-zstd"``, Apache ``"3-gzip"`` or ``"3-br"``, Jetty
``"3;gzip"`` or ``"3--gzip"`` (decisions/0013).
"""

import re
from collections.abc import Callable
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request

from tenants.refusals import RequestRefused

_CODING = r"(?:x-)?(?:gzip|deflate|compress)|br|zstd|dcb|dcz|identity"
_TAG = re.compile(rf'(?:W/)?"(0|[1-9][0-9]{{0,17}})(?:(?:--?|[;:_+.])(?:{_CODING})){{0,3}}"', re.IGNORECASE)
_MEMBER = re.compile(r'\s*((?:[Ww]/)?"[^"]*"|[^,]*)\s*(?:,|$)')
IF_MATCH_FORM: Final = gettext_noop(
    'If-Match must be a version in double quotes, as the header ETag gives it: "3"; or several, with commas between'
    " them; or * for any. Nothing was changed."
)
IF_NONE_MATCH_HERE: Final = gettext_noop(
    "If-None-Match is for reading, and for PUT /configuration as *: to change what you have seen, send its version in"
    " If-Match. Nothing was changed."
)
NOTHING_YET: Final = 0


def format_etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def read_if_match(request: Request, *, current: Callable[[], int | None]) -> int | None:
    """The version that the caller has seen, None without If-Match or for ``*``. Raises RequestRefused.

    Of several it is the one that is ``current`` now, which is asked for that only; the change itself compares again,
    under its lock.
    """
    if "HTTP_IF_NONE_MATCH" in request.META:
        raise RequestRefused("invalid_request", _(IF_NONE_MATCH_HERE))
    versions = read_versions(request)
    if not versions:
        return None
    if len(versions) > 1 and (now := current()) in versions:
        return now
    return versions[-1]


def read_replaced_version(request: Request, *, current: Callable[[], int | None]) -> int | None:
    """As ``read_if_match`` for what may not exist yet: ``If-None-Match: *`` creates it, ``If-Match: *`` replaces it.

    0 means nothing yet.
    """
    if request.META.get("HTTP_IF_NONE_MATCH", "").strip() == "*" and "HTTP_IF_MATCH" not in request.META:
        return NOTHING_YET
    if request.META.get("HTTP_IF_MATCH", "").strip() == "*" and not current():
        raise RequestRefused("version_conflict", _("There is no version yet that If-Match: * could match."))
    return read_if_match(request, current=current)


def read_versions(request: Request) -> tuple[int, ...]:
    """The versions that If-Match names, in their order; none for ``*`` or without it. Raises RequestRefused."""
    header: str | None = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return ()
    versions = _read_tags(header)
    named = tuple(version for version in versions if version is not None)
    if not named or len(named) < len(versions):
        raise RequestRefused("invalid_request", _(IF_MATCH_FORM))
    return named


def is_known_to_caller(request: Request, version: int) -> bool:
    """Whether If-None-Match names this version, so that 304 says all there is to say. Tags of others match nothing."""
    header: str | None = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    return header.strip() == "*" or version in _read_tags(header)


def _read_tags(header: str) -> list[int | None]:
    """The version that each tag of a list names, None for one that names none; empty members do not count."""
    tags = [tag.strip() for tag in _MEMBER.findall(header) if tag.strip()]
    return [int(found[1]) if (found := _TAG.fullmatch(tag)) else None for tag in tags]
