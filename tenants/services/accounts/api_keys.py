"""API keys of service accounts: long random secrets, shown once, stored as a keyed hash, ended by time or by hand.

``c360_sk_<key id, 32 hex>_<secret, 43 characters>_<CRC-32, 8 hex>``: the prefix lets secret scanners find a leaked
key, the check sum tells a mistyped one from a wrong one without asking the database.
"""

import base64
import datetime as dt
import hashlib
import hmac
import os
import re
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from storage.failures import refuses_writes, sql_state
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import ApiKey, User
from tenants.roles import PERMISSIONS
from tenants.rules.values import InvalidValue, read_line
from tenants.sentences import describe_value
from tenants.services.directory import PLATFORM

log = structlog.get_logger(__name__)

PREFIX = "c360_sk_"
LONGEST_NAME = 100
LONGEST_LIFE = dt.timedelta(days=365)
# How exact last_used_at is: a busy key must not turn every request into a write.
USE_GRAIN = dt.timedelta(minutes=1)
_SHAPE = re.compile(r"c360_sk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})_([0-9a-f]{8})")


class ApiKeyRefused(Exception):
    """A key cannot be made, or is not accepted; the sentence says why."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made. ``secret`` is the whole text to use; it cannot be shown again."""

    key: ApiKey
    secret: str


def looks_like_key(text: str) -> bool:
    """Whether a bearer credential is meant to be an API key and not a token."""
    return text.startswith(PREFIX)


def find_key_id(text: str) -> UUID | None:
    """The id of the first API key that a text names, unverified: only to find out where to look for it."""
    match = _SHAPE.search(text)
    return UUID(hex=match[1]) if match else None


