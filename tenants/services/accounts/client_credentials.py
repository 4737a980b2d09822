"""OAuth 2.0 client credentials (RFC 6749, section 4.4): a short-lived access token for an API key.

The client is a service account, its secret one of its API keys. The token may do what was asked for in ``scope``, at
most what the key may, and of that what the account may at the time of each request. It ends with its key: each request
looks whether the key is still good, as it does for the key itself.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from tenants.models import ApiKey, User
from tenants.roles import PERMISSIONS, ROLE_OF_CLAIM, ROLE_PERMISSIONS, Role
from tenants.rules.texts import fold_text
from tenants.services.accounts.api_keys import ApiKeyRefused, verify_key
from tenants.services.accounts.tokens import issue_scoped
from tenants.services.directory import PLATFORM, find_user

# Codes of RFC 6749, section 5.2.
INVALID_CLIENT: Final = "invalid_client"
INVALID_SCOPE: Final = "invalid_scope"
UNAUTHORIZED_CLIENT: Final = "unauthorized_client"


class CredentialsRefused(Exception):
    """No token is given; ``code`` is one of RFC 6749, the sentence says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class ScopedAccess:
    """A token, how many seconds it works, and what it may do."""

    token: str
    seconds: int
    scopes: tuple[str, ...]


def issue_by_credentials(client_id: str, client_secret: str, scope: str | None, *, now: dt.datetime) -> ScopedAccess:
    """A token for a service account, by its id or username, and one of its keys. Raises CredentialsRefused.

    ``scope``: names of permissions or of roles, each once, with spaces between; None: all that the key may do.
    """
    try:
        key = verify_key(client_secret, now=now)
    except ApiKeyRefused as refused:
        raise CredentialsRefused(INVALID_CLIENT, str(refused)) from refused
    account = find_user(key.user_id)
    if account is None or not _is_called(account, client_id):
        raise CredentialsRefused(
            INVALID_CLIENT, "The client and its secret do not belong together: client_id is the account of the key."
        )
    if not account.is_active or account.tenant is None or account.tenant.is_suspended:
        raise CredentialsRefused(UNAUTHORIZED_CLIENT, "The service account is deactivated, or its tenant suspended.")
    granted = _choose(scope, frozenset(key.scopes) & ROLE_PERMISSIONS[Role(account.role)])
    issued = issue_scoped(account, scopes=granted, key_id=key.id, until=key.expires_at)
    seconds = int((issued.expires_at - now).total_seconds())
    return ScopedAccess(issued.token, max(0, seconds), granted)


def is_key_good(key_id: UUID, *, now: dt.datetime) -> bool:
    """Whether a key that a token came from would still be accepted. One statement."""
    return ApiKey.objects.using(PLATFORM).filter(id=key_id, revoked_at=None, expires_at__gt=now).exists()


def _is_called(account: User, client_id: str) -> bool:
    return client_id.lower() == str(account.id) or fold_text(client_id) == account.username


def _choose(scope: str | None, may: Collection[str]) -> tuple[str, ...]:
    """The permissions that are asked for, in the order of ``PERMISSIONS``. Raises CredentialsRefused."""
    asked = set(may) if scope is None else set()
    for name in (scope or "").split(" ") if scope is not None else ():
        wanted = ROLE_PERMISSIONS[ROLE_OF_CLAIM[name]] if name in ROLE_OF_CLAIM else frozenset({name})
        if not wanted <= set(may):
            allowed = " ".join(one for one in PERMISSIONS if one in may)
            raise CredentialsRefused(INVALID_SCOPE, f"The key may not do all of this. Ask for at most: {allowed}.")
        asked |= wanted
    if not asked:
        raise CredentialsRefused(INVALID_SCOPE, "The key may do nothing of what its account may: make another one.")
    return tuple(one for one in PERMISSIONS if one in asked)
