"""E-mails that automations sent to customers long ago, elsewhere: their rows, as they would have been left behind."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from lifecycle.services.effects.plan import make_lanes
from storage.cursors import plain_array, prepared_cursor, text_array
from tenants.actors import TenantRef

# To every contact with an address, of the row of the history that the move left. The ids begin with the time: by them
# the timeline is sorted.
_KEEP: Final = """
INSERT INTO lifecycle_effect
       (id, tenant_id, history_id, customer_id, request_id, configuration_version, effect, kind, recipient, lane_id,
        state, due_at, attempts, handed_over_at, created_at, finished_at)
SELECT uuidv7(m.sent_at - clock_timestamp()), h.tenant_id, h.id, h.customer_id, uuidv7(m.moved_at - clock_timestamp()),
       h.configuration_version, m.effect, 'email', 'contact:' || k.id, l.id, 'done', m.sent_at, 1, m.sent_at,
       m.moved_at, m.sent_at
  FROM unnest(%(customer_ids)s::uuid[], %(effects)s::text[], %(moved_at)s::timestamptz[], %(sent_at)s::timestamptz[])
       AS m(customer_id, effect, moved_at, sent_at)
  JOIN customer_lifecycle_history h ON h.tenant_id = %(tenant_id)s::uuid AND h.customer_id = m.customer_id
   AND h.effective_at = m.moved_at
  JOIN lifecycle_contact k ON k.tenant_id = h.tenant_id AND k.customer_id = h.customer_id AND k.email IS NOT NULL
  JOIN lifecycle_effectlane l ON l.tenant_id = h.tenant_id AND l.name = 'email'
    ON CONFLICT (tenant_id, history_id, effect, recipient) DO NOTHING
"""


class PastMail(NamedTuple):
    """What one move of a customer had an automation write to its contacts."""

    customer_id: UUID
    effect: str
    moved_at: dt.datetime
    sent_at: dt.datetime


def keep_past_mail(mails: Sequence[PastMail], *, tenant: TenantRef) -> None:
    """Keep them as done. Two statements, none without any. Call in the transaction that makes the customers."""
    if not mails:
        return
    make_lanes(tenant.id)
    with prepared_cursor("default") as cursor:
        cursor.execute(
            _KEEP,
            {
                "tenant_id": tenant.id,
                "customer_ids": plain_array(mail.customer_id for mail in mails),
                "effects": text_array([mail.effect for mail in mails]),
                "moved_at": text_array([mail.moved_at.isoformat() for mail in mails]),
                "sent_at": text_array([mail.sent_at.isoformat() for mail in mails]),
            },
        )
