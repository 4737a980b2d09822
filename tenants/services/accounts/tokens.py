"""Bearer tokens on simplejwt [API-4]: short access tokens, and refresh tokens of which each has one successor.

A refresh token is remembered by the digest of its id. The first use marks the row and makes the next pair; a use
within ``RACE`` of the first one is the same user's (two tabs, an answer that was lost) and gets that pair again; a
later one is a theft or a mistake, and kills every token that descends from the same log-in (its *family*).

The next pair is derived from the id of the token that was used and the time of its first use, both under the signing
key. So it can be made again by every process and after any crash, and is stored nowhere.
"""

import datetime as dt
import hashlib
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID, uuid4

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken
from rest_framework_simplejwt.tokens import RefreshToken as RefreshJwt

from tenants.models import OpenSession, RefreshToken, User
from tenants.roles import Role
from tenants.rules.browsers import Visitor
from tenants.services.accounts.issuers import is_provider_only
from tenants.services.accounts.open_sessions import begin_program_session, see_program_session
from tenants.services.accounts.password_stamps import password_stamp
from tenants.services.directory import find_user

log = structlog.get_logger(__name__)

Made = TypeVar("Made", AccessToken, RefreshJwt)

# How long after its first use a refresh token gives the same pair again.
RACE = dt.timedelta(seconds=10)

# Verified tokens a process remembers; the expiry is checked on every use.
KEPT = 10_000

# Where a caller comes from who does not say.
NOWHERE = Visitor("", "")

INVALID = gettext_noop("The token is not valid here: it is damaged, or was not made by this service.")
EXPIRED = gettext_noop("The token has expired: refresh it, or log in again.")
REFRESH_INVALID = gettext_noop("The refresh token is not valid: log in again.")
REFRESH_DEAD = gettext_noop("The refresh token has been used or revoked: log in again.")


class TokenRefused(Exception):
    """A token is not accepted; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says. ``expires_at`` is in seconds since 1970, the leeway not included.

    ``scopes``: the permissions that it grants in the place of its roles, and ``key_id`` the API key that it came from
    (``client_credentials``); None for the token of a log-in. ``session_id`` is the log-in itself: ending it ends them.
    """

    user_id: UUID
    tenant_id: UUID | None
    roles: frozenset[str]
    stamp: str
    expires_at: float
    scopes: frozenset[str] | None = None
    key_id: UUID | None = None
    session_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class IssuedAccess:
    """An access token and when it stops working."""

    token: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The answer to a log-in: both tokens, and what the access token says."""

    access: str
    refresh: str
    roles: tuple[str, ...]
    tenant_id: UUID | None
    expires_at: dt.datetime


_verified: dict[str, AccessClaims] = {}
_verified_lock = threading.Lock()


def issue_access(user: User) -> IssuedAccess:
    """An access token with ``sub, roles, tenant_id, exp, iss, aud, jti``, for the user as given."""
    return _make_access(user, AccessToken())


def issue_scoped(user: User, *, scopes: Collection[str], key_id: UUID, until: dt.datetime) -> IssuedAccess:
    """An access token that grants permissions instead of a role, for an API key, at most until the key ends."""
    token = AccessToken()
    token["scope"], token["key"] = " ".join(scopes), str(key_id)
    token["exp"] = min(token["exp"], int(until.timestamp()))
    # A role would grant more where the scope is not read.
    return _make_access(user, token, roles=())


def issue_pair(user: User, *, now: dt.datetime, visitor: Visitor = NOWHERE) -> TokenPair:
    """A new pair, which begins a family. Removes the user's expired refresh tokens. Three statements."""
    refresh, family = RefreshJwt(), uuid4()
    begin_program_session(family, user.id, visitor, until=_expiry(refresh), now=now)
    return _store_pair(user, access=AccessToken(), refresh=refresh, family=family, now=now)


def rotate(refresh: str, *, now: dt.datetime, visitor: Visitor = NOWHERE) -> TokenPair:
    """The next pair for a refresh token; role and tenant are read again.

    Every use within ``RACE`` of the first one gets the same pair, however many there are at once; the access token says
    what the user is now. Raises TokenRefused: invalid, expired, used longer ago (the whole family is revoked then),
    revoked, password changed, user deactivated or tenant suspended. Must run outside a transaction that its caller
    might roll back: a revocation has to stay.
    """
    try:
        token = RefreshJwt(refresh)  # type: ignore[arg-type]
    except TokenError as error:
        raise TokenRefused(_(REFRESH_INVALID)) from error
    digest = _digest(token)
    with transaction.atomic():
        # A parallel use waits here for the first one's commit and then finds the token used.
        won = RefreshToken.objects.filter(
            digest=digest, used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now
        ).update(used_at=now)
        row = RefreshToken.objects.filter(digest=digest, revoked_at__isnull=True).first()
        # When it was asked counts, and not how long it waited above.
        if row is not None and row.used_at is not None and (won or now - row.used_at <= RACE):
            user = find_user(row.user_id)
            if user is not None and _may_refresh(user, row):
                access, successor = _derive(token, AccessToken, row.used_at), _derive(token, RefreshJwt, row.used_at)
                if won:
                    see_program_session(row.family, visitor, until=_expiry(successor), now=now)
                    return _store_pair(user, access=access, refresh=successor, family=row.family, now=now)
                if RefreshToken.objects.filter(digest=_digest(successor), revoked_at__isnull=True).exists():
                    log.info("refresh token used again at once: same pair", user_id=str(row.user_id))
                    return _pair(user, access, successor, row.family)
    _revoke_family_of(digest, now=now)
    raise TokenRefused(_(REFRESH_DEAD))


