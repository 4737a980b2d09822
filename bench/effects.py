"""What stage changes start: the writers beside a long queue, and one worker that delivers it to a local endpoint.

The endpoint is a process of its own that answers at once over TLS; twenty others take the connection and say nothing.
"""

import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.measuring import take_turns
from bench.peers.models import INTO_RISK, OUT_OF_RISK
from bench.population import Populated, connect_as_administrator, populate, settle
from bench.processes import await_that, free_port, started
from bench.receiver import ADDRESS
from bench.report import Figure, at_least, up_to
from bench.single import REASON
from bench.world import read_size
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.demo.scenarios import ACME_DOCUMENT
from lifecycle.services.effects.endpoints import create_endpoint
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context

ENDPOINTS = 10
HANGING = 20
LEAST_RATE = 600
# What a queue of 100,000 may cost those who write, and what hanging endpoints may cost the others.
LEAST_OF_EMPTY = 0.9
LEAST_BESIDE_HANGING = 0.8
MOST_GROWTH = 1.1
BATCH = 5_000
ACTOR = system_actor("bench")


def measure(populated: Populated) -> list[Figure]:
    """Rates of writers and worker, and the worker's memory."""
    total = read_size("BENCH_EFFECTS", 100_000)
    seconds = read_size("BENCH_SECONDS", 20)
    others, hanging = (populate(f"bench-effects-{name}", 2_000) for name in ("others", "hanging"))
    with _endpoint() as (url, certificate):
        _configure(populated.tenant, [f"{url}/{number}" for number in range(ENDPOINTS)])
        _configure(others.tenant, [f"{url}/other"])
        _configure(hanging.tenant, [f"{url}/hang/{number}" for number in range(HANGING)])
        _settle()
        empty = _measure_writers(others)
        statements = _count_statements(others)
        _drop_queue()
        queued = _queue(populated, total, ENDPOINTS)
        # As for the empty queue: what autovacuum does after so many rows is not what writers cost.
        _settle()
        full = _measure_writers(others)
        beside_queue = _count_statements(others)
        _drop_queue(others.tenant)
        with started(sys.executable, "manage.py", "run_effects", SSL_CERT_FILE=str(certificate)) as worker:
            await_that(lambda: _count_done() > 0, worker, seconds=30)
            alone = _rate(seconds)
            memory = _memory(worker.pid)
            _queue(hanging, HANGING * 100, HANGING)
            time.sleep(1)
            beside = _rate(seconds)
            grown = _memory(worker.pid) / memory
        _drop_queue()
        _settle()
        again = _measure_writers(others)
    nothing = (empty + again) / 2
    return [
        Figure(
            "effects",
            f"changes that start an effect, {queued:,} waiting",
            f"{full:,.0f}/s",
            f"beside an empty queue {empty:,.0f} and {again:,.0f}/s; {beside_queue} and {statements} statements each",
            **at_least(full / nothing, LEAST_OF_EMPTY, " x"),
        ),
        Figure(
            "effects", f"webhooks of one worker to {ENDPOINTS} endpoints", "", "", **at_least(alone, LEAST_RATE, "/s")
        ),
        Figure(
            "effects",
            f"the same beside {HANGING} endpoints that hang",
            f"{beside:,.0f}/s",
            f"without them {alone:,.0f}/s",
            **at_least(beside / alone, LEAST_BESIDE_HANGING, " x"),
        ),
        Figure(
            "effects",
            "memory of the worker",
            f"{memory * grown:.0f} MB",
            f"after {seconds} s {memory:.0f} MB",
            **up_to(grown, MOST_GROWTH, " x"),
        ),
    ]


@contextmanager
def _endpoint() -> Iterator[tuple[str, Path]]:
    """The address of the endpoint, and the file with its certificate."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        started(sys.executable, "-m", "bench.receiver", str(port), folder) as receiver,
    ):

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((ADDRESS, port)) == 0

        await_that(listens, receiver, seconds=20)
        yield f"https://{ADDRESS}:{port}", Path(folder) / "receiver.pem"


def _configure(tenant: TenantRef, urls: list[str]) -> None:
    effect = {"name": "Post", "on": "enter", "stages": [INTO_RISK], "kind": "webhook", "to": urls}
    now = timezone.now()
    with tenant_context(tenant.id):
        for number, url in enumerate(urls):
            create_endpoint(f"endpoint {number}", url, tenant=tenant, actor=ACTOR, now=now)
        publish_configuration({**ACME_DOCUMENT, "effects": [effect]}, tenant=tenant, actor=ACTOR, now=now)


def _measure_writers(populated: Populated) -> float:
    """Changes a second, one a transaction; each second one starts an effect."""
    tenant = populated.tenant
    customers = iter(populated.customers[OUT_OF_RISK] * 1_000)

    def to_and_fro() -> None:
        customer_id = next(customers)
        for stage, reason in ((INTO_RISK, REASON), (OUT_OF_RISK, "")):
            _move(tenant, [customer_id], stage, reason)

    rates = take_turns({"ours": to_and_fro}, rounds=5, seconds=read_size("BENCH_SLICE_MS", 1500) / 1000)
    return 2 * rates.median("ours")


def _count_statements(populated: Populated) -> int:
    """Of one change that starts an effect, which is taken back."""
    customer_id = populated.customers[OUT_OF_RISK][0]
    with CaptureQueriesContext(connections["default"]) as captured:
        _move(populated.tenant, [customer_id], INTO_RISK, REASON)
    _move(populated.tenant, [customer_id], OUT_OF_RISK, "")
    return len(captured)


def _settle() -> None:
    settle()
    with connect_as_administrator() as administrator:
        administrator.execute("VACUUM (ANALYZE) lifecycle_effect")


def _move(tenant: TenantRef, customers: list[UUID], stage: str, reason: str) -> None:
    call = Call(tenant, ACTOR, "API", timezone.now(), starts_effects=True)
    with tenant_context(tenant.id):
        apply(call, [Change(customer_id, stage, reason) for customer_id in customers])


def _queue(populated: Populated, total: int, each: int) -> int:
    """Move customers, each starting ``each`` effects, until ``total`` wait; how many do."""
    customers = populated.customers[OUT_OF_RISK]
    count = min(len(customers), total // each)
    for start in range(0, count, BATCH):
        _move(populated.tenant, customers[start : min(start + BATCH, count)], INTO_RISK, REASON)
    return count * each


def _rate(seconds: float) -> float:
    """Webhooks delivered a second, over so long."""
    first, begin = _count_done(), time.monotonic()
    time.sleep(seconds)
    return (_count_done() - first) / (time.monotonic() - begin)


def _count_done() -> int:
    with connect_as_administrator() as administrator:
        (count,) = administrator.execute("SELECT count(*) FROM lifecycle_effect WHERE state = 'done'").fetchone() or (
            0,
        )
        return int(str(count))


def _drop_queue(tenant: TenantRef | None = None) -> None:
    """Remove a tenant's effects, or all."""
    with connect_as_administrator() as administrator:
        if tenant is None:
            administrator.execute("TRUNCATE lifecycle_effect")
        else:
            administrator.execute("DELETE FROM lifecycle_effect WHERE tenant_id = %s", [tenant.id])
        administrator.execute("VACUUM (ANALYZE) lifecycle_effect")


def _memory(pid: int) -> float:
    """Megabytes in memory now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(pid)
