"""What comes before any view: probes are let in, NUL bytes in a URL and the API over plain HTTP are not, a page is
given no address to connect to, and a database that is away is no error of ours.
"""

import sys
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.translation import get_language_from_request, override

from config.errors import page_not_found, refuse_malformed, unavailable
from config.outages import find_outage
from config.problems import API_PATHS, problem_response
from config.redaction import describe_error
from lifecycle.web.live import stream_origin
from storage.failures import sql_state

log = structlog.get_logger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]


class NameProbes:
    """A container's probe or a scraper asks by address, which is none of the site's names: it gets one of them."""

    PATHS = frozenset(("/healthz", "/healthz/live", "/metrics"))

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.ALLOWED_HOSTS:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Name the host, and pass on."""
        if request.path in self.PATHS:
            host = settings.ALLOWED_HOSTS[0].removeprefix("*").removeprefix(".")
            request.META["HTTP_HOST"] = host or "localhost"
        return self.get_response(request)


class RefuseNullBytes:
    """PostgreSQL cannot store NUL: a URL that carries one can match nothing and is refused with 400.

    So is one with parameters by the thousand, which only cost time; forms have a limit of their own.
    """

    MOST_PARAMETERS = 1000
    POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 400 or pass on."""
        query = request.META.get("QUERY_STRING", "")
        if "\x00" in request.path or "%00" in query:
            return self._refuse(request, "The address contains a NUL byte; remove it.")
        if query.count("&") >= self.MOST_PARAMETERS:
            sentence = f"The address has more than {self.MOST_PARAMETERS} parameters; nothing was changed. Send fewer."
            return self._refuse(request, sentence)
        return self.get_response(request)

    def _refuse(self, request: HttpRequest, sentence: str) -> HttpResponse:
        if request.path.startswith(API_PATHS):
            return problem_response(400, "invalid_request", sentence)
        with override(get_language_from_request(request)):
            response = refuse_malformed()
        # What gives pages their language and their policy comes later.
        response.headers["Content-Security-Policy"] = self.POLICY
        return response


class RefusePlainHttpApi:
    """Plain HTTP to the API is refused, not redirected: the caller's token has already travelled in clear.

    In development (DEBUG) plain HTTP is allowed. A declared proxy (TRUSTED_PROXY_TLS) vouches by X-Forwarded-Proto.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 403 or pass on."""
        if not settings.DEBUG and not request.is_secure() and request.path.startswith(API_PATHS):
            return problem_response(
                403, "https_required", "The API answers over HTTPS only; this request came over plain HTTP."
            )
        return self.get_response(request)


class AllowEventStream:
    """Let pages connect to the event stream where it has an origin of its own (development: another port).

    Which host that is only the request tells, so the policy's ``connect-src`` is widened for each response.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.EVENT_STREAM_URL.startswith("http"):
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on, and tell django-csp what to add."""
        response = self.get_response(request)
        response._csp_update = {"connect-src": stream_origin(request)}  # type: ignore[attr-defined]
        return response


class ShowOwnPages:
    """In development, too, what does not exist is answered by our own page and not by Django's about addresses.

    The last middleware: Django makes its page where the exception leaves the view.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.DEBUG:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on what has an address; else answer 404."""
        try:
            resolve(request.path_info)
        except Resolver404 as error:
            return page_not_found(request, error)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """404 for what a view did not find."""
        return page_not_found(request, exception) if isinstance(exception, Http404) else None


class AnswerOutages:
    """503 where Django would answer 500 because the database is not available: before a view, after it, in between.

    Django makes an answer of every exception where it arises, and tells of it by a signal; so the answer is replaced.
    The log has one line for it, as for the API (``config.errors.handle_exception``).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        got_request_exception.connect(note_outage, dispatch_uid="config.middleware.note_outage")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; replace the answer to an outage."""
        response = self.get_response(request)
        outage: str = request.__dict__.pop("outage", "")
        return unavailable(request, outage) if outage and response.status_code >= 500 else response


def note_outage(request: HttpRequest | None = None, **_: Any) -> None:
    """Called while the exception is being handled."""
    error = sys.exc_info()[1]
    if request is not None and error is not None and (outage := find_outage(error)):
        request.__dict__["outage"] = outage
        log.error("not available", reason=describe_error(error), code=sql_state(error))
