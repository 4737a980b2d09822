"""Conditional requests: a version as an entity tag, and what If-Match and If-None-Match ask for."""

import re

from rest_framework.request import Request

from tenants.refusals import RequestRefused

# A compressing proxy turns "3" into W/"3"; since the tag names a version, both mean the same.
_TAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')
IF_MATCH_FORM = 'If-Match must be one version in double quotes, as the header ETag gives it: "3"; or * for any.'


def format_etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def read_if_match(request: Request) -> int | None:
    """The version that the caller has seen, None without If-Match or for ``*``. Raises RequestRefused."""
    header: str | None = request.META.get("HTTP_IF_MATCH")
    if header is None or header.strip() == "*":
        return None
    found = _TAG.fullmatch(header.strip())
    if found is None:
        raise RequestRefused("invalid_request", IF_MATCH_FORM)
    return int(found[1])


def is_known_to_caller(request: Request, version: int) -> bool:
    """Whether If-None-Match names this version, so that 304 says all there is to say."""
    header: str | None = request.META.get("HTTP_IF_NONE_MATCH")
    if header is None:
        return False
    tags = header.split(",")
    return any(tag.strip() == "*" for tag in tags) or any(
        (found := _TAG.fullmatch(tag.strip())) is not None and int(found[1]) == version for tag in tags
    )
