from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.batch_request import BatchRequest
from ...models.batch_response import BatchResponse
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast


def _get_kwargs(
    *,
    body: BatchRequest,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/lifecycle/transitions",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> BatchResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = BatchResponse.from_dict(response.json())

        return response_200

    if response.status_code == 207:
        response_207 = BatchResponse.from_dict(response.json())

        return response_207

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

    if response.status_code == 408:
        response_408 = ProblemResponse.from_dict(response.json())

        return response_408

    if response.status_code == 409:
        response_409 = ProblemResponse.from_dict(response.json())

        return response_409

    if response.status_code == 413:
        response_413 = ProblemResponse.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = ProblemResponse.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = ProblemResponse.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = ProblemResponse.from_dict(response.json())

        return response_429

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
) -> Response[BatchResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: BatchRequest,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[BatchResponse | ProblemResponse]:
    """Judge every item, make those changes that are allowed (all or none is written), and answer each.

    Args:
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (BatchRequest): ``POST /lifecycle/transitions``. The items are judged one by one: a
            bad one does not spoil the others.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
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
    body: BatchRequest,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> BatchResponse | ProblemResponse | None:
    """Judge every item, make those changes that are allowed (all or none is written), and answer each.

    Args:
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (BatchRequest): ``POST /lifecycle/transitions``. The items are judged one by one: a
            bad one does not spoil the others.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: BatchRequest,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[BatchResponse | ProblemResponse]:
    """Judge every item, make those changes that are allowed (all or none is written), and answer each.

    Args:
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (BatchRequest): ``POST /lifecycle/transitions``. The items are judged one by one: a
            bad one does not spoil the others.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BatchResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: BatchRequest,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> BatchResponse | ProblemResponse | None:
    """Judge every item, make those changes that are allowed (all or none is written), and answer each.

    Args:
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (BatchRequest): ``POST /lifecycle/transitions``. The items are judged one by one: a
            bad one does not spoil the others.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BatchResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
