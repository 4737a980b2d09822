from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.configuration import Configuration
from ...models.preview_response import PreviewResponse
from ...models.problem_response import ProblemResponse
from ...models.publication import Publication
from ...types import UNSET, Unset
from typing import cast


def _get_kwargs(
    *,
    body: Configuration | Publication,
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
        "url": "/api/v1/configuration/preview",
    }

    if isinstance(body, Configuration):
        _kwargs["json"] = body.to_dict()
    else:
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> PreviewResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = PreviewResponse.from_dict(response.json())

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
) -> Response[PreviewResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: Configuration | Publication,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[PreviewResponse | ProblemResponse]:
    """What a configuration would do to the customers as they are now, and to the last 90 days. Writes
    nothing.

    Args:
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (Configuration | Publication):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PreviewResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
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
    body: Configuration | Publication,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> PreviewResponse | ProblemResponse | None:
    """What a configuration would do to the customers as they are now, and to the last 90 days. Writes
    nothing.

    Args:
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (Configuration | Publication):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PreviewResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        body=body,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: Configuration | Publication,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[PreviewResponse | ProblemResponse]:
    """What a configuration would do to the customers as they are now, and to the last 90 days. Writes
    nothing.

    Args:
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (Configuration | Publication):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PreviewResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: Configuration | Publication,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> PreviewResponse | ProblemResponse | None:
    """What a configuration would do to the customers as they are now, and to the last 90 days. Writes
    nothing.

    Args:
        x_reason (str | Unset):
        x_tenant (str | Unset):
        body (Configuration | Publication):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PreviewResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
