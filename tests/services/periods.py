"""Events and messages in tables that are kept by period."""

import datetime as dt

from django.db import connections

from lifecycle.services.events import inbox
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.aging import periods_of
from tests.factories import utc_now

INBOX, OUTBOX, REFUSED = "lifecycle_inboxevent", "audit_outbox", "audit_refused_attempt"
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
MONTH = 30 * DAY


def claim(tenant: TenantRef, *event_ids: str, replaying: bool = False) -> set[str]:
    """Take events of CRM; the ids of those that were not taken before."""
    events = {("/crm", event_id): "customer.updated" for event_id in event_ids}
    with tenant_context(tenant.id):
        return {event_id for _, event_id in inbox.claim(tenant.id, events, now=utc_now(), replaying=replaying)}


def drop_all_but_newest(table: str) -> None:
    with connections["owner"].cursor() as cursor:
        while len(periods_of(table)) > 1:
            cursor.execute("SELECT drop_period(%s, clock_timestamp(), 1, '{}')", [table])
