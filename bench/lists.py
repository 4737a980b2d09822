"""List pages in a table of all tenants' customers: every page of the whole list, in each order, from first to last."""

import time
from collections.abc import Iterator
from typing import Any

from django.utils import timezone

from bench.measuring import percentile
from bench.population import Populated, populate, settle
from bench.report import Figure, below
from bench.world import read_size
from lifecycle.queries.listing import ListQuery, list_customers
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy

PAGE = 50
MOST_MILLISECONDS = 30.0
# Enough pages of a walk to meet every depth; between the timed ones the walk takes larger steps.
TIMED_PAGES = 60
LARGEST = 200
WARM_UP = 6
QUERIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("newest change first", {"ordering": "-updated_at"}),
    ("one stage, newest first", {"ordering": "-updated_at", "filters": {"stage": ("Active",)}}),
    ("by name", {"ordering": "name"}),
    ("by revenue", {"ordering": "-arr"}),
    ("by renewal", {"ordering": "renewal_on"}),
    ("at risk, most urgent first", {"filters": {"category": "risk"}, "ordering": "-urgency"}),
    ("search of three letters", {"ordering": "-updated_at", "search": "for"}),
)


def measure(populated: Populated) -> list[Figure]:
    """The slowest usual page (99th percentile) of each walk, and the deepest."""
    tenants = read_size("BENCH_TENANTS", 20)
    size = sum(map(len, populated.customers.values()))
    for number in range(1, tenants):
        populate(f"bench-{number}", size)
    settle()
    figures = []
    for what, query in QUERIES:
        times, deepest = _walk(populated, query)
        figures.append(
            Figure(
                "lists",
                f"{what}: pages of {PAGE}, {size:,} customers of {size * tenants:,}",
                f"p50 {percentile(times, 0.5):.1f} ms",
                f"deepest {deepest:.1f} ms",
                **below(percentile(times, 0.99), MOST_MILLISECONDS, " ms"),
            )
        )
    return figures


def _walk(populated: Populated, query: dict[str, Any]) -> tuple[list[float], float]:
    """Milliseconds of pages at every depth, and of the last one."""
    times = []
    # A connection plans a statement again a few times and keeps it then.
    for _ in range(WARM_UP):
        _read(populated, query, None, PAGE)
    for cursor in _depths(populated, query):
        begin = time.perf_counter()
        _read(populated, query, cursor, PAGE)
        times.append((time.perf_counter() - begin) * 1000)
    return times, times[-1]


def _depths(populated: Populated, query: dict[str, Any]) -> Iterator[str | None]:
    cursor: str | None = None
    pages = 0
    total = sum(map(len, populated.customers.values()))
    stride = max(1, total // LARGEST // TIMED_PAGES)
    while True:
        if pages % stride == 0:
            yield cursor
        cursor = _read(populated, query, cursor, LARGEST)
        pages += 1
        if cursor is None:
            return


def _read(populated: Populated, query: dict[str, Any], cursor: str | None, limit: int) -> str | None:
    tenant = populated.tenant
    with tenant_context(tenant.id):
        page = list_customers(
            ListQuery(**query, cursor=cursor, limit=limit),
            tenant=tenant,
            policy=live_policy(tenant.id),
            now=timezone.now(),
        )
    next_cursor: str | None = page.next_cursor or None
    return next_cursor
