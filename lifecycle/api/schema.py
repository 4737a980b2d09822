"""The API described by itself: OpenAPI 3.1, one decorator an action."""

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from lifecycle.api import answers, configuration_answers
from lifecycle.api.filters import CustomerFilters
from lifecycle.api.serializers import BatchSerializer, ChangeSerializer
from lifecycle.querysets.listing import DEFAULT_LIMIT, MOST, ORDERINGS
from tenants.rules.conditions import OPERATORS
from tenants.rules.sections import MOST_STAGES
from tenants.rules.shapes import CATEGORIES, EFFECT_KINDS, EFFECT_MOMENTS, EVENT_TYPES

PROBLEM: Final = "application/problem+json"
_SENTENCES: Final = {
    400: "The request is malformed, or the change is refused; `code` and `errors` say why.",
    401: "Nobody is logged in, or the token is not good any more.",
    403: "The caller may not do this.",
    404: "There is no such customer in this tenant, or no such tenant.",
    406: "Only JSON is sent, and Accept asks for something else.",
    412: "The version in If-Match is not the present one; `current` is.",
    415: "Only JSON is read, and Content-Type says that the body is something else.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many: the budget of changed customers, or of attempts to log in, does not allow it; see Retry-After.",
}
_EVERYWHERE: Final = (400, 401, 403, 404, 406)

CUSTOMER = OpenApiParameter("customer_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
TENANT = OpenApiParameter(
    "X-Tenant",
    str,
    OpenApiParameter.HEADER,
    description="The slug of the tenant. A super admin must name one; for others it may only be their own.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='The version that you have seen, in double quotes, as ETag gave it: `"3"`, and what a proxy made of it:'
    ' `W/"3"`, `"3-gzip"`. Another one now is 412. Several, with commas: one of them. `*`: any.',
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The version that you have, as ETag gave it; 304 if it is still the one.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 printable characters. The first answer is given again for 24 hours, marked by the header"
    " Idempotency-Replayed.",
)


def _answered_with(name: str, description: str, statuses: tuple[int, ...] = (200,)) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description, response=list(statuses))


ETAG = _answered_with("ETag", "The version, in double quotes.")
ETAG_OF_A_CHANGE = _answered_with(
    "ETag",
    "The version now, in double quotes. With 400 only if the rules have refused the change.",
    (200, 400, 412),
)
_GOOD: Final = (200, 207)
BUDGET = (
    _answered_with("RateLimit-Policy", 'The budget: `"updates";q=1000;w=3600`.', _GOOD),
    _answered_with("RateLimit", "What is left of it, and in how many seconds it is whole again.", _GOOD),
)
REPLAYED = _answered_with("Idempotency-Replayed", "`true` if this is an answer that was given before.", _GOOD)


def describe(
    operation_id: str,
    tag: str,
    *parameters: OpenApiParameter,
    answer: Any = None,
    status: int = 200,
    problems: tuple[int, ...] = (),
    request: Any = None,
    examples: list[OpenApiExample] | None = None,
    responses: dict[Any, Any] | None = None,
) -> Callable[[Any], Any]:
    """The schema of one action: 400, 401, 403, 404 and 406 can happen everywhere, 415 wherever a body is read.

    Its text is the action's docstring.
    """
    unreadable = () if request is None else (415,)
    refusals = {
        (code, PROBLEM): OpenApiResponse(answers.ProblemAnswer, description=_SENTENCES[code])
        for code in sorted({*_EVERYWHERE, *problems, *unreadable})
    }
    decorator: Callable[[Any], Any] = extend_schema(
        operation_id=operation_id,
        tags=[tag],
        parameters=[*parameters, TENANT],
        request=request,
        responses={status: answer, **(responses or {}), **refusals},
        examples=examples,
    )
    return decorator


def _filter_parameters() -> list[OpenApiParameter]:
    """The parameters of the list, from the filters that read them."""
    enums: dict[str, Any] = {
        "category": list(CATEGORIES),
        "at_risk": ["true", "false"],
        "stuck": ["true", "false"],
        "ordering": list(ORDERINGS),
    }
    integers: dict[str, dict[str, Any]] = {
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
        "renewing_within": {"type": "integer", "minimum": 0, "maximum": 3650},
    }
    return [
        OpenApiParameter(
            name,
            integers.get(name, str),
            OpenApiParameter.QUERY,
            description=filter_.extra["help_text"],
            enum=enums.get(name),
            many=name == "stage",
        )
        for name, filter_ in CustomerFilters.base_filters.items()
    ]


