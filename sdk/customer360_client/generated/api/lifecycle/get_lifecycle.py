from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.get_lifecycle_effects import GetLifecycleEffects
from ...models.get_lifecycle_known import GetLifecycleKnown
from ...models.lifecycle_response import LifecycleResponse
from ...models.problem_response import ProblemResponse
from ...types import UNSET, Unset
from typing import cast
from uuid import UUID
import datetime


def _get_kwargs(
    customer_id: UUID,
    *,
    as_of: datetime.date | Unset = UNSET,
    effects: GetLifecycleEffects | Unset = UNSET,
    known: GetLifecycleKnown | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    if not isinstance(x_reason, Unset):
        headers["X-Reason"] = x_reason

    if not isinstance(x_tenant, Unset):
        headers["X-Tenant"] = x_tenant

    params: dict[str, Any] = {}

    json_as_of: str | Unset = UNSET
    if not isinstance(as_of, Unset):
        json_as_of = as_of.isoformat()
    params["as_of"] = json_as_of

    json_effects: str | Unset = UNSET
    if not isinstance(effects, Unset):
        json_effects = effects.value

    params["effects"] = json_effects

    json_known: str | Unset = UNSET
    if not isinstance(known, Unset):
        json_known = known.value

    params["known"] = json_known

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/api/v1/customers/{customer_id}/lifecycle".format(
            customer_id=quote(str(customer_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | LifecycleResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = LifecycleResponse.from_dict(response.json())

        return response_200

    if response.status_code == 304:
        response_304 = cast(Any, None)
        return response_304

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
) -> Response[Any | LifecycleResponse | ProblemResponse]:
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
    as_of: datetime.date | Unset = UNSET,
    effects: GetLifecycleEffects | Unset = UNSET,
    known: GetLifecycleKnown | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[Any | LifecycleResponse | ProblemResponse]:
    """The customer's stage, and for each other stage whether it can be moved there now [BP-2].

    Args:
        customer_id (UUID):
        as_of (datetime.date | Unset):
        effects (GetLifecycleEffects | Unset):
        known (GetLifecycleKnown | Unset):
        if_none_match (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | LifecycleResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        as_of=as_of,
        effects=effects,
        known=known,
        if_none_match=if_none_match,
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
    as_of: datetime.date | Unset = UNSET,
    effects: GetLifecycleEffects | Unset = UNSET,
    known: GetLifecycleKnown | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Any | LifecycleResponse | ProblemResponse | None:
    """The customer's stage, and for each other stage whether it can be moved there now [BP-2].

    Args:
        customer_id (UUID):
        as_of (datetime.date | Unset):
        effects (GetLifecycleEffects | Unset):
        known (GetLifecycleKnown | Unset):
        if_none_match (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | LifecycleResponse | ProblemResponse
    """

    return sync_detailed(
        customer_id=customer_id,
        client=client,
        as_of=as_of,
        effects=effects,
        known=known,
        if_none_match=if_none_match,
        x_reason=x_reason,
        x_tenant=x_tenant,
    ).parsed


async def asyncio_detailed(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    as_of: datetime.date | Unset = UNSET,
    effects: GetLifecycleEffects | Unset = UNSET,
    known: GetLifecycleKnown | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Response[Any | LifecycleResponse | ProblemResponse]:
    """The customer's stage, and for each other stage whether it can be moved there now [BP-2].

    Args:
        customer_id (UUID):
        as_of (datetime.date | Unset):
        effects (GetLifecycleEffects | Unset):
        known (GetLifecycleKnown | Unset):
        if_none_match (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | LifecycleResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        customer_id=customer_id,
        as_of=as_of,
        effects=effects,
        known=known,
        if_none_match=if_none_match,
        x_reason=x_reason,
        x_tenant=x_tenant,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    customer_id: UUID,
    *,
    client: AuthenticatedClient,
    as_of: datetime.date | Unset = UNSET,
    effects: GetLifecycleEffects | Unset = UNSET,
    known: GetLifecycleKnown | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
    x_reason: str | Unset = UNSET,
    x_tenant: str | Unset = UNSET,
) -> Any | LifecycleResponse | ProblemResponse | None:
    """The customer's stage, and for each other stage whether it can be moved there now [BP-2].

    Args:
        customer_id (UUID):
        as_of (datetime.date | Unset):
        effects (GetLifecycleEffects | Unset):
        known (GetLifecycleKnown | Unset):
        if_none_match (str | Unset):
        x_reason (str | Unset):
        x_tenant (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | LifecycleResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            customer_id=customer_id,
            client=client,
            as_of=as_of,
            effects=effects,
            known=known,
            if_none_match=if_none_match,
            x_reason=x_reason,
            x_tenant=x_tenant,
        )
    ).parsed
