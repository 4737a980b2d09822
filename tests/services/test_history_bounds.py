"""What a preview reads of the history is bounded by a time that has an index."""

import datetime as dt

from django.db import connections, transaction

from lifecycle.rules.transitions import Change
from lifecycle.services.configuration import previews
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import read_configuration
from tests.factories import MINIMAL, CustomerFactory, utc_now


def test_the_time_of_record_which_has_an_index_bounds_the_history(tenant: TenantRef) -> None:
    """In a table of few rows the tenant's own key is cheaper: here the time alone has to find them. Only bitmaps are
    left to the planner, so what it chooses does not hang on the statistics of the moment.
    """
    customer = CustomerFactory(tenant=tenant)
    change = Change(customer_id=customer.id, stage="Active")
    with tenant_context(tenant.id):
        apply(Call(tenant, system_actor("tests"), "API", utc_now()), [change])
        preview = previews.preview_configuration(*read_configuration(MINIMAL), tenant=tenant, now=utc_now())
    by_time = previews._MOVES.replace("tenant_id = %(tenant_id)s AND ", "")
    assert by_time != previews._MOVES
    with transaction.atomic(using="platform"), connections["platform"].cursor() as cursor:
        for way in ("seqscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        since = utc_now() - dt.timedelta(days=90)
        cursor.execute(f"EXPLAIN {by_time}", {"since": since, "examples": 3})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "history_by_record_time" in plan
    assert preview.moves_judged == 1
