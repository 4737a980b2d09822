"""What a user is and may do *now*, at the price of one look into Redis.

The record of a user is kept for 10 s. A change of the user sets a *tombstone* (10 s) in its place before the
commit and again after it. A record is of version 0 and a tombstone of version 1 (``storage.copies``), so readers fill
an empty place only: no reader can put back what was true before the change, and a demotion acts on the next request.
Redis gone: PostgreSQL is asked each time, and no record from before is believed afterwards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
import structlog
from django.conf import settings
from django.db import transaction
from guardian.shortcuts import get_perms

from storage import copies
from storage.copies import Copy, Held
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import PERMISSIONS, ROLE_PERMISSIONS, Role
from tenants.services.accounts.password_stamps import password_stamp
from tenants.services.directory import find_user

log = structlog.get_logger(__name__)

LIFETIME_SECONDS = 10
RECORD, TOMBSTONE = 0, 1
# Decoded records, by their bytes: a handful for each user that is active now.
KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Membership:
    """A user as they are now. ``permissions`` are django-guardian's grants on their tenant.

    ``stamp`` changes with the password: tokens that carry another one are dead. So are those of ``ended_sessions``,
    log-ins of programs that their owner has just ended.
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
    ended_sessions: frozenset[UUID]


_decoded: dict[bytes, Membership] = {}


def read_membership(user_id: UUID) -> Membership | None:
    """The membership of a user as it is now, or None if there is no such user. As ``fetch_membership``."""
    return fetch_membership(user_id)[0]


def fetch_membership(user_id: UUID, also: Sequence[str] = ()) -> tuple[Membership | None, Held]:
    """The membership of a user as it is now, or None, and what Redis holds under the keys of ``also``.

    One round trip to Redis; on a miss one statement over the platform connection and the grants in the tenant's
    context besides, and a second round trip. Never raises because of Redis.
    """
    key = _key(user_id)
    held = copies.read([key, *also])
    kept = held.found.get(key)
    if kept is not None and (known := _decode(kept.body)):
        return known, held
    membership = _load(user_id)
    if membership is not None:
        held.offer([Copy(key, RECORD, LIFETIME_SECONDS, _encode(membership))])
    return membership, held


def announce_change(user_ids: Iterable[UUID]) -> None:
    """Make the next request of each user see what this transaction changes. Call before its commit."""
    tombstones = [Copy(_key(user_id), TOMBSTONE, LIFETIME_SECONDS) for user_id in user_ids]

    def keep_longer() -> None:
        if copies.keep(tombstones) is None:
            copies.note_missed_invalidation()

    if tombstones:
        copies.keep(tombstones)
        # A commit may come later than the first tombstone lives.
        transaction.on_commit(keep_longer, robust=True)


def _load(user_id: UUID) -> Membership | None:
    user = find_user(user_id)
    if user is None:
        return None
    tenant = user.tenant
    return Membership(
        user_id=user.id,
        username=user.username,
        role=Role(user.role),
        tenant=TenantRef(tenant.id, tenant.slug, tenant.is_sandbox) if tenant else None,
        # Grants that outlived a role, by whatever way it was changed, grant nothing.
        permissions=_read_grants(user) & ROLE_PERMISSIONS[Role(user.role)],
        public_names=user.public_names,
        is_active=user.is_active,
        is_suspended=tenant is not None and tenant.is_suspended,
        is_service_account=user.is_service_account,
        updates_per_hour=_budget_of(user),
        stamp=password_stamp(user).hex(),
        ended_sessions=frozenset(map(UUID, user.ended_sessions or ())),
    )


def _read_grants(user: User) -> frozenset[str]:
    """The permissions that django-guardian grants the user on their tenant; a super admin has those of their role."""
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
            [tenant.id, tenant.slug, tenant.is_sandbox] if tenant else None,
            sorted(membership.permissions),
            sorted(membership.public_names),
            membership.is_active,
            membership.is_suspended,
            membership.is_service_account,
            membership.updates_per_hour,
            membership.stamp,
            sorted(map(str, membership.ended_sessions)),
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
    (
        user_id,
        username,
        role,
        tenant,
        permissions,
        names,
        active,
        suspended,
        is_service,
        budget,
        stamp,
        ended,
    ) = orjson.loads(raw)
    return Membership(
        user_id=UUID(user_id),
        username=username,
        role=Role(role),
        tenant=TenantRef(UUID(tenant[0]), tenant[1], tenant[2]) if tenant else None,
        permissions=frozenset(permissions),
        public_names=frozenset(names),
        is_active=active,
        is_suspended=suspended,
        is_service_account=is_service,
        updates_per_hour=budget,
        stamp=stamp,
        ended_sessions=frozenset(map(UUID, ended)),
    )


def _key(user_id: UUID) -> str:
    # The number is the format's: a process of another version must not read what it cannot understand.
    return f"c360:member:4:{user_id}"
