"""After a bulk load the planner knows how many customers there are."""

import pytest
from django.core.management import call_command
from django.db import connection
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


@pytest.mark.parametrize("customers", [999, 1000])
def test_a_large_load_of_the_demo_ends_with_fresh_statistics(db: None, monkeypatch, customers) -> None:
    scenario = with_slug(scenarios.GLOBEX, f"s-{uuid7().hex[-12:]}")
    loaded = []
    monkeypatch.setattr(load_demo, "SCENARIOS", (scenario,))
    monkeypatch.setattr(load_demo, "refresh_statistics", lambda: loaded.append(count(scenario.slug)))
    for _ in range(2):
        load("--customers", str(customers))
    assert count(scenario.slug) == customers
    assert loaded == ([1000] if customers == 1000 else []), "once, when all are there"


def count(slug: str) -> int:
    return loading.count_customers(tenant_called(slug))
