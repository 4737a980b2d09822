"""Which server a request works on, where there are several (``DATABASE_SERVERS``): that of its tenant, chosen before
anything else is asked of a database but the session.

Nothing is let in here. A request that names no one who is known is answered by the server main, which refuses it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote_plus
from uuid import UUID

import jwt
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.utils.http import urlsafe_base64_decode

from config.page_middleware import is_without_session
from lifecycle.web.views.provider_login import read_kept
from storage.servers import MAIN, current_server, on_server
from tenants.authentication import read_impersonation
from tenants.homes import find_server
from tenants.rules.values import InvalidValue, read_username
from tenants.services.accounts.api_keys import find_key_id
from tenants.services.accounts.issuers import OWN_ISSUER, read_issuer
from tenants.services.finding import find_tenant_of, server_of, server_of_external, server_of_slug

# Those that name a person before they are known, by the field that does.
NAMED_IN_JSON: Final = frozenset({"/api/v1/auth/token", "/api/v1/auth/password-reset"})
NAMED_IN_FORM: Final = frozenset({"/login", "/password-reset"})
LINK: Final = re.compile(r"/(?:invitation|password-reset)/([^/]+)/[^/]+")
OWN_ACCOUNT: Final = re.compile(r"/(?:account(?:/.*)?|logout)")
FEED: Final = re.compile(r"/calendar/([0-9a-f]{32})_[^/]+\.ics")
LONGEST_BODY: Final = 65_536


class ChooseServer:
    """Has the rest of the request, and what is streamed afterwards, work on the server of its tenant."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Choose, and pass on."""
        server = choose(request)
        if server == current_server():
            return self.get_response(request)
        with on_server(server):
            response = self.get_response(request)
        streamed: Any = response
        if response.streaming and not streamed.is_async:
            streamed.streaming_content = _stream_on(server, streamed.streaming_content)
        return response


def choose(request: HttpRequest) -> str:
    """The name of the server; ``main`` when the request says nothing of a tenant that is known."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() == "bearer":
        return _of_token(token, request.META.get("HTTP_X_TENANT", ""))
    if server := _of_path(request):
        return server
    return MAIN if is_without_session(request) else _of_session(request)


def _of_token(token: str, slug: str) -> str:
    if key_id := find_key_id(token):
        return server_of("key", key_id)
    claims = _read_unverified(token)
    # What another issuer calls tenant_id, or a subject, is its own affair.
    if (issuer := read_issuer(token)) is not None and issuer != OWN_ISSUER:
        return server_of_external(issuer, claims)
    if isinstance(tenant_id := claims.get("tenant_id"), str) and (known := _as_uuid(tenant_id)):
        return find_server(known)
    user_id = _as_uuid(claims.get("sub"))
    if user_id is not None and find_tenant_of("user", user_id) is None and slug:
        return server_of_slug(slug)
    return MAIN


def _of_path(request: HttpRequest) -> str:
    """By what the address or the form says; '' when neither is one that says anything."""
    path = request.path_info
    if found := LINK.fullmatch(path):
        try:
            return server_of("user", UUID(urlsafe_base64_decode(found[1]).decode()))
        except (ValueError, UnicodeDecodeError):
            return MAIN
    if found := FEED.fullmatch(path):
        return server_of("feed", UUID(hex=found[1]))
    if request.method != "POST":
        return _of_provider(request) if path == "/login/return" else ""
    if path in NAMED_IN_FORM:
        return _of_username(request.POST.get("username", ""))
    if path in NAMED_IN_JSON:
        return _of_username(_read_json(request).get("username"))
    if path == "/api/v1/auth/token/refresh":
        user_id = _as_uuid(_read_unverified(_read_json(request).get("refresh")).get("sub"))
        return server_of("user", user_id) if user_id else MAIN
    if path == "/api/v1/auth/oauth/token":
        return _of_client(request)
    if path == "/login/company":
        return server_of_slug(request.POST.get("company", "").strip())
    return ""


def _of_provider(request: HttpRequest) -> str:
    issuer_id = _as_uuid(read_kept(request).get("issuer"))
    return server_of("issuer_id", issuer_id) if issuer_id else MAIN


def _of_client(request: HttpRequest) -> str:
    """By the key that is the client's secret, in the form or in HTTP Basic."""
    _, _, basic = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    try:
        shown = unquote_plus(base64.b64decode(basic).decode())
    except ValueError:
        shown = ""
    key_id = find_key_id(request.POST.get("client_secret", "") or shown)
    return server_of("key", key_id) if key_id else MAIN


def _of_session(request: HttpRequest) -> str:
    user_id = _as_uuid(request.session.get(SESSION_KEY))
    if user_id is None:
        return MAIN
    if tenant_id := find_tenant_of("user", user_id):
        return find_server(tenant_id)
    if OWN_ACCOUNT.fullmatch(request.path_info):
        # A super admin's own row and sessions are those of main; other servers have copies.
        return MAIN
    # A super admin: where the tenant is that they look at, or are about to. The page on which they choose is main's, or
    # it would be away with the server of the tenant that they are to leave.
    if request.path_info == "/tenants":
        slug = request.POST.get("tenant", "") if request.method == "POST" else ""
    else:
        chosen = read_impersonation(request.session)
        slug = request.META.get("HTTP_X_TENANT", "") or (chosen.slug if chosen else "")
    return server_of_slug(slug) if slug else MAIN


def _of_username(given: object) -> str:
    try:
        return server_of("username", read_username(given)) if isinstance(given, str) else MAIN
    except InvalidValue:
        return MAIN


def _read_unverified(token: object) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(str(token), options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return {}
    return claims


def _read_json(request: HttpRequest) -> dict[str, Any]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > LONGEST_BODY:
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _as_uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _stream_on(server: str, content: Iterator[bytes]) -> Iterator[bytes]:
    """What is made while it is sent is asked of the same server."""
    with on_server(server):
        yield from content
