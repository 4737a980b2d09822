"""What comes before any view: probes are let in, NUL bytes in a URL and the API over plain HTTP are not, and a page is
told whom it may connect to.
"""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from config.problems import problem_response
from lifecycle.web.live import stream_origin

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
    """PostgreSQL cannot store NUL: a URL that carries one can match nothing and is a bad request."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 400 or pass on."""
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problem_response(400, "invalid_request", "The address contains a NUL byte; remove it.")
        return self.get_response(request)


class RefusePlainHttpApi:
    """Plain HTTP to the API is refused, not redirected: the caller's token has already travelled in clear.

    In development (DEBUG) plain HTTP is allowed. A declared proxy (TRUSTED_PROXY_TLS) vouches by X-Forwarded-Proto.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer 403 or pass on."""
        if not settings.DEBUG and not request.is_secure() and request.path.startswith("/api/"):
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
