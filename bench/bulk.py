"""100,000 transitions in batches [NF-3], beside the same work done by bare set-based SQL.

Our side is ``apply`` as a stage migration calls it, without a budget, in larger batches. The bare side runs the very
statement that writes status, history with its hashes, and outbox, on arrays that were made beforehand; it decides
nothing, locks nothing first and refreshes no cache. Batches of both sides take turns. A process of its own does the
work once more to find the peak of its memory.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from django.utils import timezone
from uuid_utils.compat import uuid7

from bench.measuring import percentile
from bench.peers.models import INTO_RISK, OUT_OF_RISK
from bench.population import Populated
from bench.report import Figure, below, up_to
from bench.single import REASON, bare_connection
from bench.world import read_size
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions import statements
from lifecycle.services.transitions.apply import Call, apply
from storage.cursors import plain_array, sparse_text_array, text_array
from tenants.actors import SYSTEM, TenantRef, system_actor
from tenants.context import tenant_context

BATCH = 5000


def measure(populated: Populated) -> list[Figure]:
    """Seconds of both sides, their ratio, and the memory."""
    total = read_size("BENCH_TRANSITIONS", 100_000)
    tenant = populated.tenant
    customers = populated.customers[OUT_OF_RISK]
    half = len(customers) // 2
    ours = apply_batches(tenant, customers[:half], total)
    with bare_connection(tenant) as connection:
        bare = _bare_batches(connection.cursor().execute, tenant, customers[half:], total)
        seconds: dict[str, list[float]] = {"ours": [], "bare": []}
        while True:
            step = next(ours, None)
            if step is None:
                break
            seconds["ours"].append(_time(step))
            seconds["bare"].append(_time(next(bare)))
    took, bare_took = sum(seconds["ours"]), sum(seconds["bare"])
    ratio = percentile([one / other for one, other in zip(seconds["ours"], seconds["bare"], strict=True)], 0.5)
    peak = _measure_memory(populated, total)
    what, bare_time = f"{total:,} transitions, {BATCH:,} a batch", f"bare set-based SQL {bare_took:.2f} s"
    return [
        Figure("bulk", what, f"{took:.2f} s", "", **below(took * 100_000 / total, 10, " s")),
        Figure("bulk", "the same", f"{took:.2f} s", bare_time, **up_to(ratio, 1.75, " x")),
        Figure("bulk", "peak memory of a process that does it", f"{peak:.0f} MB", "", **below(peak, 300, " MB")),
    ]


def _time(step: Callable[[], None]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def _batches(customers: list[UUID], total: int) -> Iterator[tuple[list[UUID], str, str | None, int]]:
    """Customers of a batch, where to, why, and at which version they are: to and fro until ``total`` is reached."""
    done, version = 0, 1
    while True:
        for stage, reason in ((INTO_RISK, REASON), (OUT_OF_RISK, None)):
            for start in range(0, len(customers), BATCH):
                batch = customers[start : start + min(BATCH, total - done)]
                yield batch, stage, reason, version
                done += len(batch)
                if done >= total:
                    return
            version += 1


def apply_batches(tenant: TenantRef, customers: list[UUID], total: int) -> Iterator[Callable[[], None]]:
    """The batches of our side, each to be called."""
    actor = system_actor("bench")

    def move(batch: list[UUID], stage: str, reason: str | None) -> None:
        with tenant_context(tenant.id):
            outcomes = apply(
                Call(tenant, actor, "API", timezone.now()),
                [Change(customer_id=customer_id, stage=stage, reason_code=reason) for customer_id in batch],
            )
        assert all(outcome.moved for outcome in outcomes)

    for batch, stage, reason, _ in _batches(customers, total):
        yield lambda batch=batch, stage=stage, reason=reason: move(batch, stage, reason)  # type: ignore[misc]


def _bare_batches(
    execute: Callable[..., object], tenant: TenantRef, customers: list[UUID], total: int
) -> Iterator[Callable[[], None]]:
    for batch, stage, reason, version in _batches(customers, total):
        # Sorted like ours: it is a tenth faster.
        parameters = _parameters(tenant, "system:bench", sorted(batch), stage, reason, version)
        yield lambda parameters=parameters: execute(statements.move(), parameters)  # type: ignore[misc]


def _parameters(
    tenant: TenantRef, actor: str, customers: list[UUID], stage: str, reason: str | None, version: int
) -> dict[str, Any]:
    """What the writing statement needs to move customers that are all at the same version."""
    number = len(customers)
    return {
        "tenant_id": tenant.id,
        "changed_by": actor,
        "actor_kind": SYSTEM,
        "source": "API",
        "configuration_version": 1,
        "now": timezone.now(),
        "request_id": uuid7(),
        "customer_ids": plain_array(customers),
        "versions": plain_array([version] * number),
        "history_ids": plain_array(uuid7() for _ in customers),
        "to_stages": text_array([stage] * number),
        "reason_codes": sparse_text_array([reason] * number),
        "effective_at": "{}",
        "on_behalf_of": "{}",
        "request_ids": "{}",
        "event_ids": "{}",
        "depths": "{}",
        "notes": "{}",
        "headers": None,
    }


def _measure_memory(populated: Populated, total: int) -> float:
    """Megabytes at the peak of a process that does the work."""
    arguments = [sys.executable, "-m", "bench.memory", str(populated.tenant.id), populated.tenant.slug, str(total)]
    answer = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return float(answer.stdout)
