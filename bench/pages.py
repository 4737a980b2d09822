"""The pages that people open, over HTTP, on a large tenant: warm, and right after a bulk load; and files of the list.

A page's time is the server's, from the request to the last byte of the answer on this machine. Statements are counted
in this process, on the same rows.
"""

import datetime as dt
import http.client
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.measuring import percentile
from bench.population import Populated, connect_as_administrator, populate, settle
from bench.processes import READY_WITHIN, await_that, fetch, free_port, started
from bench.report import Figure, below, up_to
from bench.world import read_size
from lifecycle.models import Customer
from lifecycle.services.customers.statistics import refresh_statistics
from lifecycle.services.work.kept_revenue import PAST_MONTHS
from lifecycle.services.work.renewals import Month, measure_retention, months_before
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.roles import Role
from tenants.services.accounts.people import create_user
from tenants.services.configuration.policies import live_policy

MOST_MILLISECONDS = 100.0
# The first page after a load, which no one has asked for yet: nothing is compiled, cached or in memory.
MOST_OF_THE_FIRST = 3000.0
MOST_STATEMENTS = 15
MOST_MEGABYTES = 64.0
# A page beside an export may take so many times what it takes alone, at the median.
MOST_SLOWER = 2.0
PAGES = {
    "home": "/",
    "customers": "/customers",
    "customers, one view": "/customers?category=risk",
    "customers by health": "/customers?ordering=health",
    "customers with conditions": "/customers?where=health%3C%3D60+and+not+stage%3AChurned&ordering=-arr",
    "search as typed": "/customers?search=energy",
    "search of three letters": "/customers?search=for",
    "search with a typo": "/customers?search=norhtern+forge",
    "search of a common word with a typo": "/customers?search=logstics",
    "search by id": "/customers?search=cust-0000042",
    "search by id with a typo": "/customers?search=cust-000004x",
    "palette": "/palette?q=northern",
    "board": "/board",
    "renewals": "/renewals",
    "tasks": "/tasks",
    "notifications": "/notifications",
    "customer": "/customers/{customer}",
    "timeline": "/customers/{customer}/timeline",
    "notes": "/customers/{customer}/notes",
    "handover": "/customers/{customer}/handover",
    "change of stage": "/customers/{customer}/move",
}
# What Billing reported a year ago and this month, for what past months have kept.
REPORTS = """
INSERT INTO lifecycle_figurechange (id, tenant_id, customer_id, effective_at, recorded_at, source, figures)
SELECT uuidv7(), tenant_id, customer_id, at, at, '/billing',
       jsonb_build_object('billing.arr', (arr * share)::int::text, 'billing.renewal_on', renewal_on + later,
                          'billing.contract_ends_on', renewal_on + later)
  FROM lifecycle_billingfigures,
       (VALUES (now() - interval '400 days', 0.9, -365), (now() - interval '20 days', 1.0, 0)) AS r(at, share, later)
 WHERE tenant_id = %s
"""


def measure(populated: Populated) -> list[Figure]:
    """Times and statements of every page, warm and after a load; what past months kept; exports."""
    _report(populated)
    settle()
    times = read_size("BENCH_PAGES", 60)
    with collected_files():
        return _measure(populated, times)


@contextmanager
def collected_files() -> Iterator[None]:
    """Pages name their style sheets by what is in them, also those of processes that are started here."""
    with TemporaryDirectory() as folder, override_settings(STATIC_ROOT=Path(folder)):
        call_command("collectstatic", interactive=False, verbosity=0)
        os.environ["STATIC_ROOT"] = folder
        yield


def _measure(populated: Populated, times: int) -> list[Figure]:
    with served() as server:
        figures = _measure_pages(server, populated, times, "")
        figures += _measure_exports(server, populated)
    fresh = populate("bench-fresh", sum(map(len, populated.customers.values())))
    _report(fresh)
    with tenant_context(fresh.tenant.id):
        # What each of the product's own loads ends with.
        refresh_statistics()
    with served() as server:
        figures += _measure_pages(server, fresh, times, "right after a load: ")
    return [*figures, _measure_retention(populated)]


def _report(populated: Populated) -> None:
    with connect_as_administrator() as administrator:
        administrator.execute(REPORTS, [populated.tenant.id])


def _measure_pages(server: "Server", populated: Populated, times: int, when: str) -> list[Figure]:
    client, cookie = log_in(populated.tenant)
    with tenant_context(populated.tenant.id):
        customer = Customer.objects.filter(external_id="CUST-0000042").values_list("id", flat=True).get()
    figures = []
    paths = {name: address.format(customer=customer) for name, address in PAGES.items()}
    # Of each page, before anything else has asked for it: what the first person after a load waits.
    firsts = {name: server.get(path, cookie) for name, path in paths.items()}
    for name, path in paths.items():
        first = firsts[name]
        client.get(path)
        taken = [server.get(path, cookie) for _ in range(times)]
        with CaptureQueriesContext(connection) as statements:
            client.get(path)
        figures += [
            Figure(
                "pages",
                f"{when}{name}",
                f"p50 {percentile(taken, 0.5):.0f} ms",
                f"the first {first:.0f} ms",
                **below(percentile(taken, 0.99), MOST_MILLISECONDS, " ms"),
            ),
        ]
        if when:
            judged = below(first, MOST_OF_THE_FIRST, " ms")
            figures.append(Figure("pages", f"{when}{name}: the first", "", **judged))
        else:
            figures.append(Figure("pages", f"{name}: statements", "", **below(len(statements), MOST_STATEMENTS)))
    return figures