def create_key(
    *,
    account: User,
    name: str,
    scopes: Sequence[str],
    expires_at: dt.datetime,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> NewKey:
    """A new key for a service account. Call inside the tenant's context. Raises ApiKeyRefused."""
    if not account.is_service_account or account.tenant_id != tenant.id:
        raise ApiKeyRefused(_("API keys are for service accounts of this tenant. People log in."))
    if not account.is_active:
        raise ApiKeyRefused(_("The service account is deactivated. Reactivate it before you create a key."))
    try:
        name = read_line(name, LONGEST_NAME, required=True)
    except InvalidValue as error:
        raise ApiKeyRefused(_("The name of the key %(error)s.") % {"error": describe_value(error)}) from error
    unknown = sorted(set(scopes) - set(PERMISSIONS))
    if unknown or not scopes:
        raise ApiKeyRefused(_("Give at least one scope of %(scopes)s.") % {"scopes": ", ".join(PERMISSIONS)})
    if not now < expires_at <= now + LONGEST_LIFE:
        raise ApiKeyRefused(_("A key must expire in the future, within one year."))
    secret = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    with transaction.atomic():
        key = ApiKey(
            tenant_id=tenant.id,
            user_id=account.id,
            name=name,
            scopes=sorted(set(scopes)),
            secret_hash=_hash(secret),
            created_at=now,
            created_by=actor.name,
            expires_at=expires_at,
        )
        key.save(force_insert=True)
        _record("create_api_key", key, tenant=tenant, actor=actor, now=now)
    return NewKey(key, _spell(key.id, secret))


def list_keys(tenant: TenantRef, *, before: UUID | None = None, limit: int) -> list[ApiKey]:
    """The tenant's keys with their accounts, the newest first, older than one of them. Inside the tenant's context."""
    keys = ApiKey.objects.filter(tenant_id=tenant.id).select_related("user").order_by("-id")
    return list((keys if before is None else keys.filter(id__lt=before))[:limit])


def count_keys(tenant: TenantRef) -> int:
    """How many keys the tenant has, those that have ended too. Inside the tenant's context."""
    return ApiKey.objects.filter(tenant_id=tenant.id).count()


def revoke_key(key_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime, reason: str = "") -> ApiKey:
    """End a key; the next request with it is refused. Call inside the tenant's context. Raises ApiKeyRefused."""
    with transaction.atomic():
        key = ApiKey.objects.select_for_update().filter(tenant_id=tenant.id, id=key_id).first()
        if key is None:
            raise ApiKeyRefused(_("There is no such key in this tenant."))
        if key.revoked_at is None:
            key.revoked_at = now
            key.save(update_fields=["revoked_at"])
            _record("revoke_api_key", key, tenant=tenant, actor=actor, now=now, reason=reason)
    return key


def rotate_key(key_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> NewKey:
    """Replace a live key by a new one with the same name, scopes and length of life. Raises ApiKeyRefused."""
    with transaction.atomic():
        old = ApiKey.objects.select_for_update().filter(tenant_id=tenant.id, id=key_id).first()
        if old is not None and old.revoked_at is not None:
            raise ApiKeyRefused(_("The key was revoked: make a new one instead of rotating it."))
        old = revoke_key(key_id, tenant=tenant, actor=actor, now=now, reason="rotated")
        account = User.objects.get(id=old.user_id)
        life = min(old.expires_at - old.created_at, LONGEST_LIFE)
        return create_key(
            account=account,
            name=old.name,
            scopes=old.scopes,
            expires_at=now + life,
            tenant=tenant,
            actor=actor,
            now=now,
        )


def verify_key(text: str, *, now: dt.datetime) -> ApiKey:
    """The live key that a credential spells. One statement, so that a revocation acts at once.

    Raises ApiKeyRefused with one sentence for everything that is wrong with a well-formed key: it tells nothing
    about which keys exist. ``last_used_at`` is kept to the minute, where it can be written.
    """
    match = _SHAPE.fullmatch(text)
    if match is None or match[3] != _checksum(match[1], match[2]):
        raise ApiKeyRefused(_("The API key is mistyped: copy it whole, from c360_sk_ to the end."))
    key = ApiKey.objects.using(PLATFORM).filter(id=UUID(hex=match[1])).first()
    expected = bytes(key.secret_hash) if key else b""
    # Compared in any case, so that a missing key takes the time of a wrong one.
    good = hmac.compare_digest(expected, _hash(match[2]))
    if key is None or not good or key.revoked_at is not None or key.expires_at <= now:
        raise ApiKeyRefused(_("The API key is not valid: it is unknown, expired or revoked."))
    if key.last_used_at is None or now - key.last_used_at >= USE_GRAIN:
        _note_use(key, now)
    return key


def _note_use(key: ApiKey, now: dt.datetime) -> None:
    """Keep when a key was used last. While nothing can be written it is not kept, and what only reads goes on."""
    # What fails leaves the transaction at hand whole; where there is none, the tenant's context is one.
    apart = transaction.atomic() if connection.in_atomic_block else nullcontext()
    try:
        with apart, tenant_context(key.tenant_id):
            ApiKey.objects.filter(id=key.id).update(last_used_at=now)
    except DatabaseError as error:
        if not refuses_writes(error):
            raise
        log.warning("not kept when a key was used last", code=sql_state(error))


def _spell(key_id: UUID, secret: str) -> str:
    return f"{PREFIX}{key_id.hex}_{secret}_{_checksum(key_id.hex, secret)}"


def _checksum(key_id: str, secret: str) -> str:
    return f"{zlib.crc32(f'{key_id}_{secret}'.encode()):08x}"


def _hash(secret: str) -> bytes:
    # The secret has 256 random bits: a fast keyed hash is enough, and a copy of the table alone verifies nothing.
    pepper = hmac.digest(settings.INDEX_KEY, b"api-key", hashlib.sha256)
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)


def _record(action: str, key: ApiKey, *, tenant: TenantRef, actor: Actor, now: dt.datetime, reason: str = "") -> None:
    record_administration(
        action,
        key.id,
        tenant_id=tenant.id,
        actor=actor,
        reason=reason,
        detail={
            "account": str(key.user_id),
            "name": key.name,
            "scopes": key.scopes,
            "until": key.expires_at.isoformat(),
        },
        now=now,
    )
