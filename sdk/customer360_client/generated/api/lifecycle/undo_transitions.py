from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.problem_response import ProblemResponse
from ...models.undo_request import UndoRequest
from ...models.undo_response import UndoResponse
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID


def _get_kwargs(
    request_id: UUID,
    *,
    body: UndoRequest | Unset = UNSET,
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
        "url": "/api/v1/lifecycle/transitions/{request_id}/undo".format(
            request_id=quote(str(request_id), safe=""),
        ),
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ProblemResponse | UndoResponse | None:
    if response.status_code == 202:
        response_202 = UndoResponse.from_dict(response.json())

        return response_202

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
) -> Response[ProblemResponse | UndoResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    request_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UndoRequest | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ProblemResponse | UndoResponse]:
    """Bring everyone back whom the request moved and no one has moved since; cancel what waits to be sent.

    The first thousand at once, the others in the background: ask for the undo to see how far it has
    come. It takes
    nothing from the budget of changes, unless what it undoes is an undo: that makes the change again.

    Args:
        request_id (UUID):
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (UndoRequest | Unset): ``POST /lifecycle/transitions/{request_id}/undo``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ProblemResponse | UndoResponse]
    """

    kwargs = _get_kwargs(
        request_id=request_id,
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
    request_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UndoRequest | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ProblemResponse | UndoResponse | None:
    """Bring everyone back whom the request moved and no one has moved since; cancel what waits to be sent.

    The first thousand at once, the others in the background: ask for the undo to see how far it has
    come. It takes
    nothing from the budget of changes, unless what it undoes is an undo: that makes the change again.

    Args:
        request_id (UUID):
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (UndoRequest | Unset): ``POST /lifecycle/transitions/{request_id}/undo``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ProblemResponse | UndoResponse
    """

    return sync_detailed(
        request_id=request_id,
        client=client,
        body=body,
        idempotency_key=idempotency_key,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    request_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UndoRequest | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[ProblemResponse | UndoResponse]:
    """Bring everyone back whom the request moved and no one has moved since; cancel what waits to be sent.

    The first thousand at once, the others in the background: ask for the undo to see how far it has
    come. It takes
    nothing from the budget of changes, unless what it undoes is an undo: that makes the change again.

    Args:
        request_id (UUID):
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (UndoRequest | Unset): ``POST /lifecycle/transitions/{request_id}/undo``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ProblemResponse | UndoResponse]
    """

    kwargs = _get_kwargs(
        request_id=request_id,
        body=body,
        idempotency_key=idempotency_key,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    request_id: UUID,
    *,
    client: AuthenticatedClient,
    body: UndoRequest | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> ProblemResponse | UndoResponse | None:
    """Bring everyone back whom the request moved and no one has moved since; cancel what waits to be sent.

    The first thousand at once, the others in the background: ask for the undo to see how far it has
    come. It takes
    nothing from the budget of changes, unless what it undoes is an undo: that makes the change again.

    Args:
        request_id (UUID):
        idempotency_key (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (UndoRequest | Unset): ``POST /lifecycle/transitions/{request_id}/undo``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ProblemResponse | UndoResponse
    """

    return (
        await asyncio_detailed(
            request_id=request_id,
            client=client,
            body=body,
            idempotency_key=idempotency_key,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
