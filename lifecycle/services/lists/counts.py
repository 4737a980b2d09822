"""How many customers a list has, as its page says it: kept for everyone until a customer changes, 5 minutes at most."""

import dataclasses
import datetime as dt

import orjson
from django.utils import timezone

from lifecycle.queries import selection
from lifecycle.queries.listing import DEFAULT_ORDERING, ListQuery, describe_question
from lifecycle.queries.selection import Count, count_customers
from lifecycle.services.cache import copies
from tenants.actors import TenantRef
from tenants.rules.configuration.policy import Policy


def read_count(query: ListQuery, *, tenant: TenantRef, policy: Policy, now: dt.datetime) -> Count:
    """``count_customers``, kept for 5 minutes, not beyond the end of the day (UTC's, and that of who asks), and never
    older than the last change of any customer.

    One round trip to Redis on a hit, else one statement more. Not kept where other things than customers count: e-mail
    addresses, and a score that asks for notes or tasks. Call inside the tenant's context.
    """
    if "@" in (query.search or "") or (query.where is not None and policy.health.needs_work):
        return count_customers(query, tenant=tenant, policy=policy, now=now)
    question = describe_question(dataclasses.replace(query, ordering=DEFAULT_ORDERING), tenant)
    days = f"{now.date()} {timezone.localdate(now)}"
    of = ("count", str(policy.version), days, str(selection.MOST_COUNTED), question.decode())
    reading = copies.read_totals(tenant.id, *of)
    if reading.value is None:
        found = count_customers(query, tenant=tenant, policy=policy, now=now)
        reading.offer(orjson.dumps(found))
        return found
    return Count(**orjson.loads(reading.value))
