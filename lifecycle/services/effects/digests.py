"""The daily digest: one e-mail a morning about a person's alerts, an effect like others in the lane of the mail.

Its id is made of the person and the day, so that there is one, however many workers file alerts at once. An alert is
filed in the transaction that shows it, and while no one delivers the digest: it is in that mail, or in the next one.
"""

import datetime as dt
from hashlib import blake2b
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import ngettext

from lifecycle.models import Customer, EffectRun, Notification
from lifecycle.services.effects.bell import announce_bell
from lifecycle.services.effects.facts import NO_ADDRESS, Mail, NothingToDeliver, find_user
from lifecycle.services.effects.preferences import DIGEST, next_morning, read_preference
from lifecycle.services.effects.queue import Job
from storage.cursors import prepared_cursor
from tenants.actors import TenantRef
from tenants.models import Tenant
from tenants.roles import ROLE_PERMISSIONS, VIEW_LIFECYCLE, Role
from tenants.sentences.figures import say_number
from tenants.services.accounts.own_settings import in_settings_of

KIND: Final = "digest"
# A digest is about many customers: its row names none.
NO_CUSTOMER: Final = UUID(int=0)
# As many are written out in one mail; the others are counted.
MOST_SHOWN: Final = 100
_LANE: Final = "email"

# It begins with the history row of its first alert. Its request is its own: undoing that change takes back no digest.
_MAKE: Final = """
INSERT INTO lifecycle_effect
    (id, tenant_id, history_id, customer_id, request_id, configuration_version, effect, kind, recipient, lane_id, state,
     reason, due_at, created_at)
SELECT %(id)s::uuid, %(tenant_id)s::uuid, %(history_id)s::uuid, %(customer_id)s::uuid, %(id)s::uuid, %(version)s::int,
       %(effect)s::text, %(kind)s::text, %(recipient)s::text, l.id, 'due', '', %(due_at)s::timestamptz,
       %(now)s::timestamptz
  FROM lifecycle_effectlane l WHERE l.tenant_id = %(tenant_id)s::uuid AND l.name = %(lane)s::text
    ON CONFLICT DO NOTHING
"""
# Locked until the alert is filed: no worker takes it in between.
_LOCK: Final = """
SELECT state, due_at FROM lifecycle_effect WHERE tenant_id = %(tenant_id)s::uuid AND id = %(id)s::uuid FOR UPDATE
"""


class Filed(Protocol):
    """What is filed: of which tenant, and the history row and configuration version that a new digest begins with."""

    @property
    def tenant(self) -> TenantRef:
        """The tenant."""

    @property
    def history_id(self) -> UUID:
        """A row of the customer's history."""

    @property
    def configuration_version(self) -> int:
        """The version that it was judged by."""


def file_alert(job: Filed, *, user_id: UUID, time_zone: str, now: dt.datetime) -> tuple[UUID, dt.datetime]:
    """The digest that the alert goes into, made if there is none, and when it comes. Call in a transaction."""
    morning = next_morning(now, time_zone)
    while True:
        day = morning.date()
        given = {"tenant_id": job.tenant.id, "id": digest_id(job.tenant.id, user_id, day)}
        row = {
            "history_id": job.history_id,
            "customer_id": NO_CUSTOMER,
            "version": job.configuration_version,
            "effect": f"Daily digest of {day}",
            "kind": KIND,
            "recipient": f"user:{user_id}",
            "due_at": morning,
            "now": now,
            "lane": _LANE,
        }
        with prepared_cursor("default") as cursor:
            cursor.execute(_MAKE, {**given, **row})
            cursor.execute(_LOCK, given)
            state, due_at = cursor.fetchone()
        if state == EffectRun.DUE:
            return given["id"], due_at
        # That of this day has gone out already (the person has changed clocks), or was cancelled.
        morning = next_morning(morning, time_zone)


def digest_id(tenant_id: UUID, user_id: UUID, day: dt.date) -> UUID:
    """The id of a person's digest of a day: a UUID of version 7 of that day, so it sorts among the others."""
    milliseconds = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp() * 1000)
    rest = int.from_bytes(blake2b(f"{tenant_id}|{user_id}|{day}".encode(), digest_size=10).digest())
    return UUID(int=milliseconds << 80 | 7 << 76 | (rest >> 68 & 0xFFF) << 64 | 2 << 62 | rest & (1 << 62) - 1)


def render_digest(job: Job) -> Mail:
    """The e-mail about everything filed that the person has not dealt with. Raises NothingToDeliver.

    Call in the tenant's context. A bounded number of statements.
    """
    user = find_user(job)
    if VIEW_LIFECYCLE not in ROLE_PERMISSIONS[Role(user.role)]:
        raise NothingToDeliver("no_right")
    # Now they are shown in the product too.
    announce_bell(job.tenant.id, [user.id])
    if read_preference(user.id, tenant=job.tenant).alerts != DIGEST:
        raise NothingToDeliver("no_digest")
    filed = Notification.objects.filter(tenant_id=job.tenant.id, user_id=user.id, digest_id=job.id)
    open_ones = list(filed.filter(read_at=None, acknowledged_at=None).order_by("id"))
    known = Customer.objects.filter(
        tenant_id=job.tenant.id, id__in={one.customer_id for one in open_ones}, erased_at=None
    )
    names = dict(known.values_list("id", "name"))
    alerts = [{"row": one, "name": names[one.customer_id]} for one in open_ones if one.customer_id in names]
    if not alerts:
        raise NothingToDeliver("all_read")
    if not user.email:
        raise NothingToDeliver(NO_ADDRESS)
    tenant_name = Tenant.objects.filter(id=job.tenant.id).values_list("name", flat=True).first() or job.tenant.slug
    # As they read the pages: in their language, and in the zone of their clock.
    with in_settings_of(user):
        body = render_to_string(
            "mail/alert_digest.txt",
            {
                "user": user,
                "tenant_name": tenant_name,
                "alerts": alerts[:MOST_SHOWN],
                "more": max(0, len(alerts) - MOST_SHOWN),
                "link": f"{settings.SITE_URL}{reverse('notifications-page')}",
                "settings_link": f"{settings.SITE_URL}{reverse('notification-preferences')}",
            },
        )
        subject = ngettext("%(count)s alert from %(tenant)s", "%(count)s alerts from %(tenant)s", len(alerts)) % {
            "count": say_number(len(alerts)),
            "tenant": " ".join(tenant_name.split()),
        }
    return Mail(user.full_name, user.email, subject, body)
