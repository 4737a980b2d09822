from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.effect_detail_response import EffectDetailResponse
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID


def _get_kwargs(
    effect_id: UUID,
    *,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/effects/{effect_id}".format(
            effect_id=quote(str(effect_id), safe=""),
        ),
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> EffectDetailResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = EffectDetailResponse.from_dict(response.json())

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
) -> Response[EffectDetailResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    effect_id: UUID,
    *,
    client: AuthenticatedClient,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[EffectDetailResponse | ProblemResponse]:
    """One effect, with what was sent and what was answered; secrets and personal data are left out.

    Args:
        effect_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[EffectDetailResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        effect_id=effect_id,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    effect_id: UUID,
    *,
    client: AuthenticatedClient,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> EffectDetailResponse | ProblemResponse | None:
    """One effect, with what was sent and what was answered; secrets and personal data are left out.

    Args:
        effect_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        EffectDetailResponse | ProblemResponse
    """

    return sync_detailed(
        effect_id=effect_id,
        client=client,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    effect_id: UUID,
    *,
    client: AuthenticatedClient,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[EffectDetailResponse | ProblemResponse]:
    """One effect, with what was sent and what was answered; secrets and personal data are left out.

    Args:
        effect_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[EffectDetailResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        effect_id=effect_id,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    effect_id: UUID,
    *,
    client: AuthenticatedClient,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> EffectDetailResponse | ProblemResponse | None:
    """One effect, with what was sent and what was answered; secrets and personal data are left out.

    Args:
        effect_id (UUID):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        EffectDetailResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            effect_id=effect_id,
            client=client,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
