"""What grows with customers and history: times on a large database, sizes a row, the log that a change writes.

BENCH_SCALE_TENANTS times BENCH_SCALE_CUSTOMERS customers with BENCH_SCALE_HISTORY rows each are built (``building``);
what is measured then goes the product's own way, on one tenant among them. ``docs/scale.md`` says what follows.
"""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final

from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone
from psycopg.sql import SQL, Identifier

from bench.building import build_tenants
from bench.events import Watch, watch_consumer
from bench.measuring import percentile
from bench.pages import collected_files, log_in
from bench.peers.models import OUT_OF_RISK
from bench.population import DOCUMENT, Populated, connect_as_administrator
from bench.report import Figure, below
from bench.single import apply_operation
from bench.world import read_size
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.services.configuration.publication import publish_configuration
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import Role
from tenants.services.accounts.people import create_user

PAGES: Final = {
    "list page": "/customers",
    "list page, searched": "/customers?search=northern",
    "list page by name": "/customers?ordering=name",
    "customer page": "/customers/{customer}",
}
LOOKS: Final = 30
CHANGES: Final = 500
INBOX: Final = "lifecycle_inboxevent"
# A quarter of a second in which a period ends is no one's to notice; the consumer's batches take about a tenth.
LONGEST_PAUSE: Final = 2.0
TABLES: Final = (
    "lifecycle_customer",
    "lifecycle_billingfigures",
    "lifecycle_supportfigures",
    "customer_lifecycle_status",
    "customer_lifecycle_history",
    "audit_sealed_row",
    "lifecycle_inboxevent",
    "audit_outbox",
)
SIZES: Final = """
SELECT sum(pg_table_size(relid)), sum(pg_indexes_size(relid))
  FROM (SELECT relid FROM pg_partition_tree(%(table)s) WHERE isleaf UNION SELECT %(table)s::regclass) AS parts
"""
OLD_EVENTS: Final = """
INSERT INTO lifecycle_inboxevent (tenant_id, source, event_id, type, outcome, received_at)
SELECT %s, '/bench', gen_random_uuid(), 'customer.updated', 'applied', now() FROM generate_series(1, %s)
"""


