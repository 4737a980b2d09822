"""The API described by itself: OpenAPI 3.1, one decorator an action."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from lifecycle.api import configuration_responses, customer_responses, personal_data_responses, responses
from lifecycle.api.as_of import AS_OF_PARAMETERS, AS_OF_THE_LIST, AS_OF_TOTALS
from lifecycle.api.openapi import examples, security  # noqa: F401  (drf-spectacular finds the schemes)
from lifecycle.api.openapi.configuration import CONFIGURATION, PUBLISHED
from lifecycle.api.openapi.parameters import (
    BUDGET,
    CUSTOMER,
    ETAG,
    ETAG_OF_A_CHANGE,
    ETAG_OF_A_PUBLICATION,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    PAGING,
    REASON,
    REPLAYED,
    STANDARD,
    TENANT,
    filter_parameters,
)
from lifecycle.api.openapi.refusals import refuse
from lifecycle.api.serializers import BatchSerializer, ChangeSerializer, ErasureSerializer, ExportSerializer


def describe(
    operation_id: str,
    tag: str,
    *parameters: OpenApiParameter,
    answer: Any = None,
    status: int | tuple[int, str] = 200,
    problems: tuple[int, ...] = (),
    request: Any = None,
    shown: list[OpenApiExample] | None = None,
    responses: dict[Any, Any] | None = None,
) -> Callable[[Any], Any]:
    """The schema of one action: 401, 403, 404 and what can happen everywhere, 415 wherever a body is read.

    Its text is the action's docstring.
    """
    unreadable = () if request is None else (415,)
    decorator: Callable[[Any], Any] = extend_schema(
        operation_id=operation_id,
        tags=[tag],
        parameters=[*parameters, *STANDARD, TENANT, REASON],
        request=request,
        responses={status: answer, **(responses or {}), **refuse(401, 403, 404, *problems, *unreadable)},
        examples=shown,
    )
    return decorator


LIST_CUSTOMERS = describe(
    "list_customers",
    "customers",
    *filter_parameters(),
    *AS_OF_THE_LIST,
    answer=customer_responses.CustomerPageResponse,
)
GET_CUSTOMER = describe("get_customer", "customers", CUSTOMER, answer=customer_responses.ProfileResponse)
EXPORT_CUSTOMER = describe(
    "export_customer", "customers", CUSTOMER, request=ExportSerializer, answer=personal_data_responses.ExportResponse
)
ERASE_CUSTOMER = describe(
    "erase_customer",
    "customers",
    CUSTOMER,
    IDEMPOTENCY_KEY,
    REPLAYED,
    request=ErasureSerializer,
    answer=personal_data_responses.ErasedResponse,
    problems=(422,),
)
GET_LIFECYCLE = describe(
    "get_lifecycle",
    "lifecycle",
    CUSTOMER,
    OpenApiParameter("effects", str, enum=["detail"], description="Also whom each effect reaches, and when."),
    *AS_OF_PARAMETERS,
    IF_NONE_MATCH,
    ETAG,
    answer=responses.LifecycleResponse,
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
    answer=responses.MovedResponse,
    problems=(409, 412, 422, 429),
    shown=[examples.MOVE, examples.MOVED, examples.NOT_ALLOWED],
)
GET_SUMMARY = describe("get_summary", "lifecycle", CUSTOMER, answer=customer_responses.SummaryResponse)
LIST_HISTORY = describe(
    "list_history",
    "lifecycle",
    CUSTOMER,
    *PAGING,
    answer=responses.HistoryPageResponse,
)
GET_TENANT_SUMMARY = describe("get_tenant_summary", "lifecycle", *AS_OF_TOTALS, answer=responses.TenantSummaryResponse)
MOVE_CUSTOMERS = describe(
    "move_customers",
    "lifecycle",
    IDEMPOTENCY_KEY,
    *BUDGET,
    REPLAYED,
    request=BatchSerializer,
    answer=responses.BatchResponse,
    responses={207: OpenApiResponse(responses.BatchResponse, description="The items have different results.")},
    problems=(409, 422, 429),
    shown=[examples.BATCH],
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
    ETAG_OF_A_PUBLICATION,
    request=PUBLISHED,
    answer=CONFIGURATION,
    problems=(409, 412),
    shown=[examples.CONFIGURATION],
)
PREVIEW_CONFIGURATION = describe(
    "preview_configuration",
    "configuration",
    request=PUBLISHED,
    answer=configuration_responses.PreviewResponse,
)
