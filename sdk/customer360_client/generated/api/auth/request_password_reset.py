from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.password_reset_request import PasswordResetRequest
from ...models.password_reset_response import PasswordResetResponse
from ...models.problem_response import ProblemResponse
from typing import cast


def _get_kwargs(
    *,
    body: PasswordResetRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/auth/password-reset",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> PasswordResetResponse | ProblemResponse | None:
    if response.status_code == 202:
        response_202 = PasswordResetResponse.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = ProblemResponse.from_dict(response.json())

        return response_400

    if response.status_code == 406:
        response_406 = ProblemResponse.from_dict(response.json())

        return response_406

    if response.status_code == 415:
        response_415 = ProblemResponse.from_dict(response.json())

        return response_415

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
) -> Response[PasswordResetResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: PasswordResetRequest,
) -> Response[PasswordResetResponse | ProblemResponse]:
    """Have a link sent by e-mail to the person of a user name, by which they set a new password within 30
    minutes.

    The answer is the same whether there is such an account or not, and whether it has a password here
    or signs in
    by an identity provider, to which nothing is sent.

    Args:
        body (PasswordResetRequest): ``{"username"}``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PasswordResetResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: PasswordResetRequest,
) -> PasswordResetResponse | ProblemResponse | None:
    """Have a link sent by e-mail to the person of a user name, by which they set a new password within 30
    minutes.

    The answer is the same whether there is such an account or not, and whether it has a password here
    or signs in
    by an identity provider, to which nothing is sent.

    Args:
        body (PasswordResetRequest): ``{"username"}``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PasswordResetResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: PasswordResetRequest,
) -> Response[PasswordResetResponse | ProblemResponse]:
    """Have a link sent by e-mail to the person of a user name, by which they set a new password within 30
    minutes.

    The answer is the same whether there is such an account or not, and whether it has a password here
    or signs in
    by an identity provider, to which nothing is sent.

    Args:
        body (PasswordResetRequest): ``{"username"}``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[PasswordResetResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: PasswordResetRequest,
) -> PasswordResetResponse | ProblemResponse | None:
    """Have a link sent by e-mail to the person of a user name, by which they set a new password within 30
    minutes.

    The answer is the same whether there is such an account or not, and whether it has a password here
    or signs in
    by an identity provider, to which nothing is sent.

    Args:
        body (PasswordResetRequest): ``{"username"}``.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        PasswordResetResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
