from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.keys_response import KeysResponse
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast


def _get_kwargs(
    *,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
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

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/keys",
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> KeysResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = KeysResponse.from_dict(response.json())

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
) -> Response[KeysResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[KeysResponse | ProblemResponse]:
    """All API keys of the tenant's service accounts, those that have ended too.

    Args:
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[KeysResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        count=count,
        cursor=cursor,
        limit=limit,
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
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> KeysResponse | ProblemResponse | None:
    """All API keys of the tenant's service accounts, those that have ended too.

    Args:
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        KeysResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        count=count,
        cursor=cursor,
        limit=limit,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[KeysResponse | ProblemResponse]:
    """All API keys of the tenant's service accounts, those that have ended too.

    Args:
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[KeysResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        count=count,
        cursor=cursor,
        limit=limit,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    count: bool | Unset = UNSET,
    cursor: str | Unset = UNSET,
    limit: int | Unset = 50,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> KeysResponse | ProblemResponse | None:
    """All API keys of the tenant's service accounts, those that have ended too.

    Args:
        count (bool | Unset):
        cursor (str | Unset):
        limit (int | Unset):  Default: 50.
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        KeysResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            count=count,
            cursor=cursor,
            limit=limit,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
