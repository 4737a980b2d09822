from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.customer_page_response import CustomerPageResponse
from ...models.list_customers_at_risk import ListCustomersAtRisk
from ...models.list_customers_category import ListCustomersCategory
from ...models.list_customers_ordering import ListCustomersOrdering
from ...models.list_customers_stuck import ListCustomersStuck
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast


def _get_kwargs(
    *,
    at_risk: ListCustomersAtRisk | Unset = UNSET,
    category: ListCustomersCategory | Unset = UNSET,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    industry: str | Unset = UNSET,
    limit: int | Unset = 50,
    ordering: ListCustomersOrdering | Unset = UNSET,
    owner: str | Unset = UNSET,
    renewing_within: int | Unset = UNSET,
    search: str | Unset = UNSET,
    stage: list[str] | Unset = UNSET,
    stuck: ListCustomersStuck | Unset = UNSET,
    where: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    params: dict[str, Any] = {}

    json_at_risk: str | Unset = UNSET
    if not isinstance(at_risk, Unset):
        json_at_risk = at_risk.value

    params["at_risk"] = json_at_risk

    json_category: str | Unset = UNSET
    if not isinstance(category, Unset):
        json_category = category.value

    params["category"] = json_category

    params["count"] = count

    params["cursor"] = cursor

    params["industry"] = industry

    params["limit"] = limit

    json_ordering: str | Unset = UNSET
    if not isinstance(ordering, Unset):
        json_ordering = ordering.value

    params["ordering"] = json_ordering

    params["owner"] = owner

    params["renewing_within"] = renewing_within

    params["search"] = search

    json_stage: list[str] | Unset = UNSET
    if not isinstance(stage, Unset):
        json_stage = stage

    params["stage"] = json_stage

    json_stuck: str | Unset = UNSET
    if not isinstance(stuck, Unset):
        json_stuck = stuck.value

    params["stuck"] = json_stuck

    params["where"] = where

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/customers",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CustomerPageResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = CustomerPageResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = ProblemResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ProblemResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ProblemResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = ProblemResponse.from_dict(response.json())

        return response_404

    if response.status_code == 406:
        response_406 = ProblemResponse.from_dict(response.json())

        return response_406

    if response.status_code == 500:
        response_500 = ProblemResponse.from_dict(response.json())

        return response_500

    if response.status_code == 503:
        response_503 = ProblemResponse.from_dict(response.json())

        return response_503

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[CustomerPageResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    at_risk: ListCustomersAtRisk | Unset = UNSET,
    category: ListCustomersCategory | Unset = UNSET,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    industry: str | Unset = UNSET,
    limit: int | Unset = 50,
    ordering: ListCustomersOrdering | Unset = UNSET,
    owner: str | Unset = UNSET,
    renewing_within: int | Unset = UNSET,
    search: str | Unset = UNSET,
    stage: list[str] | Unset = UNSET,
    stuck: ListCustomersStuck | Unset = UNSET,
    where: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[CustomerPageResponse | ProblemResponse]:
    """One page of customers.

    Args:
        at_risk (ListCustomersAtRisk | Unset):
        category (ListCustomersCategory | Unset):
        count (bool | Unset):
        cursor (str | Unset):
        industry (str | Unset):
        limit (int | Unset):  Default: 50.
        ordering (ListCustomersOrdering | Unset):
        owner (str | Unset):
        renewing_within (int | Unset):
        search (str | Unset):
        stage (list[str] | Unset):
        stuck (ListCustomersStuck | Unset):
        where (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CustomerPageResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        at_risk=at_risk,
        category=category,
        count=count,
        cursor=cursor,
        industry=industry,
        limit=limit,
        ordering=ordering,
        owner=owner,
        renewing_within=renewing_within,
        search=search,
        stage=stage,
        stuck=stuck,
        where=where,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    at_risk: ListCustomersAtRisk | Unset = UNSET,
    category: ListCustomersCategory | Unset = UNSET,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    industry: str | Unset = UNSET,
    limit: int | Unset = 50,
    ordering: ListCustomersOrdering | Unset = UNSET,
    owner: str | Unset = UNSET,
    renewing_within: int | Unset = UNSET,
    search: str | Unset = UNSET,
    stage: list[str] | Unset = UNSET,
    stuck: ListCustomersStuck | Unset = UNSET,
    where: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> CustomerPageResponse | ProblemResponse | None:
    """One page of customers.

    Args:
        at_risk (ListCustomersAtRisk | Unset):
        category (ListCustomersCategory | Unset):
        count (bool | Unset):
        cursor (str | Unset):
        industry (str | Unset):
        limit (int | Unset):  Default: 50.
        ordering (ListCustomersOrdering | Unset):
        owner (str | Unset):
        renewing_within (int | Unset):
        search (str | Unset):
        stage (list[str] | Unset):
        stuck (ListCustomersStuck | Unset):
        where (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CustomerPageResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        at_risk=at_risk,
        category=category,
        count=count,
        cursor=cursor,
        industry=industry,
        limit=limit,
        ordering=ordering,
        owner=owner,
        renewing_within=renewing_within,
        search=search,
        stage=stage,
        stuck=stuck,
        where=where,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    at_risk: ListCustomersAtRisk | Unset = UNSET,
    category: ListCustomersCategory | Unset = UNSET,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    industry: str | Unset = UNSET,
    limit: int | Unset = 50,
    ordering: ListCustomersOrdering | Unset = UNSET,
    owner: str | Unset = UNSET,
    renewing_within: int | Unset = UNSET,
    search: str | Unset = UNSET,
    stage: list[str] | Unset = UNSET,
    stuck: ListCustomersStuck | Unset = UNSET,
    where: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[CustomerPageResponse | ProblemResponse]:
    """One page of customers.

    Args:
        at_risk (ListCustomersAtRisk | Unset):
        category (ListCustomersCategory | Unset):
        count (bool | Unset):
        cursor (str | Unset):
        industry (str | Unset):
        limit (int | Unset):  Default: 50.
        ordering (ListCustomersOrdering | Unset):
        owner (str | Unset):
        renewing_within (int | Unset):
        search (str | Unset):
        stage (list[str] | Unset):
        stuck (ListCustomersStuck | Unset):
        where (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CustomerPageResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        at_risk=at_risk,
        category=category,
        count=count,
        cursor=cursor,
        industry=industry,
        limit=limit,
        ordering=ordering,
        owner=owner,
        renewing_within=renewing_within,
        search=search,
        stage=stage,
        stuck=stuck,
        where=where,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    at_risk: ListCustomersAtRisk | Unset = UNSET,
    category: ListCustomersCategory | Unset = UNSET,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    industry: str | Unset = UNSET,
    limit: int | Unset = 50,
    ordering: ListCustomersOrdering | Unset = UNSET,
    owner: str | Unset = UNSET,
    renewing_within: int | Unset = UNSET,
    search: str | Unset = UNSET,
    stage: list[str] | Unset = UNSET,
    stuck: ListCustomersStuck | Unset = UNSET,
    where: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> CustomerPageResponse | ProblemResponse | None:
    """One page of customers.

    Args:
        at_risk (ListCustomersAtRisk | Unset):
        category (ListCustomersCategory | Unset):
        count (bool | Unset):
        cursor (str | Unset):
        industry (str | Unset):
        limit (int | Unset):  Default: 50.
        ordering (ListCustomersOrdering | Unset):
        owner (str | Unset):
        renewing_within (int | Unset):
        search (str | Unset):
        stage (list[str] | Unset):
        stuck (ListCustomersStuck | Unset):
        where (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CustomerPageResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            at_risk=at_risk,
            category=category,
            count=count,
            cursor=cursor,
            industry=industry,
            limit=limit,
            ordering=ordering,
            owner=owner,
            renewing_within=renewing_within,
            search=search,
            stage=stage,
            stuck=stuck,
            where=where,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