_MOVE = OpenApiExample(
    "Mark a customer as at risk",
    value={"stage": "At-Risk", "updated_by": "user-42", "reason_code": "Low Engagement"},
    request_only=True,
)
_MOVED = OpenApiExample(
    "Moved",
    value={"success": True, "updated_at": "2025-07-28T12:34:00Z"},
    response_only=True,
    status_codes=["200"],
)
_NOT_ALLOWED = OpenApiExample(
    "Not allowed from where the customer stands",
    value={
        "type": "urn:customer360:problem:transition_not_allowed",
        "title": "Bad Request",
        "status": 400,
        "detail": "A customer in “Churned” cannot be moved to “Active”; allowed is “Prospect”.",
        "code": "transition_not_allowed",
        "allowed": ["Prospect"],
        "errors": [
            {
                "pointer": "#/stage",
                "detail": "A customer in “Churned” cannot be moved to “Active”; allowed is “Prospect”.",
                "code": "transition_not_allowed",
            }
        ],
    },
    response_only=True,
    status_codes=["400"],
    media_type=PROBLEM,
)
_BATCH = OpenApiExample(
    "Try two moves",
    value={
        "dry_run": True,
        "items": [
            {"customer_id": "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a90", "stage": "Active"},
            {
                "customer_id": "0198f3c2-5d1e-7a44-9f0e-2b6c1d7e8a91",
                "stage": "At-Risk",
                "reason_code": "Support Escalation",
                "version": 4,
            },
        ],
    },
    request_only=True,
)
_CONFIGURATION_EXAMPLE = OpenApiExample(
    "A small configuration",
    value={
        "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
        "required_reason_codes": ["At-Risk", "Churned"],
        "categories": {"Prospect": "acquisition", "At-Risk": "risk", "Churned": "lost"},
        "reason_codes": {"At-Risk": ["Low Engagement", "Support Escalation"]},
        "max_days": {"Onboarded": 30},
    },
)
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 100}
_STAGES: Final = {"type": "array", "items": _NAME}


def _by_stage(value: dict[str, Any], description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": value, "description": f"Stage -> {description}."}


_CONDITION: Final = {
    "type": "object",
    "properties": {
        "field": {"type": "string", "description": "A path into the event's data, such as `billing.arr`."},
        "op": {"type": "string", "enum": list(OPERATORS)},
        "value": {"description": "A text, a number, true or false; for `in` a list of them."},
    },
    "required": ["field", "op"],
    "additionalProperties": False,
}
_EVENT_RULE: Final = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": list(EVENT_TYPES)},
        "from": {**_STAGES, "minItems": 1, "description": "Absent: every stage."},
        "to": _NAME,
        "reason_code": {"type": ["string", "null"], "maxLength": 255},
        "when": {"type": "array", "items": _CONDITION, "description": "All of them must hold."},
    },
    "required": ["event", "to"],
    "additionalProperties": False,
}
_EFFECT: Final = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 255},
        "on": {"type": "string", "enum": list(EFFECT_MOMENTS)},
        "kind": {"type": "string", "enum": list(EFFECT_KINDS)},
        "stages": {**_STAGES, "minItems": 1},
        "categories": {"type": "array", "items": {"type": "string", "enum": list(CATEGORIES)}, "minItems": 1},
        "to": {"type": "array", "items": {"type": "string"}, "description": "Whom it is for; not for a forecast."},
        "template": {"type": ["string", "null"]},
    },
    "required": ["name", "on", "kind"],
    "additionalProperties": False,
}
CONFIGURATION: Final = {
    "type": "object",
    "title": "Configuration",
    "description": "A tenant's lifecycle. An unknown key is an error.",
    "properties": {
        "stages": {**_STAGES, "minItems": 1, "maxItems": MOST_STAGES, "description": "The stages, in order."},
        "required_reason_codes": {**_STAGES, "description": "The stages that cannot be entered without a reason."},
        "initial": {**_NAME, "description": "Where new customers begin; absent: the first stage."},
        "transitions": {
            "type": "object",
            "additionalProperties": _STAGES,
            "description": "Stage -> the stages it leads to. Without the key every stage leads to every other.",
        },
        "categories": _by_stage({"type": "string", "enum": list(CATEGORIES)}, "what it means"),
        "reason_codes": _by_stage({"type": "array", "items": {"type": "string", "maxLength": 255}}, "accepted reasons"),
        "event_rules": {"type": "array", "items": _EVENT_RULE},
        "max_days": _by_stage({"type": "integer", "minimum": 1, "maximum": 3650}, "days expected at most"),
        "effects": {"type": "array", "items": _EFFECT},
        "colors": _by_stage({"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"}, "its colour"),
        "guidance": _by_stage({"type": "string", "maxLength": 2000}, "what to do in it"),
    },
    "required": ["stages"],
    "additionalProperties": False,
}
_TARGET: Final = {
    "oneOf": [
        _NAME,
        {
            "type": "object",
            "properties": {"to": _NAME, "reason_code": {"type": ["string", "null"], "maxLength": 255}},
            "required": ["to"],
            "additionalProperties": False,
        },
    ]
}
PUBLICATION: Final = {
    "type": "object",
    "title": "Publication",
    "description": "A configuration, and what becomes of stages that are renamed or go away.",
    "properties": {
        "configuration": CONFIGURATION,
        "renamed": _by_stage(_NAME, "the name that a stage of the live version has in this one"),
        "mapping": _by_stage(_TARGET, "where its customers go, as it goes away"),
        "comment": {"type": "string", "maxLength": 500},
    },
    "required": ["configuration"],
    "additionalProperties": False,
}
_PUBLISHED: Final = {"application/json": {"oneOf": [CONFIGURATION, PUBLICATION]}}

