"""The parameters and headers of the API, each with what is refused in it."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from lifecycle.api.filters import COLUMNS, COUNT, COUNT_HELP, LONGEST_CURSOR, LONGEST_SEARCH, VIEW, CustomerFilters
from lifecycle.api.openapi.configuration import NO_NUL, ONE_LINE
from lifecycle.queries.list_columns import COLUMN_OF
from lifecycle.queries.list_condition_kinds import DAYS, LONGEST_VALUE, MOST_HEALTH, NUMBER, SCORE, TEXT, TIME, Kind
from lifecycle.queries.list_filters import LIST_FILTERS, LONGEST_STAY
from lifecycle.queries.list_named import NAMED
from lifecycle.queries.listing import DEFAULT_LIMIT, MOST, ORDERINGS
from lifecycle.rules.expressions import LONGEST
from lifecycle.rules.transitions import LONGEST_STAGE
from tenants.rules.configuration.definitions import CATEGORIES

_TAG: Final = r'(?:W/)?"(?:0|[1-9][0-9]{0,17})(?:(?:--?|;)(?:gzip|br|zstd|deflate))?"'

CUSTOMER = OpenApiParameter("customer_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
TENANT = OpenApiParameter(
    "X-Tenant",
    {"type": "string", "maxLength": 63, "pattern": "^[-a-zA-Z0-9_]*$"},
    OpenApiParameter.HEADER,
    description="The slug of the tenant. A super admin must name one; for others it may only be their own.",
)
REASON = OpenApiParameter(
    "X-Reason",
    {"type": "string", "pattern": NO_NUL},
    OpenApiParameter.HEADER,
    description="Why a super admin works for the tenant, in words, at most 500 characters: a change without it is"
    " refused (`reason_required`). Kept in the tenant's administration log. What others send here is not read.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string", "pattern": rf"^(?:\*|{_TAG}(?:, *{_TAG})*)$", "examples": ['"3"']},
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
    {"type": "string", "pattern": r"^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$"},
    OpenApiParameter.HEADER,
    description="1 to 255 printable characters. The first answer is given again for 24 hours, marked by the header"
    " Idempotency-Replayed.",
)


CURSOR_SCHEMA: Final = {"type": "string", "maxLength": LONGEST_CURSOR, "pattern": "^[A-Za-z0-9_-]*$"}
LIMIT_SCHEMA: Final = {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT}
CURSOR = OpenApiParameter(
    "cursor", CURSOR_SCHEMA, OpenApiParameter.QUERY, description="The page to read, from next_cursor."
)
LIMIT = OpenApiParameter("limit", LIMIT_SCHEMA, OpenApiParameter.QUERY, description="Rows per page.")
TOTAL = OpenApiParameter(COUNT, bool, OpenApiParameter.QUERY, description=COUNT_HELP)
PAGING: Final = (CURSOR, LIMIT, TOTAL)


def _answered_with(name: str, description: str, *statuses: int, schema: Any = str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.HEADER, description=description, response=list(statuses))


_TAG_SCHEMA: Final = {"type": "string", "pattern": '^"[0-9]+"$'}
_SECONDS: Final = {"type": "integer", "minimum": 0}
ETAG = _answered_with("ETag", "The version, in double quotes.", 200, 304, schema=_TAG_SCHEMA)
ETAG_OF_A_PUBLICATION = _answered_with("ETag", "The version that is live now.", 200, 412, schema=_TAG_SCHEMA)
ETAG_OF_A_CHANGE = _answered_with(
    "ETag",
    "The version now, in double quotes. With 400 only if the rules have refused the change.",
    *(200, 400, 412),
    schema=_TAG_SCHEMA,
)
_BUDGETED: Final = (200, 201, 202, 207, 429)
BUDGET = (
    _answered_with("RateLimit-Policy", 'The budget: `"updates";q=1000;w=3600`.', *_BUDGETED),
    _answered_with("RateLimit", "What is left of it, and in how many seconds it is whole again.", *_BUDGETED),
)
REPLAYED = _answered_with("Idempotency-Replayed", "`true` if this is an answer that was given before.", 200, 202, 207)
CHALLENGE = _answered_with("WWW-Authenticate", "`Bearer`.", 401)
RETRY_AFTER = _answered_with("Retry-After", "Seconds after which trying again makes sense.", 429, 503, schema=_SECONDS)
# With every answer about the data of a sandbox.
SANDBOX_HEADER: Final = "Customer360-Sandbox"
SANDBOX_RESETS: Final = "resets=daily"
# On every answer, where the answer says so.
STANDARD: Final = (CHALLENGE, RETRY_AFTER)


_DAYS_SCHEMA: Final = {"type": "integer", "minimum": 0, "maximum": LONGEST_STAY}
# What is read of each kind of condition that has a parameter of its own.
_OF_CONDITIONS: Final[dict[Kind, dict[str, Any]]] = {
    DAYS: _DAYS_SCHEMA,
    SCORE: {"type": "integer", "minimum": 0, "maximum": MOST_HEALTH},
    TEXT: {"type": "string", "maxLength": LONGEST_VALUE, "pattern": ONE_LINE},
    NUMBER: {"type": "string", "pattern": r"^(?:-?[0-9]{1,12}(?:\.[0-9]{1,4})?)?$", "examples": ["12000.50"]},
    TIME: {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}, {"maxLength": 0}]},
}


def filter_parameters() -> list[OpenApiParameter]:
    """The parameters of the list, from the filters that read them."""
    of_kind: dict[str, Any] = {"category": list(CATEGORIES), "flag": ["true", "false"]}
    enums = {name: of_kind.get(one.kind) for name, one in LIST_FILTERS.items()} | {"ordering": list(ORDERINGS)}
    schemas: dict[str, dict[str, Any]] = {
        "limit": LIMIT_SCHEMA,
        "cursor": CURSOR_SCHEMA,
        COUNT: {"type": "boolean"},
        "where": {"type": "string", "maxLength": LONGEST, "pattern": NO_NUL},
        "search": {"type": "string", "maxLength": LONGEST_SEARCH, "pattern": NO_NUL},
        # Without one, or an empty one, there is no view.
        VIEW: {"type": "string", "pattern": "^(?:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$"},
        COLUMNS: {"type": "array", "items": {"type": "string", "enum": list(COLUMN_OF)}},
        **{name: _OF_CONDITIONS[one.field.kind] for name, one in NAMED.items()},
    }
    for name, one in LIST_FILTERS.items():
        if one.kind == "text":
            schemas[name] = {"type": "string", "maxLength": one.longest, "pattern": NO_NUL}
        elif one.kind == "days":
            schemas[name] = _DAYS_SCHEMA
        elif one.kind == "stages":
            stage = {"type": "string", "maxLength": LONGEST_STAGE, "pattern": NO_NUL}
            schemas[name] = {"type": "array", "items": stage}
    return [
        OpenApiParameter(
            name,
            schemas.get(name, str),
            OpenApiParameter.QUERY,
            description=filter_.extra["help_text"],
            enum=enums.get(name),
        )
        for name, filter_ in CustomerFilters.base_filters.items()
    ]
