from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.export_request import ExportRequest
from ...models.export_response import ExportResponse
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID


def _get_kwargs(
    customer_id: UUID,
    *,
    body: ExportRequest | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/customers/{customer_id}/export".format(
            customer_id=quote(str(customer_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ExportResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = ExportResponse.from_dict(response.json())

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

    if response.status_code == 408:
        response_408 = ProblemResponse.from_dict(response.json())

        return response_408

    if response.status_code == 413:
        response_413 = ProblemResponse.from_dict(response.json())

        return response_413

    if response.status_code == 415:
        response_415 = ProblemResponse.from_dict(response.json())

        return response_415

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
) -> Response[ExportResponse | ProblemResponse]:
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
    body: ExportRequest | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ExportResponse | ProblemResponse]:
    """Everything that is kept about the customer, personal data in clear. The export is recorded.

    No copy of the answer is kept, so an Idempotency-Key has no meaning here: each request is an export.

    Args:
        customer_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (ExportRequest | Unset): ``POST /customers/{id}/export`` [SEC-7].

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ExportResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        body=body,
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
    body: ExportRequest | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ExportResponse | ProblemResponse | None:
    """Everything that is kept about the customer, personal data in clear. The export is recorded.

    No copy of the answer is kept, so an Idempotency-Key has no meaning here: each request is an export.

    Args:
        customer_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (ExportRequest | Unset): ``POST /customers/{id}/export`` [SEC-7].

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ExportResponse | ProblemResponse
    """

    return sync_detailed(
        customer_id=customer_id,
        client=client,
        body=body,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    body: ExportRequest | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ExportResponse | ProblemResponse]:
    """Everything that is kept about the customer, personal data in clear. The export is recorded.

    No copy of the answer is kept, so an Idempotency-Key has no meaning here: each request is an export.

    Args:
        customer_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (ExportRequest | Unset): ``POST /customers/{id}/export`` [SEC-7].

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ExportResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        body=body,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    body: ExportRequest | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ExportResponse | ProblemResponse | None:
    """Everything that is kept about the customer, personal data in clear. The export is recorded.

    No copy of the answer is kept, so an Idempotency-Key has no meaning here: each request is an export.

    Args:
        customer_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (ExportRequest | Unset): ``POST /customers/{id}/export`` [SEC-7].

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ExportResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            customer_id=customer_id,
            client=client,
            body=body,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
