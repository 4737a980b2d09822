"""The board of a past day reads the cards that it shows, however many customers there are and were."""

import datetime as dt

import pytest

from lifecycle.models import InsightFact
from lifecycle.queries.insight.facts import EVERYBODY
from lifecycle.queries.insight.past import LATEST, STAGE_COUNTS
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastQuestion, count_past
from lifecycle.services.insight.as_of_board import CARDS
from lifecycle.services.insight.keeping import keep_facts
from storage.cursors import plain_array, text_array
from tenants.context import tenant_context
from tests.factories import TenantFactory, utc_now
from tests.plans import count_rows_read, forget_others
from tests.services.test_insight import step, tell
from tests.web.conftest import text_of

CUSTOMERS = 1500
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
DAY = dt.date(2025, 3, 31)
# Each comes two hours after the one before, and moves on: after 20 days, 40 days and 60 days.
MADE = """
INSERT INTO lifecycle_customer (id, tenant_id, external_id, name, name_key, industry, segment, owner, owner_key, source,
                                event_id, occurred_at, field_times, created_at, updated_at)
SELECT md5(%(tenant_id)s::text || n)::uuid, %(tenant_id)s::uuid, n::text, 'Customer ' || n, 'customer ' || n, '', '',
       '', '', '/crm', '', now(), '{}', now(), now()
  FROM generate_series(1, %(customers)s) n
"""
STAYED = """
INSERT INTO lifecycle_stay (tenant_id, customer_id, sequence, piece, from_stage, stage, to_stage, began, ended, entered,
                            left_at, known, known_until, reason_code, left_reason, by_configuration,
                            left_by_configuration, cohort, arr, currency, was_arr, was_currency)
SELECT %(tenant_id)s::uuid, md5(%(tenant_id)s::text || n)::uuid, k, 0, COALESCE(stages[k - 1], ''), stages[k],
       COALESCE(stages[k + 1], ''), t.began, t.ended, t.began, t.ended, t.began + interval '2 days',
       t.ended + CASE WHEN k < 4 THEN interval '2 days' ELSE interval '0' END, '', '', false, false, '2025-01-01', 10,
       'EUR', 10, 'EUR'
  FROM generate_series(1, %(customers)s) n CROSS JOIN generate_series(1, 4) k
 CROSS JOIN (SELECT ARRAY['0:Prospect', '0:Onboarded', '0:Active', '0:Churned'] AS stages) s
 CROSS JOIN LATERAL (
       SELECT %(start)s::timestamptz + n * interval '2 hours' + (k - 1) * interval '20 days' AS began,
              CASE WHEN k < 4 THEN %(start)s::timestamptz + n * interval '2 hours' + k * interval '20 days'
                   ELSE '9999-01-01Z' END AS ended) t
"""


@pytest.fixture(scope="module")
def tenant(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return TenantFactory()


@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.parametrize("known", [EFFECTIVE, RECORDED])
def test_of_thousands_of_stays_the_board_reads_its_cards(db, superuser, tenant, known, is_analyzed):
    """Most have come to a stage and left it since, and a thousand come after the day."""
    asked = PastQuestion(DAY, known)
    stages = ["0:Prospect", "0:Onboarded", "0:Active", "0:Churned"]
    given = asked.parameters(tenant) | {
        "columns": text_array(stages),
        "cards": plain_array([CARDS, CARDS, CARDS, 0]),
    }
    forget_others(superuser, tenant.id, ["lifecycle_stay", "lifecycle_customer"])
    with superuser.cursor() as cursor:
        values = {"tenant_id": str(tenant.id), "customers": CUSTOMERS, "start": START}
        cursor.execute(MADE, values)
        cursor.execute(STAYED, values)
        if is_analyzed:
            cursor.execute("ANALYZE lifecycle_stay")
            cursor.execute("ANALYZE lifecycle_customer")
        cursor.execute("SET LOCAL ROLE c360_app")
        cursor.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
        # What came in the two days before was not known by then.
        late = 24 if known == RECORDED else 0
        read = count_rows_read(cursor, LATEST[EVERYBODY, known], given, of="lifecycle_stay")
        # To each card the piece of its stay that held on the day, and the one that ends the look.
        assert read <= 3 * (CARDS + late + 1) + 3 * (CARDS + 1)
        assert count_rows_read(cursor, STAGE_COUNTS[EVERYBODY, known], given, of="lifecycle_stay") == 0
        cursor.execute(LATEST[EVERYBODY, known], given)
        assert cursor.rowcount == 3 * CARDS


def test_where_moves_are_missing_in_the_sums_the_board_is_shown_and_no_stage_has_fewer_than_none(
    db, page_client, other_tenant, other_users
):
    """As the mover of a former release leaves them, which does not know of these sums."""
    eve = tell(other_tenant, {"eve": [(0, "Trial"), (3, "Rollout")]}, {})["eve"]
    keep_facts(other_tenant)
    with tenant_context(other_tenant.id):
        assert InsightFact.objects.filter(tenant_id=other_tenant.id, kind="known").delete()[0] == 2
        step(other_tenant, eve, 5, "Live")
    keep_facts(other_tenant)
    client, today = page_client(other_users.account_manager), utc_now().date()
    board = client.get(f"/board/as-of?day={today}&known=recorded")
    assert board.status_code == 200
    assert "Rollout 0 customers" in text_of(board) and "Live 1 customer" in text_of(board)
    page = client.get(f"/customers/as-of?day={today}&known=recorded&stage=Rollout")
    assert page.status_code == 200 and "-1 customer" not in text_of(page)
    with tenant_context(other_tenant.id):
        assert count_past(PastQuestion(today, RECORDED, keys=["0:Rollout"]), tenant=other_tenant) == 0