def measure(_populated: Populated) -> list[Figure]:
    """Build, then pages, changes, events, publication, seals, verification, vacuum, forgetting, sizes."""
    tenants, customers, rows = (
        read_size(name, usual)
        for name, usual in (("BENCH_SCALE_TENANTS", 3), ("BENCH_SCALE_CUSTOMERS", 2000), ("BENCH_SCALE_HISTORY", 10))
    )
    begin, built = time.perf_counter(), []
    for tenant in build_tenants(tenants, customers=customers, rows=rows):
        built.append(tenant)
        print(f"bench: scale: {len(built)} of {tenants} tenants", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - begin
    total = tenants * customers
    size = f"{total:,} customers of {tenants:,} tenants, {total * rows:,} rows of history"
    figures = [_figure(f"built: {size}", f"{seconds:.0f} s", f"{total * rows / seconds:,.0f} rows/s")]
    figures += _vacuum()
    tenant = built[tenants // 2]
    with collected_files():
        figures += _look_at_pages(tenant)
    figures += _change(tenant)
    figures += _hear_and_forget(tenant, range(1, customers))
    figures += _publish_seal_verify(tenant, customers, rows)
    return figures + _weigh()


def _figure(what: str, value: str, beside: str = "", **judged: Any) -> Figure:
    return Figure("scale", what, value, beside, **judged)


def _vacuum() -> list[Figure]:
    figures = []
    with connect_as_administrator() as administrator:
        for table in ("lifecycle_customer", "customer_lifecycle_status", "customer_lifecycle_history"):
            vacuum = SQL("VACUUM (ANALYZE) {}").format(Identifier(table))
            seconds = _time(partial(administrator.execute, vacuum))
            figures.append(_figure(f"vacuum of {table}, the first", f"{seconds:.1f} s"))
        administrator.execute("CHECKPOINT")
    return figures


def _time(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


class _Processor:
    """Milliseconds of processor time that this process and its sessions in PostgreSQL have spent since it was made:
    on a machine that does other things too they say more than the time that passed.
    """

    def __init__(self) -> None:
        self._began = self._spent()

    def spent(self) -> float:
        """So far."""
        return (self._spent() - self._began) * 1000

    @staticmethod
    def _spent() -> float:
        seconds = time.process_time()
        for alias in ("default", "platform"):
            with connections[alias].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (pid,) = cursor.fetchone()
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return seconds


def _look_at_pages(tenant: TenantRef) -> list[Figure]:
    client, _cookie = log_in(tenant)
    with tenant_context(tenant.id):
        customer = Customer.objects.filter(external_id="CUST-0000042").values_list("id", flat=True).get()
    figures = []
    for name, address in PAGES.items():
        taken, processor = [], _Processor()
        for _ in range(LOOKS):
            begin = time.perf_counter()
            response = client.get(address.format(customer=customer))
            b"".join(response) if response.streaming else response.content
            taken.append((time.perf_counter() - begin) * 1000)
            if response.status_code != 200:
                raise ValueError(f"{address} answered {response.status_code}")
        beside = f"the first {taken[0]:.0f} ms; processor {processor.spent() / LOOKS:.0f} ms each"
        figures.append(_figure(name, f"p50 {percentile(taken, 0.5):.0f} ms", beside))
    return figures


def _change(tenant: TenantRef) -> list[Figure]:
    """One change a transaction, as PATCH makes it, of customers all over the tenant."""
    user = create_user(
        username="scale@bench.example", password=None, role=Role.ACCOUNT_MANAGER, tenant=tenant, now=timezone.now()
    )
    with tenant_context(tenant.id):
        active = CustomerLifecycleStatus.objects.filter(stage=OUT_OF_RISK).order_by("?")
        ids = list(active.values_list("customer_id", flat=True)[:CHANGES])
    move = apply_operation(tenant, user, ids)
    before, taken, processor = _log_position(), [], _Processor()
    for _ in ids:
        taken.append(_time(move) * 1000)
    spent, written = processor.spent() / len(ids), (_log_position() - before) / len(ids)
    return [
        _figure(
            "a change of stage, one a transaction",
            f"p50 {percentile(taken, 0.5):.1f} ms, p99 {percentile(taken, 0.99):.1f} ms",
            f"processor {spent:.1f} ms, write-ahead log {written:,.0f} bytes with full pages after a checkpoint",
        )
    ]


def _log_position() -> int:
    with connect_as_administrator() as administrator:
        (position,) = administrator.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone() or (0,)
        return int(str(position))


def _hear_and_forget(tenant: TenantRef, numbers: range) -> list[Figure]:
    """Events through a consumer; again, while a period begins and one with many events is dropped."""
    events, forgotten = read_size("BENCH_SCALE_EVENTS", 20_000), read_size("BENCH_SCALE_FORGOTTEN", 100_000)
    before = _log_position()
    alone = watch_consumer(tenant, numbers, events, seed=1)
    written = (_log_position() - before) / events
    with connect_as_administrator() as administrator:
        administrator.execute(OLD_EVENTS, [tenant.id, forgotten])
    taken: dict[str, float] = {}
    with ThreadPoolExecutor(1) as pool:
        hearing = pool.submit(_hear_in_thread, tenant, numbers, events)
        time.sleep(1)
        taken["begun"] = _time(partial(_as_owner, "SELECT begin_period(%s, clock_timestamp())", [INBOX]))
        taken["dropped"] = _time(partial(_as_owner, "SELECT drop_period(%s, clock_timestamp(), 1, '{}')", [INBOX]))
        beside = hearing.result()
    return [
        _figure("events through one consumer", f"{alone.rate():,.0f}/s", f"write-ahead log {written:,.0f} bytes each"),
        _figure(
            f"beside them a period begins, and {forgotten:,} events are forgotten",
            f"{taken['begun'] * 1000:.0f} ms, {taken['dropped'] * 1000:.0f} ms",
            f"the consumer {beside.rate():,.0f}/s, its longest batch {alone.longest():.2f} s before",
            **below(beside.longest(), LONGEST_PAUSE, " s"),
        ),
    ]


def _hear_in_thread(tenant: TenantRef, numbers: range, events: int) -> Watch:
    try:
        return watch_consumer(tenant, numbers, events, seed=2)
    finally:
        connections.close_all()


def _as_owner(statement: str, parameters: list[str]) -> None:
    """As the owner's functions do it, but that it waits until it has the table."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, parameters)


def _publish_seal_verify(tenant: TenantRef, customers: int, rows: int) -> list[Figure]:
    def publish() -> None:
        with tenant_context(tenant.id):
            document = {**DOCUMENT, "max_days": {"Onboarded": 31}}
            publish_configuration(document, tenant=tenant, actor=system_actor("bench"), now=timezone.now())

    count = customers * rows
    seconds, spent = {"publish": _time(publish)}, dict[str, float]()
    with override_settings(AUDIT_SIGNING_KEY=bytes(range(32))):
        for name in ("seal_audit", "verify_audit"):
            processor = _Processor()
            seconds[name] = _time(partial(call_command, name, "--tenant", tenant.slug, stdout=StringIO()))
            spent[name] = processor.spent() / 1000
    connection.close()
    return [
        _figure(f"publication before {customers:,} customers", f"{seconds['publish'] * 1000:.0f} ms"),
        *(
            _figure(
                f"{name} of {count:,} rows",
                f"{seconds[name]:.1f} s",
                f"processor {spent[name]:.1f} s: {count / spent[name]:,.0f} rows a second of it",
            )
            for name in ("seal_audit", "verify_audit")
        ),
    ]


def _weigh() -> list[Figure]:
    """Bytes a row of each table and its indexes."""
    figures = []
    with connect_as_administrator() as administrator:
        for table in TABLES:
            (count,) = administrator.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table))).fetchone() or (
                0,
            )
            heap, indexes = administrator.execute(SIZES, {"table": table}).fetchone() or (0, 0)
            number = max(int(str(count)), 1)
            figures.append(
                _figure(
                    f"{table}, {number:,} rows",
                    f"{int(str(heap)) / number:,.0f} bytes a row",
                    f"indexes {int(str(indexes)) / number:,.0f} bytes a row",
                )
            )
    return figures