def revoke_refresh_tokens(user_id: UUID, *, now: dt.datetime) -> int:
    """Kill every refresh token of a user, those that are made at this moment too; the number of them."""
    return _revoke(RefreshToken.objects.filter(user_id=user_id), now=now)


def revoke_family(family: UUID, *, now: dt.datetime) -> int:
    """Kill every refresh token of one log-in, one that is made at this moment too; the number of them."""
    return _revoke(RefreshToken.objects.filter(family=family), now=now)


def read_access(token: str) -> AccessClaims:
    """The claims of an access token after every check of simplejwt and of their shape. Raises TokenRefused.

    A token that was verified once is recognised by its exact text; only its expiry is looked at again.
    """
    claims = _verified.get(token)
    if claims is None:
        claims = _verify(token)
        with _verified_lock:
            while len(_verified) >= KEPT:
                del _verified[next(iter(_verified))]
            _verified[token] = claims
    elif claims.expires_at + _leeway() <= time.time():
        _verified.pop(token, None)
        raise TokenRefused(_(EXPIRED))
    return claims


def _verify(token: str) -> AccessClaims:
    try:
        payload = AccessToken(token).payload  # type: ignore[arg-type]
    except ExpiredTokenError as error:
        raise TokenRefused(_(EXPIRED)) from error
    except TokenError as error:
        raise TokenRefused(_(INVALID)) from error
    roles, tenant_id, stamp = payload.get("roles"), payload.get("tenant_id"), payload.get("stamp")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles) or not isinstance(stamp, str):
        raise TokenRefused(_(INVALID))
    try:
        user_id = UUID(payload[api_settings.USER_ID_CLAIM])
        tenant = UUID(tenant_id) if tenant_id is not None else None
        key_id = UUID(payload["key"]) if "key" in payload else None
        session_id = UUID(payload["sid"]) if "sid" in payload else None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise TokenRefused(_(INVALID)) from error
    scope = payload.get("scope")
    scopes = frozenset(scope.split()) if isinstance(scope, str) else None
    return AccessClaims(user_id, tenant, frozenset(roles), stamp, float(payload["exp"]), scopes, key_id, session_id)


def _make_access(user: User, token: AccessToken, roles: Collection[str] | None = None) -> IssuedAccess:
    token[api_settings.USER_ID_CLAIM] = str(user.id)
    token["roles"] = [Role(user.role).claim] if roles is None else list(roles)
    token["tenant_id"] = str(user.tenant_id) if user.tenant_id else None
    token["stamp"] = password_stamp(user).hex()
    return IssuedAccess(str(token), dt.datetime.fromtimestamp(token["exp"], dt.UTC))


def _store_pair(user: User, *, access: AccessToken, refresh: RefreshJwt, family: UUID, now: dt.datetime) -> TokenPair:
    # Who revokes all of the user's at this moment has locked them, and waits for the token that is used here. What is
    # held by others goes with the next one.
    expired = RefreshToken.objects.filter(user_id=user.id, expires_at__lt=now).select_for_update(skip_locked=True)
    RefreshToken.objects.filter(digest__in=expired.values("digest")).delete()
    RefreshToken.objects.create(
        digest=_digest(refresh),
        family=family,
        user_id=user.id,
        password_stamp=password_stamp(user),
        issued_at=now,
        expires_at=_expiry(refresh),
    )
    return _pair(user, access, refresh, family)


def _pair(user: User, access: AccessToken, refresh: RefreshJwt, family: UUID) -> TokenPair:
    refresh[api_settings.USER_ID_CLAIM] = str(user.id)
    access["sid"] = str(family)
    issued = _make_access(user, access)
    return TokenPair(
        access=issued.token,
        refresh=str(refresh),
        roles=(Role(user.role).claim,),
        tenant_id=user.tenant_id,
        expires_at=issued.expires_at,
    )


def _expiry(token: RefreshJwt) -> dt.datetime:
    return dt.datetime.fromtimestamp(token["exp"], dt.UTC)


def _derive(used: RefreshJwt, kind: type[Made], used_at: dt.datetime) -> Made:
    """The successor of a used refresh token: always the same one, and known to no one without the key."""
    token = kind()
    token.set_iat(at_time=used_at)
    token.set_exp(from_time=used_at)
    jti = salted_hmac(f"{__name__}.{kind.token_type}", used[api_settings.JTI_CLAIM], algorithm="sha256").hexdigest()
    token[api_settings.JTI_CLAIM] = jti[:32]
    return token


def _may_refresh(user: User, row: RefreshToken) -> bool:
    return (
        user.is_active
        and not is_provider_only(user)
        and not (user.tenant is not None and user.tenant.is_suspended)
        and bytes(row.password_stamp) == password_stamp(user)
    )


def _revoke_family_of(digest: bytes, *, now: dt.datetime) -> None:
    family = RefreshToken.objects.filter(digest=digest).values_list("family", "user_id").first()
    if family is not None:
        revoked = revoke_family(family[0], now=now)
        OpenSession.objects.filter(id=family[0]).delete()
        log.warning(
            "refresh token used again or no longer good: family revoked", user_id=str(family[1]), tokens=revoked
        )


def _revoke(tokens: QuerySet[RefreshToken], *, now: dt.datetime) -> int:
    """Revoke until none is left: a statement that waited for a rotation does not see the successor it has made."""
    revoked = 0
    while found := tokens.filter(revoked_at__isnull=True).update(revoked_at=now):
        revoked += found
    return revoked


def _digest(token: RefreshJwt) -> bytes:
    return hashlib.sha256(str(token[api_settings.JTI_CLAIM]).encode()).digest()


def _leeway() -> float:
    leeway = api_settings.LEEWAY
    return leeway.total_seconds() if isinstance(leeway, dt.timedelta) else float(leeway or 0)
