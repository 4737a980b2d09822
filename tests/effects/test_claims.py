"""Claims cost the same however long the queue is and however many lanes it has."""

import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from lifecycle.services.effects import claims, moved_on, queue
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.effects.endpoints import create_endpoint
from lifecycle.services.effects.queue import Job
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.effects.test_engine import RISK, make_tenant, move
from tests.factories import ADMIN_ACTOR, CustomerFactory
from tests.plans import count_rows_read

URLS = [f"https://hooks.example.com/{number}" for number in range(3)]


@pytest.mark.parametrize("module", [claims, moved_on, queue])
def test_effects_that_were_found_are_named_by_a_join(module: ModuleType) -> None:
    """By a list of ids the planner walks another index of a table that has just grown: 9 ms of 60,000 rows for 8."""
    statements = [text for name, text in vars(module).items() if name.isupper() and isinstance(text, str)]
    assert not [text for text in statements if re.search(r"\bid = ANY\(", text)]


def test_several_lanes_are_claimed_in_as_many_statements_as_one(
    db: None, django_assert_num_queries: Callable[..., Any]
) -> None:
    tenant = make_tenant({"name": "Post", "kind": "webhook", "to": URLS, **RISK})
    with tenant_context(tenant.id):
        for url in URLS:
            create_endpoint(url[-1], url, tenant=tenant, actor=ADMIN_ACTOR, now=timezone.now())
    move(tenant, *[CustomerFactory(tenant=tenant) for _ in range(5)])
    lanes = [lane.id for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
    assert len(lanes) == 3

    # What configures the effects is known from here on.
    claim(tenant, {lanes[0]: 1}, now=timezone.now())

    def take(*lane_ids: Any) -> list[tuple[str, int]]:
        # The tenant's context and its two ends, the lock, both ends of the queue, the breaker, the tally, the taking.
        with django_assert_num_queries(9):
            return count_by_lane(claim(tenant, dict.fromkeys(lane_ids, 2), now=timezone.now()))

    assert take(lanes[0]) == [(str(lanes[0]), 2)]
    assert take(*lanes[1:]) == [(str(lane_id), 2) for lane_id in lanes[1:]]
    assert claim_rest(tenant, lanes) == [(str(lanes[0]), 2), (str(lanes[1]), 3), (str(lanes[2]), 3)]


def claim_rest(tenant: TenantRef, lanes: list[Any]) -> list[tuple[str, int]]:
    """Eight a lane may be in flight, and a lane that has nothing left gives nothing."""
    found = claim(tenant, dict.fromkeys(lanes, 8), now=timezone.now())
    assert claim(tenant, dict.fromkeys(lanes, 8), now=timezone.now()) == []
    return count_by_lane(found)


def test_lanes_are_found_without_reading_what_waits_in_others(superuser: psycopg.Connection[Any]) -> None:
    """Beside 100,000 that waited, each lane with nothing due read all of them: 0.5 s a look, 77 webhooks a second."""
    tenant = make_tenant({"name": "Post", "kind": "webhook", "to": URLS, **RISK})
    with tenant_context(tenant.id):
        for url in URLS:
            create_endpoint(url[-1], url, tenant=tenant, actor=ADMIN_ACTOR, now=timezone.now())
    move(tenant, CustomerFactory(tenant=tenant))
    with superuser.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "CREATE TEMPORARY TABLE copied ON COMMIT DROP AS"
            " SELECT * FROM lifecycle_effect WHERE tenant_id = %s ORDER BY id LIMIT 1",
            [tenant.id],
        )
        cursor.execute("DELETE FROM lifecycle_effect WHERE tenant_id = %s", [tenant.id])
        for _ in range(3_000):
            cursor.execute("UPDATE copied SET id = gen_random_uuid(), history_id = gen_random_uuid()")
            cursor.execute("INSERT INTO lifecycle_effect SELECT * FROM copied")
        cursor.execute("ANALYZE lifecycle_effect")
        lanes = count_lanes(cursor)
        assert 1 <= count_rows_read(cursor, claims._OPEN_LANES, {"limit": 100}, of="lifecycle_effect") <= lanes


def count_lanes(cursor: psycopg.Cursor[Any]) -> int:
    (count,) = cursor.execute("SELECT count(*) FROM lifecycle_effectlane").fetchone() or (0,)
    return int(count)


def count_by_lane(jobs: list[Job]) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for job in jobs:
        counts[str(job.lane_id)] = counts.get(str(job.lane_id), 0) + 1
    return list(counts.items())
