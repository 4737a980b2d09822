"""What somebody is and may do *now*, at the price of one look into Redis.

The record of a user is kept for 10 s. Whoever changes a user sets a *tombstone* (10 s) in its place before the
commit and again after it, and never deletes it; readers fill an empty place only, and only with what they began to
read less than 5 s ago. So no reader can put back what was true before the change, and a demotion acts on the next
request. Redis gone: PostgreSQL is asked each time, and for as long as an old record could have survived.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from django_redis import get_redis_connection
from guardian.shortcuts import get_perms
from prometheus_client import Counter
from redis.exceptions import RedisError

from storage import redis_line
from storage.database.identity import database_identity
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import PERMISSIONS, ROLE_PERMISSIONS, Role
from tenants.services.accounts.password_stamps import password_stamp
from tenants.services.directory import find_user

log = structlog.get_logger(__name__)

LIFETIME_SECONDS = 10
TOMBSTONE_SECONDS = 10
FILL_WITHIN_SECONDS = 5
RETRY_SECONDS = 0.5
TOMBSTONE = b"!"
# Decoded records, by their bytes: a handful for each user that is active now.
KEPT = 10_000

failures = Counter("customer360_membership_cache_failures_total", "Memberships that were read without Redis.")


@dataclass(frozen=True, slots=True)
class Membership:
    """A user as he is now. ``permissions`` are django-guardian's grants on his tenant.

    ``stamp`` changes with the password: tokens that carry another one are dead.
    """

    user_id: UUID
    username: str
    role: Role
    tenant: TenantRef | None
    permissions: frozenset[str]
    public_names: frozenset[str]
    is_active: bool
    is_suspended: bool
    is_service_account: bool
    updates_per_hour: int
    stamp: str


class _Outage:
    """What this process knows of Redis being away."""

    def __init__(self) -> None:
        self.distrust_until = 0.0

    def is_over(self) -> bool:
        return time.monotonic() >= self.distrust_until

    def note(self, error: Exception) -> None:
        # A record from before the outage may have missed its tombstone: it has expired when Redis is trusted again.
        self.distrust_until = time.monotonic() + LIFETIME_SECONDS
        log.warning("membership cache unavailable, asking PostgreSQL", error=str(error))


outage = _Outage()
_decoded: dict[bytes, Membership] = {}


def read_membership(user_id: UUID) -> Membership | None:
    """The membership of a user as it is now, or None if there is no such user.

    One round trip to Redis; on a miss one statement over the platform connection and the grants in the tenant's
    context besides. Never raises because of Redis.
    """
    raw = None
    trusted = outage.is_over()
    if trusted:
        try:
            raw = redis_line.call(_client(), "GET", _key(user_id))
        except RedisError as error:
            failures.inc()
            outage.note(error)
            trusted = False
        if raw is not None and raw != TOMBSTONE and (known := _decode(raw)) is not None:
            return known
    else:
        failures.inc()
    began = time.monotonic()
    membership = _load(user_id)
    if trusted and raw is None and membership is not None and time.monotonic() - began < FILL_WITHIN_SECONDS:
        _attempt(lambda: _client().set(_key(user_id), _encode(membership), ex=LIFETIME_SECONDS, nx=True))
    return membership


def announce_change(user_ids: Iterable[UUID]) -> None:
    """Make the next request of each user see what this transaction changes. Call before its commit."""
    keys = [_key(user_id) for user_id in user_ids]
    if keys:
        _bury(keys)
        # A commit may come later than the first tombstone lives.
        transaction.on_commit(lambda: _bury_at_last(keys), robust=True)


def _bury(keys: list[str]) -> bool:
    def send() -> Any:
        pipeline = _client().pipeline(transaction=False)
        for key in keys:
            pipeline.set(key, TOMBSTONE, ex=TOMBSTONE_SECONDS)
        return pipeline.execute()

    return _attempt(send) is not None


def _bury_at_last(keys: list[str]) -> None:
    """Bury, and go on trying for as long as an old record can live where it could not be told."""
    if _bury(keys):
        return

    def insist() -> None:
        until = time.monotonic() + LIFETIME_SECONDS
        while time.monotonic() < until:
            time.sleep(RETRY_SECONDS)
            if _bury(keys):
                return

    threading.Thread(target=insist, name="membership-tombstones", daemon=True).start()


def _load(user_id: UUID) -> Membership | None:
    user = find_user(user_id)
    if user is None:
        return None
    tenant = user.tenant
    return Membership(
        user_id=user.id,
        username=user.username,
        role=Role(user.role),
        tenant=TenantRef(tenant.id, tenant.slug) if tenant else None,
        # Grants that outlived a role, by whatever way it was changed, grant nothing.
        permissions=_read_grants(user) & ROLE_PERMISSIONS[Role(user.role)],
        public_names=user.public_names,
        is_active=user.is_active,
        is_suspended=tenant is not None and tenant.is_suspended,
        is_service_account=user.is_service_account,
        updates_per_hour=_budget_of(user),
        stamp=password_stamp(user).hex(),
    )


def _read_grants(user: User) -> frozenset[str]:
    """The permissions that django-guardian grants the user on his tenant; a super admin has those of his role."""
    if user.tenant is None:
        return ROLE_PERMISSIONS[Role(user.role)] if user.is_superuser else frozenset()
    with tenant_context(user.tenant.id):
        return frozenset(get_perms(user, user.tenant)) & frozenset(PERMISSIONS)


def _budget_of(user: User) -> int:
    if user.is_service_account and user.updates_per_hour is not None:
        return user.updates_per_hour
    budget: int = settings.UPDATES_PER_HOUR
    return budget


def _encode(membership: Membership) -> bytes:
    tenant = membership.tenant
    return orjson.dumps(
        [
            membership.user_id,
            membership.username,
            membership.role.value,
            [tenant.id, tenant.slug] if tenant else None,
            sorted(membership.permissions),
            sorted(membership.public_names),
            membership.is_active,
            membership.is_suspended,
            membership.is_service_account,
            membership.updates_per_hour,
            membership.stamp,
        ]
    )


def _decode(raw: bytes) -> Membership | None:
    """The record, or None if it cannot be read: then PostgreSQL is asked until it has expired."""
    known = _decoded.get(raw)
    if known is not None:
        return known
    try:
        membership = _parse(raw)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        log.error("a membership record cannot be read", error=str(error))
        return None
    if len(_decoded) >= KEPT:
        _decoded.clear()
    _decoded[raw] = membership
    return membership


def _parse(raw: bytes) -> Membership:
    user_id, username, role, tenant, permissions, names, active, suspended, is_service, budget, stamp = orjson.loads(
        raw
    )
    return Membership(
        user_id=UUID(user_id),
        username=username,
        role=Role(role),
        tenant=TenantRef(UUID(tenant[0]), tenant[1]) if tenant else None,
        permissions=frozenset(permissions),
        public_names=frozenset(names),
        is_active=active,
        is_suspended=suspended,
        is_service_account=is_service,
        updates_per_hour=budget,
        stamp=stamp,
    )


def _attempt(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except RedisError as error:
        failures.inc()
        outage.note(error)
        return None


def _client() -> Any:
    return get_redis_connection("default")


def _key(user_id: UUID) -> str:
    # The number is the format's: a process of another version must not read what it cannot understand. After a restore
    # from a backup the records of before it are out of reach.
    return f"c360:member:1:{database_identity()}:{user_id}"