LIST_CUSTOMERS = describe("list_customers", "customers", *_filter_parameters(), answer=answers.CustomerPageAnswer)
GET_CUSTOMER = describe("get_customer", "customers", CUSTOMER, answer=answers.ProfileAnswer)
GET_LIFECYCLE = describe(
    "get_lifecycle",
    "lifecycle",
    CUSTOMER,
    IF_NONE_MATCH,
    ETAG,
    answer=answers.LifecycleAnswer,
    responses={304: OpenApiResponse(description="It is still the version in If-None-Match.")},
)
MOVE_CUSTOMER = describe(
    "move_customer",
    "lifecycle",
    CUSTOMER,
    IF_MATCH,
    IDEMPOTENCY_KEY,
    ETAG_OF_A_CHANGE,
    *BUDGET,
    REPLAYED,
    request=ChangeSerializer,
    answer=answers.MovedAnswer,
    problems=(412, 422, 429),
    examples=[_MOVE, _MOVED, _NOT_ALLOWED],
)
GET_SUMMARY = describe("get_summary", "lifecycle", CUSTOMER, answer=answers.SummaryAnswer)
LIST_HISTORY = describe(
    "list_history",
    "lifecycle",
    CUSTOMER,
    OpenApiParameter("cursor", str, OpenApiParameter.QUERY, description="Where the page begins, from next."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
        OpenApiParameter.QUERY,
        description="Rows a page.",
    ),
    answer=answers.HistoryPageAnswer,
)
GET_TENANT_SUMMARY = describe("get_tenant_summary", "lifecycle", answer=answers.TenantSummaryAnswer)
MOVE_CUSTOMERS = describe(
    "move_customers",
    "lifecycle",
    IDEMPOTENCY_KEY,
    *BUDGET,
    REPLAYED,
    request=BatchSerializer,
    answer=answers.BatchAnswer,
    responses={207: OpenApiResponse(answers.BatchAnswer, description="The items fared differently.")},
    problems=(422, 429),
    examples=[_BATCH],
)
GET_CONFIGURATION = describe(
    "get_configuration",
    "configuration",
    IF_NONE_MATCH,
    ETAG,
    answer=CONFIGURATION,
    responses={304: OpenApiResponse(description="It is still the version in If-None-Match.")},
)
PUBLISH_CONFIGURATION = describe(
    "publish_configuration",
    "configuration",
    IF_MATCH,
    ETAG,
    request=_PUBLISHED,
    answer=CONFIGURATION,
    problems=(412,),
    examples=[_CONFIGURATION_EXAMPLE],
)
PREVIEW_CONFIGURATION = describe(
    "preview_configuration",
    "configuration",
    request=_PUBLISHED,
    answer=configuration_answers.PreviewAnswer,
)


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: what no decorator can say."""
    for name, component in result["components"]["schemas"].items():
        if name.endswith("Request"):
            # An unknown key is an error everywhere.
            component["additionalProperties"] = False
    for path, operations in result["paths"].items():
        if path.startswith("/api/v1/auth/"):
            for operation in operations.values():
                operation["responses"] |= {str(code): _problem_response(code) for code in (400, 401, 406, 415, 429)}
    return result


def _problem_response(code: int) -> dict[str, Any]:
    reference = {"$ref": "#/components/schemas/ProblemAnswer"}
    return {"description": _SENTENCES[code], "content": {PROBLEM: {"schema": reference}}}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The access token."""

    target_class = "tenants.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """HTTP bearer."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "The access token of `POST /api/v1/auth/token`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session of the pages."""

    target_class = "tenants.authentication.SessionIdentityAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """A cookie; unsafe methods need the CSRF token as well."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The session of the pages; other methods than GET need the header X-CSRFToken as well.",
        }
