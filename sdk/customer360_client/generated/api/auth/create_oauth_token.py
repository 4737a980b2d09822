from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...types import Response, UNSET
from ... import errors

from ...models.o_auth_error_response import OAuthErrorResponse
from ...models.o_auth_token_request import OAuthTokenRequest
from ...models.o_auth_token_response import OAuthTokenResponse
from ...models.problem_response import ProblemResponse
from typing import cast


def _get_kwargs(
    *,
    body: OAuthTokenRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/api/v1/auth/oauth/token",
    }

    _kwargs["data"] = body.to_dict()
    headers["Content-Type"] = "application/x-www-form-urlencoded"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> OAuthErrorResponse | OAuthTokenResponse | ProblemResponse | None:
    if response.status_code == 200:
        response_200 = OAuthTokenResponse.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = OAuthErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = OAuthErrorResponse.from_dict(response.json())

        return response_401

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
) -> Response[OAuthErrorResponse | OAuthTokenResponse | ProblemResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: OAuthTokenRequest,
) -> Response[OAuthErrorResponse | OAuthTokenResponse | ProblemResponse]:
    """An access token for a service account by the grant `client_credentials` (RFC 6749, section 4.4).

    The client is the service account, its secret one of its API keys; both in HTTP Basic, or in the
    form. The token
    works for 15 minutes, at most as long as the key, and ends at once when the key is revoked. There is
    no refresh
    token: ask again.

    Args:
        body (OAuthTokenRequest): The form of a token request. Parameters that are not listed are
            overlooked, as the RFC has it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[OAuthErrorResponse | OAuthTokenResponse | ProblemResponse]
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
    body: OAuthTokenRequest,
) -> OAuthErrorResponse | OAuthTokenResponse | ProblemResponse | None:
    """An access token for a service account by the grant `client_credentials` (RFC 6749, section 4.4).

    The client is the service account, its secret one of its API keys; both in HTTP Basic, or in the
    form. The token
    works for 15 minutes, at most as long as the key, and ends at once when the key is revoked. There is
    no refresh
    token: ask again.

    Args:
        body (OAuthTokenRequest): The form of a token request. Parameters that are not listed are
            overlooked, as the RFC has it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        OAuthErrorResponse | OAuthTokenResponse | ProblemResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: OAuthTokenRequest,
) -> Response[OAuthErrorResponse | OAuthTokenResponse | ProblemResponse]:
    """An access token for a service account by the grant `client_credentials` (RFC 6749, section 4.4).

    The client is the service account, its secret one of its API keys; both in HTTP Basic, or in the
    form. The token
    works for 15 minutes, at most as long as the key, and ends at once when the key is revoked. There is
    no refresh
    token: ask again.

    Args:
        body (OAuthTokenRequest): The form of a token request. Parameters that are not listed are
            overlooked, as the RFC has it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[OAuthErrorResponse | OAuthTokenResponse | ProblemResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: OAuthTokenRequest,
) -> OAuthErrorResponse | OAuthTokenResponse | ProblemResponse | None:
    """An access token for a service account by the grant `client_credentials` (RFC 6749, section 4.4).

    The client is the service account, its secret one of its API keys; both in HTTP Basic, or in the
    form. The token
    works for 15 minutes, at most as long as the key, and ends at once when the key is revoked. There is
    no refresh
    token: ask again.

    Args:
        body (OAuthTokenRequest): The form of a token request. Parameters that are not listed are
            overlooked, as the RFC has it.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        OAuthErrorResponse | OAuthTokenResponse | ProblemResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
