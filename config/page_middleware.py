"""Middlewares that serve pages. A call of the API without a cookie has no session behind it and passes them by.

A call that brings a cookie may be a page's own (``tenants.authentication.SessionIdentityAuthentication``) and goes
through all of them, like everything outside of the API.
"""

from collections.abc import Callable
from typing import Any, Final

import structlog
from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from storage.failures import refuses_writes, sql_state
from tenants.models import User
from tenants.pages import keep_choice
from tenants.services.accounts.open_sessions import see_page_session
from tenants.services.accounts.own_settings import in_settings_of

log = structlog.get_logger(__name__)

API: Final = "/api/v1/"
ADMIN: Final = "/admin/"
# JSON loads nothing, and belongs in no frame.
API_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
NO_USER: Final = AnonymousUser()


def is_without_session(request: HttpRequest) -> bool:
    """Whether a request is for the API and brings no cookie: it can be no page's own."""
    return not request.META.get("HTTP_COOKIE") and request.path_info.startswith(API)


class _ForPages:
    """Mixed into a middleware: what has no session goes straight on to the next one."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on, or do what the middleware does."""
        if is_without_session(request):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class PageSessions(_ForPages, SessionMiddleware):
    """Sessions. The cookie of one that is gone goes with the request that has ended it, and with no other.

    A new password gives the session another key. A page's look that was sent with the former one, and is answered after
    it, would take the new cookie away from the browser: its person would be logged out by it.
    """

    def process_response(self, request: Any, response: Any) -> Any:
        """Keep what was changed of the session, and set its cookie or take it away."""
        session = request.session
        if session.is_empty() and not session.modified:
            if session.accessed:
                patch_vary_headers(response, ("Cookie",))
            return response
        if session.modified and response.status_code < 500:
            keep_choice(request)
        return super().process_response(request, response)


class PageMessages(_ForPages, MessageMiddleware):
    """What the next page is to say."""


class PageUsers(_ForPages, AuthenticationMiddleware):
    """The user of the session; without one no one is logged in."""

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on with the user."""
        if is_without_session(request):
            request.user = NO_USER
        return super().__call__(request)


class OwnSettings:
    """Sentences in the language, and times in the zone, that the user chose. The admin keeps UTC, as its forms say."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on within the settings of the session's user: the statement that reads them is the view's own."""
        if is_without_session(request) or settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return self.get_response(request)
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        with in_settings_of(user, times=not request.path_info.startswith(ADMIN)):
            response = self.get_response(request)
            if user.language:
                response.headers.setdefault("Content-Language", translation.get_language())
        return response


class SeenSessions:
    """Keeps when a session was used last, for the person's own list of them: a statement every five minutes at most."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, and keep it first: outside the view's transaction, whatever becomes of that.

        While the database can only be read it is not kept, and the page is shown.
        """
        has_session = not is_without_session(request) and settings.SESSION_COOKIE_NAME in request.COOKIES
        if has_session and isinstance(request.user, User):
            try:
                see_page_session(request, now=timezone.now())
            except DatabaseError as error:
                if not refuses_writes(error):
                    raise
                log.warning("not kept when a session was used last", code=sql_state(error))
        return self.get_response(request)


class ContentPolicy(_ForPages, CSPMiddleware):
    """The content security policy of pages, with its nonce; a constant one for answers of the API."""

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on, and set the header."""
        response = super().__call__(request)
        if is_without_session(request):
            # And not to what django-csp left alone on purpose: Django's own page about an error, in development.
            response.headers.setdefault(HEADER, API_POLICY)
        return response
