"""Customer 360 over its API: every operation as a typed function, tried again where that is safe.

``generated`` is made of the API's description by ``make sdk``.
"""

from collections.abc import Iterator
from typing import Any

import httpx

from .generated import AuthenticatedClient
from .keyed import KEYED
from .retrying import AsyncRetryTransport, Policy, RetryTransport

__all__ = ["AuthenticatedClient", "Policy", "connect", "every"]


def connect(
    base_url: str, token: str, *, policy: Policy | None = None, timeout: float = 30.0, **options: Any
) -> AuthenticatedClient:
    """A client for an installation; ``token``: an API key or an access token.

    ``options`` go to the generated client, for example ``headers`` or ``verify_ssl``.
    """
    chosen = policy or Policy()
    verify = options.pop("verify_ssl", True)
    client = AuthenticatedClient(base_url=base_url, token=token, timeout=httpx.Timeout(timeout), **options)
    headers = {**options.get("headers", {}), client.auth_header_name: f"{client.prefix} {token}"}
    shared: dict[str, Any] = {"base_url": base_url, "headers": headers, "timeout": httpx.Timeout(timeout)}
    client.set_httpx_client(
        httpx.Client(transport=RetryTransport(httpx.HTTPTransport(verify=verify), chosen, KEYED), **shared)
    )
    client.set_async_httpx_client(
        httpx.AsyncClient(
            transport=AsyncRetryTransport(httpx.AsyncHTTPTransport(verify=verify), chosen, KEYED), **shared
        )
    )
    return client


def every(operation: Any, *arguments: Any, client: AuthenticatedClient, **parameters: Any) -> Iterator[Any]:
    """All rows of a list, page by page. ``operation``: a module of ``generated.api``, such as ``list_customers``.

    Raises RuntimeError for a page that is refused, with the answer in it.
    """
    cursor: dict[str, Any] = {}
    while True:
        answer = operation.sync_detailed(*arguments, client=client, **parameters, **cursor)
        if answer.status_code != 200:
            raise RuntimeError(f"the list was refused with {answer.status_code}: {answer.content[:500]!r}")
        yield from answer.parsed.results
        if not answer.parsed.next_cursor:
            return
        cursor = {"cursor": answer.parsed.next_cursor}
