"""Who has read whose contacts is asked of the administration log with each reading: it must not be read for it."""

import datetime as dt
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.services.administration import list_recorded
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.plans import count_rows_read

# Each second one of this tenant, by the same person in the same hour; each of another customer.
NOTED = """
INSERT INTO audit_administration (id, tenant_id, recorded_at, actor, actor_kind, action, subject, reason, detail)
SELECT uuidv7(%(ago)s::interval), CASE WHEN n %% 2 = 0 THEN %(tenant)s::uuid ELSE %(other)s::uuid END, now(),
       'meg', 'user', 'reveal_contacts', CASE WHEN n = %(at)s THEN %(customer)s ELSE gen_random_uuid()::text END,
       '', '{"contacts": []}'
  FROM generate_series(1, 10000) n
"""


@pytest.mark.parametrize("others", [0, 50])
@pytest.mark.parametrize("is_analyzed", [False, True])
def test_of_thousands_of_readings_in_an_hour_those_of_the_customers_at_hand_are_read(
    superuser: psycopg.Connection[Any], tenant: TenantRef, other_tenant: TenantRef, others: int, is_analyzed: bool
) -> None:
    customer = str(uuid4())
    asked = [customer, *(str(uuid4()) for _ in range(others))]
    since = utc_now() - dt.timedelta(minutes=59)
    with tenant_context(tenant.id), CaptureQueriesContext(connection) as captured:
        assert list_recorded("reveal_contacts", asked, since, tenant_id=tenant.id, actor="meg") == []
    (statement,) = (one["sql"] for one in captured if "audit_administration" in one["sql"])
    with superuser.cursor() as cursor:
        noted = {"tenant": str(tenant.id), "other": str(other_tenant.id), "customer": customer}
        cursor.execute(NOTED, noted | {"ago": "-2 hours", "at": 0})
        cursor.execute("ANALYZE audit_administration")
        cursor.execute(NOTED, noted | {"ago": "0", "at": 6000})
        if is_analyzed:
            cursor.execute("ANALYZE audit_administration")
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        assert count_rows_read(cursor, statement, None, of="a") == 1
        cursor.execute(statement)
        assert [(subject, detail) for _, subject, detail in cursor.fetchall()] == [(customer, {"contacts": []})]