def log_in(tenant: TenantRef) -> tuple[Client, str]:
    """A browser in which an account manager is logged in, and its cookie for the server."""
    username, now = f"pages-{uuid4().hex[:8]}@{tenant.slug}.example", timezone.now()
    user = create_user(username=username, password=None, role=Role.ACCOUNT_MANAGER, tenant=tenant, now=now)
    client = Client(headers={"host": "127.0.0.1", "x-forwarded-proto": "https"})
    client.force_login(user, backend="tenants.backends.TenantBackend")
    name = settings.SESSION_COOKIE_NAME
    return client, f"{name}={client.cookies[name].value}"


def _measure_exports(server: "Server", populated: Populated) -> list[Figure]:
    """Each kind of file, with what it takes of memory and of the time of a page that is open beside it."""
    _client, cookie = log_in(populated.tenant)
    alone = [server.get("/customers", cookie) for _ in range(60)]
    figures = []
    for kind, more in (("csv", ""), ("xlsx", ""), ("csv", "&contacts=1")):
        before, sampled, beside = server.resident(), [0.0], list[float]()
        over = threading.Event()

        def watch(sampled: list[float] = sampled, over: threading.Event = over) -> None:
            while not over.wait(0.02):
                sampled.append(server.resident())

        def look(beside: list[float] = beside, over: threading.Event = over) -> None:
            while not over.is_set():
                beside.append(server.get("/customers", cookie))

        threads = [threading.Thread(target=run, daemon=True) for run in (watch, look)]
        for thread in threads:
            thread.start()
        begin = time.perf_counter()
        size = server.read(f"/customers/export.{kind}?ordering=name{more}", cookie)
        seconds = time.perf_counter() - begin
        over.set()
        for thread in threads:
            thread.join(20)
        what = f"export of all as {kind.upper()}{' with contacts' if more else ''}"
        grown = max(sampled) - before
        shown = f"{seconds:.1f} s, {size / 1e6:.1f} MB"
        ratio = percentile(beside, 0.5) / percentile(alone, 0.5)
        figures += [
            Figure("pages", f"{what}: memory", shown, **below(grown, MOST_MEGABYTES, " MB")),
            Figure(
                "pages",
                f"{what}: a page beside it",
                f"p50 {percentile(beside, 0.5):.0f}, p99 {percentile(beside, 0.99):.0f} ms",
                f"alone p50 {percentile(alone, 0.5):.0f}, p99 {percentile(alone, 0.99):.0f} ms",
                **up_to(ratio, MOST_SLOWER, " x"),
            ),
        ]
    return figures


def _measure_retention(populated: Populated) -> Figure:
    """What past months have kept, as the page reads it once an hour."""
    tenant, today = populated.tenant, dt.date.today()  # noqa: DTZ011  a month, whichever
    months = months_before(Month(today.year, today.month), PAST_MONTHS)
    taken = []
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        for _ in range(5):
            begin = time.perf_counter()
            measure_retention(months, tenant=tenant, policy=policy)
            taken.append((time.perf_counter() - begin) * 1000)
    return Figure("pages", "revenue that past months kept, not cached", f"p50 {percentile(taken, 0.5):.0f} ms")


class Server:
    """The product as it is served, with one worker, so that its memory is that of the pages."""

    def __init__(self, port: int, pid: int) -> None:
        self._port, self._pid = port, pid

    def get(self, path: str, cookie: str) -> float:
        """Milliseconds until the last byte of the page."""
        begin = time.perf_counter()
        self.read(path, cookie)
        return (time.perf_counter() - begin) * 1000

    def read(self, path: str, cookie: str) -> int:
        """The length of what is answered."""
        opened = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        try:
            headers: dict[str, Any] = {"Cookie": cookie, "X-Forwarded-Proto": "https", "Host": "127.0.0.1"}
            opened.request("GET", path, headers=headers)
            response, length = opened.getresponse(), 0
            while part := response.read(1 << 20):
                length += len(part)
        finally:
            opened.close()
        if response.status != 200:
            raise ValueError(f"{path} answered {response.status}")
        return length

    def resident(self) -> float:
        """Megabytes that the server's processes hold."""
        pids, found = [self._pid], 0.0
        for pid in pids:
            folder = Path(f"/proc/{pid}")
            try:
                found += int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
                for task in (folder / "task").iterdir():
                    pids += map(int, (task / "children").read_text().split())
            except OSError:
                continue
        return found


@contextmanager
def served() -> Iterator[Server]:
    """The server of the pages, for as long as it is asked."""
    port = free_port()
    sizes = {"WEB_WORKERS": "1", "WEB_THREADS": "2", "LOG_LEVEL": "INFO"}
    with started(sys.executable, "-m", "config.serve", "web", "--port", str(port), **sizes) as process:
        await_that(lambda: bool(fetch(port, "/healthz/live")), process, seconds=READY_WITHIN)
        yield Server(port, process.pid)
