"""Middlewares that serve pages. A call of the API without a cookie has no session behind it and passes them by.

A call that brings a cookie may be a page's own (``tenants.authentication.SessionIdentityAuthentication``) and goes
through all of them, like everything outside of the API.
"""

from typing import Any, Final

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest

API: Final = "/api/v1/"
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
    """Sessions."""


class PageMessages(_ForPages, MessageMiddleware):
    """What the next page is to say."""


class PageUsers(_ForPages, AuthenticationMiddleware):
    """The user of the session; without one no one is logged in."""

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on with the user."""
        if is_without_session(request):
            request.user = NO_USER
        return super().__call__(request)


class ContentPolicy(_ForPages, CSPMiddleware):
    """The content security policy of pages, with its nonce; a constant one for answers of the API."""

    def __call__(self, request: HttpRequest) -> Any:
        """Pass on, and set the header."""
        response = super().__call__(request)
        if is_without_session(request):
            # And not to what django-csp left alone on purpose: Django's own page about an error, in development.
            response.headers.setdefault(HEADER, API_POLICY)
        return response
