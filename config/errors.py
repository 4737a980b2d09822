"""The one table from exceptions to answers: every refusal of the API is application/problem+json (RFC 9457)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core import exceptions as django_exceptions
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views import defaults
from django.views.csrf import csrf_failure
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from config.outages import UNCHANGED, UNKNOWN, find_outage, is_commit_unknown
from config.problems import API_PATHS, PROBLEM_TYPE, problem_body, problem_response
from config.redaction import describe_error
from lifecycle.sentences import say, say_for_record
from lifecycle.services.configuration.plans import MappingNeeded
from lifecycle.services.transitions.update_budget import RateLimited
from storage.failures import sql_state
from tenants.identity import Identity
from tenants.middleware import note_refusal
from tenants.pages import PageGone
from tenants.permissions import customer_of
from tenants.refusals import STATUS_OF_CODE, RequestRefused
from tenants.rules.configuration.errors import InvalidConfiguration
from tenants.sentences import describe_finding, describe_invalid, describe_refusal
from tenants.services.accounts.jwks import KeysUnavailable
from tenants.services.configuration.policies import NoConfiguration
from tenants.services.configuration.versions import ConfigurationConflict, NoSuchVersion

log = structlog.get_logger(__name__)

LOG_IN = gettext_lazy(
    "Send an access token in the header Authorization: Bearer <token>. POST /api/v1/auth/token gives you one."
)
NOT_FOUND = gettext_lazy("Not found. Check the address, and that what it names belongs to your tenant.")
UNAVAILABLE_STATUS = STATUS_OF_CODE["unavailable"]
INTERNAL = gettext_lazy("Something went wrong on our side; nothing was changed. Quote the request_id if you report it.")
RETRY_SECONDS = "1"


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer in the making."""

    code: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_OF_CODE[self.code]


