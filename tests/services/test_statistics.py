"""After a bulk load the planner knows how many customers there are."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from uuid_utils.compat import uuid7

from lifecycle.management.commands import load_demo
from lifecycle.services.customers.statistics import TABLES, refresh_statistics
from lifecycle.services.demo import loading, scenarios
from tests.services.demos import load, tenant_called, with_slug


def analyzed() -> dict[str, object]:
    with connection.cursor() as cursor:
        # Counters come from another process, with a delay; the estimate is in the catalogue at once.
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relname = ANY(%s)", [list(TABLES)])
        return dict(cursor.fetchall())


def test_the_application_may_refresh_statistics_of_customers(customer: object) -> None:
    refresh_statistics()
    assert all(rows >= 0 for rows in analyzed().values()), "-1: never analyzed"  # type: ignore[operator]
    assert analyzed()["lifecycle_customer"] >= 1  # type: ignore[operator]
    assert {"lifecycle_figurechange", "lifecycle_note", "lifecycle_task"} <= analyzed().keys()


@pytest.mark.parametrize("lines", [999, 1200])
def test_a_large_import_ends_with_fresh_statistics(tenant, tmp_path, monkeypatch, lines) -> None:
    done = []
    monkeypatch.setattr("lifecycle.services.imports.importing.refresh_statistics", lambda: done.append(1))
    file = tmp_path / "customers.csv"
    file.write_text("external_id,name\n" + "".join(f"S-{n},Company {n}\n" for n in range(lines)))
    call_command("import_customers", str(file), "--tenant", tenant.slug)
    assert done == ([1] if lines >= 1000 else [])


@pytest.mark.parametrize("customers", [39, 40])
def test_a_large_load_of_the_demo_ends_with_fresh_statistics(db: None, monkeypatch, customers) -> None:
    scenario = with_slug(scenarios.GLOBEX, f"s-{uuid7().hex[-12:]}")
    loaded = []
    monkeypatch.setattr(load_demo, "SCENARIOS", (scenario,))
    assert load_demo.LARGE_LOAD == 1000, "as of an import: the test above"
    monkeypatch.setattr(load_demo, "LARGE_LOAD", 40)
    monkeypatch.setattr(load_demo, "refresh_statistics", lambda: loaded.append(count(scenario.slug)))
    for _ in range(2):
        load("--customers", str(customers))
    assert count(scenario.slug) == customers
    assert loaded == ([40] if customers == 40 else []), "once, when all are there"


def test_the_planner_hears_of_the_first_thousand_while_the_demo_is_loaded(db: None, monkeypatch) -> None:
    """Planned on an empty table, each move of a few customers would go through all of their tenant's."""
    scenario = with_slug(scenarios.GLOBEX, f"s-{uuid7().hex[-12:]}")
    now = timezone.now()
    tenant, cast = loading.prepare_tenant(scenario, now=now)
    analyzed_at = []
    monkeypatch.setattr(loading, "BATCH", 10)
    monkeypatch.setattr(loading, "AT_ONCE", 1)
    monkeypatch.setattr(loading, "LARGE_LOAD", 20)
    monkeypatch.setattr(loading, "refresh_statistics", lambda: analyzed_at.append(count(scenario.slug)))
    list(loading.load_customers(scenario, 20, tenant=tenant, cast=cast, now=now))
    assert analyzed_at == [], "the last batch: who loads does it when all are there"
    list(loading.load_customers(scenario, 50, tenant=tenant, cast=cast, now=now))
    assert len(analyzed_at) == 1
    assert 20 <= analyzed_at[0] < 50


def count(slug: str) -> int:
    return loading.count_customers(tenant_called(slug))
