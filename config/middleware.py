"""What is refused before any view: NUL bytes in a URL, and the API over plain HTTP."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from config.problems import problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]


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
