"""After a bulk load the planner knows how many customers there are."""

import pytest
from django.core.management import call_command
from django.db import connection

from lifecycle.services.customers.statistics import TABLES, refresh_statistics


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
