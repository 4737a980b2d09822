from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.list_tasks_state import ListTasksState
from ...models.problem_response import ProblemResponse
from ...models.task_page_response import TaskPageResponse
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID


def _get_kwargs(
    customer_id: UUID,
    *,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    state: ListTasksState | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    params: dict[str, Any] = {}

    params["count"] = count

    params["cursor"] = cursor

    params["limit"] = limit

    json_state: str | Unset = UNSET
    if not isinstance(state, Unset):
        json_state = state.value

    params["state"] = json_state

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/customers/{customer_id}/tasks".format(
            customer_id=quote(str(customer_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ProblemResponse | TaskPageResponse | None:
    if response.status_code == 200:
        response_200 = TaskPageResponse.from_dict(response.json())

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
) -> Response[ProblemResponse | TaskPageResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    state: ListTasksState | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ProblemResponse | TaskPageResponse]:
    """What is to be done about the customer, and what was; the latest first.

    Args:
        customer_id (UUID):
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        state (ListTasksState | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ProblemResponse | TaskPageResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        count=count,
        cursor=cursor,
        limit=limit,
        state=state,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    state: ListTasksState | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ProblemResponse | TaskPageResponse | None:
    """What is to be done about the customer, and what was; the latest first.

    Args:
        customer_id (UUID):
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        state (ListTasksState | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ProblemResponse | TaskPageResponse
    """

    return sync_detailed(
        customer_id=customer_id,
        client=client,
        count=count,
        cursor=cursor,
        limit=limit,
        state=state,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    state: ListTasksState | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ProblemResponse | TaskPageResponse]:
    """What is to be done about the customer, and what was; the latest first.

    Args:
        customer_id (UUID):
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        state (ListTasksState | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ProblemResponse | TaskPageResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        count=count,
        cursor=cursor,
        limit=limit,
        state=state,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    state: ListTasksState | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ProblemResponse | TaskPageResponse | None:
    """What is to be done about the customer, and what was; the latest first.

    Args:
        customer_id (UUID):
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        state (ListTasksState | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ProblemResponse | TaskPageResponse
    """

    return (
        await asyncio_detailed(
            customer_id=customer_id,
            client=client,
            count=count,
            cursor=cursor,
            limit=limit,
            state=state,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
