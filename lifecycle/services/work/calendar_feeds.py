"""A person's calendar of renewals: an address that is a secret, which they can take back.

Calendar programs do not log in: the address itself says who asks. Of its secret only a keyed hash is kept. What the
feed shows is what the person may see now, and nothing about people: companies, stages, days.
"""

import base64
import datetime as dt
import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from audit.services.administration import record_administration
from lifecycle.models import CalendarFeed, Customer
from lifecycle.services.work.renewals import list_renewals
from storage.redis import ask
from tenants.actors import Actor, TenantRef
from tenants.roles import ROLE_PERMISSIONS, VIEW_LIFECYCLE, Role
from tenants.rules.configuration.policy import Policy
from tenants.services.directory import PLATFORM, find_user

# Programs ask every few minutes at most.
MOST_AN_HOUR: Final = 120
# What a program is given: from so long ago until so far ahead, and so many at most.
PAST, AHEAD = dt.timedelta(days=90), dt.timedelta(days=400)
MOST_ENTRIES: Final = 2000
_TAKE_TURN: Final = (
    "SELECT pg_advisory_xact_lock(hashtextextended('calendar:' || %(tenant_id)s::text || %(user_id)s::text, 0))"
)
_SHAPE: Final = re.compile(r"([0-9a-f]{32})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose feed it is."""

    feed_id: UUID
    tenant: TenantRef
    owner_key: str


def make_feed(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> str:
    """A new secret address (its last part) for the person; a former one ends. It cannot be shown again."""
    revoke_feed(user_id, tenant=tenant, actor=actor, now=now)
    secret = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    feed = CalendarFeed(id=uuid7(), tenant_id=tenant.id, user_id=user_id, secret_hash=_hash(secret), created_at=now)
    feed.save(force_insert=True)
    record_administration("make_calendar_feed", user_id, tenant_id=tenant.id, actor=actor, now=now)
    return f"{feed.id.hex}_{secret}"


def revoke_feed(user_id: UUID, *, tenant: TenantRef, actor: Actor, now: dt.datetime) -> bool:
    """End the person's address at once; whether there was one."""
    # A button that was pressed twice comes twice at once: the second would not see the address that the first makes.
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_TURN, {"tenant_id": tenant.id, "user_id": user_id})
    gone, _ = CalendarFeed.objects.filter(tenant_id=tenant.id, user_id=user_id).delete()
    if gone:
        record_administration("revoke_calendar_feed", user_id, tenant_id=tenant.id, actor=actor, now=now)
    return gone > 0


def has_feed(user_id: UUID, *, tenant: TenantRef) -> bool:
    """Whether the person has an address now. One statement."""
    return CalendarFeed.objects.filter(tenant_id=tenant.id, user_id=user_id).exists()


def find_reader(text: str) -> Reader | None:
    """Whose address it is; None for one that is wrong, was taken back, or whose person may not see customers any more.

    Two statements over the platform connection. The secret is compared in constant time, also where there is none.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    feed = CalendarFeed.objects.using(PLATFORM).filter(id=UUID(hex=match[1])).first()
    good = hmac.compare_digest(bytes(feed.secret_hash) if feed else b"", _hash(match[2]))
    user = find_user(feed.user_id) if feed is not None and good else None
    if feed is None or user is None or user.tenant is None or user.tenant_id != feed.tenant_id:
        return None
    if not user.is_active or user.tenant.is_suspended or VIEW_LIFECYCLE not in ROLE_PERMISSIONS[Role(user.role)]:
        return None
    return Reader(feed.id, TenantRef(user.tenant.id, user.tenant.slug), user.username)


def list_entries(reader: Reader, *, policy: Policy, now: dt.datetime) -> list[dict[str, Any]]:
    """The renewals of the reader's customers, or of everybody's where they own none, in the order of their days.

    Of more than ``MOST_ENTRIES`` those from today on go first, the nearest ones; then as many of those that are past as
    there is room for. Call in the tenant's context. Three statements at most.
    """
    owns = Customer.objects.for_tenant(reader.tenant.id).filter(owner_key=reader.owner_key).exists()
    today, owner = now.date(), reader.owner_key if owns else ""
    given: dict[str, Any] = {"tenant": reader.tenant, "policy": policy, "now": now, "owner": owner}
    ahead = list_renewals(today, today + AHEAD, limit=MOST_ENTRIES, **given)
    room = MOST_ENTRIES - len(ahead)
    return [*list_renewals(today - PAST, today, limit=room, **given), *ahead] if room else ahead


def is_too_often(feed_id: UUID) -> bool:
    """Whether the address was asked for more often than a calendar program does. Without Redis nothing is counted."""
    key = f"c360:calendar:{feed_id.hex}"
    try:
        count, _ = ask(lambda client: client.pipeline().incr(key).expire(key, 3600, nx=True).execute())
    except RedisError:
        return False
    return int(count) > MOST_AN_HOUR


def _hash(secret: str) -> bytes:
    # 256 random bits: a fast keyed hash is enough, and a copy of the table alone opens nothing.
    pepper = hmac.digest(settings.INDEX_KEY, b"calendar-feed", hashlib.sha256)
    return hmac.digest(pepper, secret.encode(), hashlib.sha256)
