"""100,000 transitions in batches [NF-3], beside the same writing statement with its arrays made beforehand.

The peer decides nothing, locks nothing beforehand and keeps no cache: it is what PostgreSQL alone needs for the same
rows, with the same indexes, row-level security and hashes.
"""

import json
import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.cursors import plain_array, text_array
from bench.batches import BATCH
from bench.population import Populated, connect_as_administrator, settle
from bench.report import Figure, below
from bench.single import INTO_RISK, OUT_OF_RISK, REASON
from bench.world import read_size
from lifecycle.services import statements
from tenants.actors import TenantRef

ROUNDS = 4
MOST_TIMES, MOST_SECONDS, MOST_MEGABYTES = 2.0, 10.0, 300.0


def measure(populated: Populated) -> list[Figure]:
    """Time and memory of the batches, beside the bare statement; the better of two runs of each, taken in turns."""
    count = read_size("BENCH_TRANSITIONS", 100_000)
    # Into risk and out of it, twice: an even number of rounds leaves everybody where he was.
    customers = sorted(_standing_in(populated.tenant, OUT_OF_RISK))[: count // ROUNDS]
    count = ROUNDS * len(customers)
    runs, bare = [], []
    for _ in range(2):
        settle()
        runs.append(_move_in_batches(populated.tenant, customers, count))
        settle()
        bare.append(_move_by_statement(populated.tenant, customers, count))
    seconds, limit = min(run["seconds"] for run in runs), min(bare)
    megabytes = max(run["megabytes"] for run in runs)
    what = f"{count:,} transitions in batches of {BATCH:,}"
    return [
        Figure("bulk", what, f"{seconds:.2f} s", f"bare SQL {limit:.2f} s", **below(seconds / limit, MOST_TIMES, " x")),  # type: ignore[arg-type]
        Figure("bulk", what, f"{seconds:.2f} s", "NF-3: 300 s", **below(seconds, MOST_SECONDS, " s")),  # type: ignore[arg-type]
        Figure("bulk", "peak memory of the same", f"{megabytes:.0f} MB", "", **below(megabytes, MOST_MEGABYTES, " MB")),  # type: ignore[arg-type]
    ]


def _standing_in(tenant: TenantRef, stage: str) -> list[UUID]:
    with connect_as_administrator() as administrator:
        rows = administrator.execute(
            "SELECT customer_id FROM customer_lifecycle_status WHERE tenant_id = %s AND stage = %s", [tenant.id, stage]
        )
        return [row[0] for row in rows]  # type: ignore[misc]


def _move_in_batches(tenant: TenantRef, customers: list[UUID], count: int) -> dict[str, float]:
    order = {"tenant": [str(tenant.id), tenant.slug], "customers": list(map(str, customers)), "count": count}
    ended = subprocess.run(
        [sys.executable, "-m", "bench.batches"], input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True
    )
    answer: dict[str, float] = json.loads(ended.stdout)
    return answer


def _move_by_statement(tenant: TenantRef, customers: list[UUID], count: int) -> float:
    with connect_as_administrator() as administrator:
        versions: dict[UUID, int] = dict(
            administrator.execute(  # type: ignore[arg-type]
                "SELECT customer_id, version FROM customer_lifecycle_status WHERE tenant_id = %s", [tenant.id]
            ).fetchall()
        )
    with psycopg.connect(settings.DATABASE_URL, prepare_threshold=0, cursor_factory=psycopg.Cursor) as connection:
        seconds, left, into_risk = 0.0, count, True
        while left:
            for start in range(0, min(left, len(customers)), BATCH):
                chosen = customers[start : start + min(BATCH, left)]
                parameters = _parameters(tenant, chosen, versions, into_risk=into_risk)
                begin = time.perf_counter()
                with connection.transaction():
                    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant.id)])
                    moved = connection.execute(statements.MOVE, parameters).fetchone()
                seconds += time.perf_counter() - begin
                assert moved == (len(chosen),), moved
                for customer_id in chosen:
                    versions[customer_id] += 1
                left -= len(chosen)
            into_risk = not into_risk
    return seconds


def _parameters(tenant: TenantRef, chosen: list[UUID], versions: dict[UUID, int], *, into_risk: bool) -> dict[str, Any]:
    stage, reason = (INTO_RISK, REASON) if into_risk else (OUT_OF_RISK, "")
    return {
        "tenant_id": tenant.id,
        "now": timezone.now(),
        "changed_by": "system:bench",
        "actor_kind": "system",
        "source": "EventListener",
        "configuration_version": 1,
        "request_id": uuid7(),
        "customer_ids": plain_array(chosen),
        "versions": plain_array(versions[customer_id] for customer_id in chosen),
        "history_ids": plain_array(uuid7() for _ in chosen),
        "to_stages": text_array([stage] * len(chosen)),
        "reason_codes": text_array([reason] * len(chosen)),
        **dict.fromkeys(("effective_at", "on_behalf_of", "request_ids", "event_ids", "notes"), "{}"),
    }
