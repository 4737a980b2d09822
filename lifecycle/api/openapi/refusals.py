"""The refusals that a client meets, by status: each with its codes, from the one registry that has them."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiResponse

from lifecycle.api import responses
from tenants.refusals import STATUS_OF_CODE

PROBLEM_TYPE: Final = "application/problem+json"
_SENTENCES: Final = {
    400: "The request is malformed, or the change is refused; `errors` says where and why.",
    401: "Not logged in, or the token is no longer valid.",
    403: "The caller does not have access.",
    404: "What is asked for is not in this tenant, or not yet, or there is no such tenant.",
    406: "Only JSON is sent, and Accept asks for something else.",
    408: "The body did not arrive in time; nothing was changed.",
    409: "Other effects would start than were confirmed, or more than start unasked; see `effects`. Nothing was saved.",
    412: "The version in If-Match is not the current one; `current` is.",
    413: "The body is larger than any request may be; nothing was changed.",
    415: "Only JSON is read, and Content-Type says that the body is something else.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many: the budget of changed customers, or of attempts to log in, does not allow it.",
    500: "Something went wrong on our side; nothing was changed. Quote `request_id` when you report it.",
    503: "The service cannot answer at the moment; nothing was changed. Try again after Retry-After.",
}
# Whatever an address does: the service itself may fail.
EVERYWHERE: Final = (400, 406, 500, 503)
# Whatever takes a body: it may be of another kind, too large, or slow.
WITH_BODY: Final = (408, 413, 415)


def describe_status(status: int) -> str:
    """What a refusal with this status means, and the codes that it may have."""
    codes = ", ".join(f"`{code}`" for code, known in STATUS_OF_CODE.items() if known == status)
    return f"{_SENTENCES[status]} Codes: {codes}." if codes else _SENTENCES[status]


def refuse(*statuses: int) -> dict[Any, OpenApiResponse]:
    """The responses of refusals, as ``extend_schema`` takes them."""
    return {
        (status, PROBLEM_TYPE): OpenApiResponse(responses.ProblemResponse, description=describe_status(status))
        for status in sorted({*statuses, *EVERYWHERE, *(WITH_BODY if 415 in statuses else ())})
    }
