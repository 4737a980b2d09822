"""The demo's customers, loaded by ``manage.py load_demo`` as ``make demo`` does, and the lists right after it.

Nothing has been vacuumed or analyzed by hand then: the first page of each list is read as the first visitor reads it.
"""

import os
import subprocess
import sys
import time

from django.utils import timezone

from bench.lists import PAGE, QUERIES
from bench.population import Populated
from bench.report import Figure, below
from bench.world import CannotMeasure, read_size
from lifecycle.queries.listing import ListQuery, list_customers
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tenants.services.directory import find_tenant

MOST_SECONDS, MOST_MILLISECONDS = 40.0, 100.0


def measure(_: Populated) -> list[Figure]:
    """Seconds of the load, and milliseconds of each list's first page."""
    customers = read_size("BENCH_CUSTOMERS", 50_000)
    begin = time.perf_counter()
    command = [sys.executable, "manage.py", "load_demo", "--customers", str(customers)]
    done = subprocess.run(command, env=os.environ | {"DEBUG": "true"}, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise CannotMeasure(f"load_demo ended with status {done.returncode}: {done.stderr[-500:]}")
    pages = {what: _read_first_page(query) for what, query in QUERIES}
    slowest = max(pages, key=pages.__getitem__)
    return [
        Figure(
            "demo",
            f"{customers:,} customers by load_demo",
            f"{seconds:.1f} s",
            "",
            **below(seconds * 50_000 / customers, MOST_SECONDS, " s"),
        ),
        Figure(
            "demo",
            "first page of each list right after it",
            f"slowest: {slowest}",
            "",
            **below(pages[slowest], MOST_MILLISECONDS, " ms"),
        ),
    ]


def _read_first_page(query: dict[str, object]) -> float:
    tenant = find_tenant("acme")
    if tenant is None:
        raise CannotMeasure("load_demo has made no tenant acme.")
    with tenant_context(tenant.id):
        policy = live_policy(tenant.id)
        begin = time.perf_counter()
        list_customers(ListQuery(**query, limit=PAGE), tenant=tenant, policy=policy, now=timezone.now())  # type: ignore[arg-type]
        return (time.perf_counter() - begin) * 1000