def handle_exception(exception: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: an answer for every exception, and the transaction is rolled back.

    What is not in the table is an ``internal_error``: logged with its traceback under the id that the answer names.
    """
    set_rollback()
    request = context.get("request")
    problem = describe(exception, method=getattr(request, "method", "") or "")
    if isinstance(exception, RateLimited):
        _note_rate_limit(exception, context)
    if problem.status == UNAVAILABLE_STATUS:
        log.error(
            "not available",
            reason=describe_error(exception),
            code=sql_state(exception),
            view=type(context.get("view")).__name__,
        )
    elif problem.status >= 500:
        log.error("request failed", exc_info=exception, view=type(context.get("view")).__name__)
    return render_problem(problem)


def _note_rate_limit(limited: RateLimited, context: Mapping[str, Any]) -> None:
    request, view = context.get("request"), context.get("view")
    identity = getattr(request, "user", None)
    if isinstance(identity, Identity):
        customer_id = customer_of(view)
        note_refusal(
            request,
            identity,
            source="API",
            code="rate_limited",
            detail=say_for_record(limited.message),
            customer_id=customer_id,
        )


def render_problem(problem: Problem) -> Response:
    """The DRF response of a problem."""
    body = problem_body(problem.status, problem.code, problem.detail, **problem.extra)
    return Response(
        body, status=problem.status, headers=dict(problem.headers), content_type=PROBLEM_TYPE, exception=True
    )


def describe(exception: Exception, *, method: str = "") -> Problem:
    """The problem that an exception is to the outside."""
    if outage := find_outage(exception):
        is_unknown = is_commit_unknown(exception) and method not in ("GET", "HEAD")
        sentence = f"{outage} {UNKNOWN if is_unknown else UNCHANGED}"
        return Problem("unavailable", sentence, {"Retry-After": RETRY_SECONDS})
    for kind, translate in _TABLE.items():
        if isinstance(exception, kind):
            return translate(exception, method)
    return _internal(str(INTERNAL))


def _internal(detail: str) -> Problem:
    return Problem("internal_error", detail, {}, {"request_id": _request_id()})


def _request_id() -> str:
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _from_refusal(refused: RequestRefused) -> Problem:
    extra = dict(refused.extra)
    if refused.errors:
        extra["errors"] = list(refused.errors)
    return Problem(refused.code, str(refused), refused.headers, extra)


def _from_rate_limit(limited: RateLimited) -> Problem:
    return Problem("rate_limited", say(limited.message), limited.headers, {"retry_after": limited.retry_after})


def _from_throttling(throttled: exceptions.Throttled) -> Problem:
    wait = str(int(getattr(throttled, "wait", None) or 1))
    return Problem(
        "rate_limited",
        ngettext(
            "Too many requests: try again in %(wait)s second.",
            "Too many requests: try again in %(wait)s seconds.",
            int(wait),
        )
        % {"wait": wait},
        {"Retry-After": wait},
    )


def _from_authentication(error: exceptions.APIException) -> Problem:
    detail = str(LOG_IN) if isinstance(error, exceptions.NotAuthenticated) else str(error.detail)
    return Problem("not_authenticated", detail, {"WWW-Authenticate": "Bearer"})


def _from_denial(error: Exception) -> Problem:
    detail = str(getattr(error, "detail", error)) or _("You don't have access.")
    return Problem("permission_denied", detail)


def _from_absence(error: Exception) -> Problem:
    detail = str(error.detail) if isinstance(error, exceptions.NotFound) else ""
    return Problem(
        "not_found", detail if detail not in ("", str(exceptions.NotFound.default_detail)) else str(NOT_FOUND)
    )


def _from_validation(error: exceptions.ValidationError, method: str) -> Problem:
    found = list(_walk_errors(error.detail, ()))
    is_query = method in ("GET", "HEAD")
    errors = [
        {"pointer": _pointer(path), "detail": str(text), "code": getattr(text, "code", None) or "invalid"}
        | ({"parameter": str(path[0])} if is_query and path else {})
        for path, text in found
    ]
    if len(found) == 1:
        path, text = found[0]
        detail = f"{'.'.join(map(str, path))}: {text}" if path else str(text)
    else:
        detail = ngettext(
            "%(count)s field of the request is wrong; see errors.",
            "%(count)s fields of the request are wrong; see errors.",
            len(found),
        ) % {"count": len(found)}
    return Problem("invalid_request", detail, extra={"errors": errors})


def _from_configuration(error: InvalidConfiguration) -> Problem:
    errors = [
        {"pointer": f"#{found.path}", "detail": describe_finding(found), "code": found.code} for found in error.errors
    ]
    return Problem("invalid_request", describe_invalid(error), extra={"errors": errors})


def _from_conflict(error: ConfigurationConflict) -> Problem:
    headers = {"ETag": f'"{error.current}"'}
    return Problem("version_conflict", describe_refusal(error), headers, {"current": {"version": error.current}})


def _from_mapping(error: MappingNeeded) -> Problem:
    detail = describe_refusal(error)
    problem = {"pointer": "#/mapping", "detail": detail, "code": "mapping_needed"}
    return Problem("invalid_request", detail, extra={"errors": [problem], "stages": error.stages})


def _from_method(error: exceptions.MethodNotAllowed) -> Problem:
    return Problem(
        "method_not_allowed",
        _("%(detail)s See the header Allow for the methods of this address.") % {"detail": error.detail},
    )


def _from_media_type(error: exceptions.UnsupportedMediaType) -> Problem:
    return Problem(
        "unsupported_media_type",
        _("%(detail)s Send JSON, with Content-Type: application/json.") % {"detail": error.detail},
    )


def _simple(code: str, detail: str | Promise | None = None, **headers: str) -> Callable[[Any, str], Problem]:
    def translate(error: Any, _method: str) -> Problem:
        return Problem(code, str(detail or getattr(error, "detail", error)), headers)

    return translate


def _alone(translate: Callable[[Any], Problem]) -> Callable[[Any, str], Problem]:
    return lambda error, _method: translate(error)


# In the order in which they are tried: a subclass comes before its parent.
_TABLE: Mapping[type[Exception], Callable[[Any, str], Problem]] = {
    RequestRefused: _alone(_from_refusal),
    RateLimited: _alone(_from_rate_limit),
    InvalidConfiguration: _alone(_from_configuration),
    MappingNeeded: _alone(_from_mapping),
    ConfigurationConflict: _alone(_from_conflict),
    NoSuchVersion: lambda error, _method: Problem("not_found", describe_refusal(error)),
    NoConfiguration: _simple(
        "not_found", gettext_lazy("This tenant has no lifecycle configuration yet: publish one first.")
    ),
    exceptions.ValidationError: _from_validation,
    exceptions.ParseError: _simple("invalid_request"),
    exceptions.NotAuthenticated: _alone(_from_authentication),
    exceptions.AuthenticationFailed: _alone(_from_authentication),
    exceptions.PermissionDenied: _alone(_from_denial),
    exceptions.NotFound: _alone(_from_absence),
    exceptions.MethodNotAllowed: _alone(_from_method),
    exceptions.NotAcceptable: _simple(
        "not_acceptable", gettext_lazy("Only application/json can be sent: accept that.")
    ),
    exceptions.UnsupportedMediaType: _alone(_from_media_type),
    exceptions.Throttled: _alone(_from_throttling),
    Http404: _alone(_from_absence),
    django_exceptions.PermissionDenied: _alone(_from_denial),
    django_exceptions.SuspiciousOperation: _simple("invalid_request", gettext_lazy("The request is malformed.")),
    django_exceptions.BadRequest: _simple("invalid_request", gettext_lazy("The request is malformed.")),
    KeysUnavailable: lambda error, _method: Problem("unavailable", str(error), {"Retry-After": str(error.retry_after)}),
}


def _walk_errors(detail: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Each single error of DRF's nested detail with the place it is about."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            yield from _walk_errors(inner, path if key == api_settings.NON_FIELD_ERRORS_KEY else (*path, key))
    elif isinstance(detail, list | tuple):
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list | tuple)
            yield from _walk_errors(inner, (*path, index) if nested else path)
    else:
        yield path, detail


def _pointer(path: tuple[str | int, ...]) -> str:
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


# --- outside DRF: Django's own handlers, and the addresses that nothing answers -------------------------------------


@csrf_exempt
@transaction.non_atomic_requests
def api_address_not_found(_request: HttpRequest) -> HttpResponse:
    """The last address under /api/: whatever no other one takes does not exist, in development too."""
    return problem_response(404, "not_found", str(NOT_FOUND))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    if _is_api(request):
        return problem_response(400, "invalid_request", _("The request is malformed."))
    return defaults.bad_request(request, exception)


def refuse_malformed() -> HttpResponse:
    """The page of a request that no view is asked for."""
    return HttpResponse(render_to_string("400.html"), status=400, headers={"Cache-Control": "no-store"})


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    if _is_api(request):
        return problem_response(403, "permission_denied", str(exception) or _("You don't have access."))
    return defaults.permission_denied(request, exception)


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: the token of a form is not, or no longer, the browser's.

    Each log-in gives the browser another one. The form that logs in, pressed again while the page behind it is on its
    way, or sent from another tab, leads on, as it does with a token of now: someone is logged in already.
    """
    if request.path == settings.LOGIN_URL and request.user.is_authenticated:
        return redirect_to_login(request.POST.get("next") or settings.LOGIN_REDIRECT_URL)
    return csrf_failure(request, reason=reason)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if _is_api(request):
        return api_address_not_found(request)
    if isinstance(exception, PageGone):
        gone = {"sentence": exception.sentence, "links": exception.links}
        return render(request, "404.html", gone, status=404)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500; the traceback is in the log, under the id that the answer names."""
    if _is_api(request):
        return problem_response(500, "internal_error", str(INTERNAL), request_id=_request_id())
    return defaults.server_error(request)


def unavailable(request: HttpRequest, outage: str) -> HttpResponse:
    """The answer when the database was away where no view could say so; the sentence says in which way."""
    is_safe = request.method in ("GET", "HEAD")
    sentence = f"{outage} {UNCHANGED if is_safe else UNKNOWN}"
    headers = {"Retry-After": RETRY_SECONDS}
    if _is_api(request):
        return problem_response(UNAVAILABLE_STATUS, "unavailable", sentence, headers=headers)
    page = render_to_string("503.html", {"sentence": sentence})
    return HttpResponse(page, status=UNAVAILABLE_STATUS, headers={**headers, "Cache-Control": "no-store"})


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(API_PATHS)
