"""The same file again, an old one, a dry run: what is written and what is left alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from django.core.management import call_command

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import BillingFigures, Contact, Customer, EffectRun
from lifecycle.services.imports.importing import Import
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tests.factories import SAAS, TenantFactory
from tests.services.importing import contacts, customers, run, stages, write

FULL = (
    "id,name,industry,stage,reason,arr,currency,renewal date,open issues,csat,contact name,email,phone",
    "1,One,Energy,Active,,1200.50,EUR,2027-01-31,3,4.5,Ann,ann@one.example,+1 202 555 0100",
    "2,Two,Media,At-Risk,Low Engagement,,,,,,,,",
)


def test_the_same_file_again_changes_nothing(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "full.csv", *FULL)
    assert "2 created" in run(path, tenant)[1]
    with tenant_context(tenant.id):
        before = list(Customer.objects.order_by("id").values()), list(Contact.objects.values("id", "name"))
    status, out, _ = run(path, tenant)
    assert (status, "0 created, 0 changed, 2 unchanged, 0 rejected" in out) == (0, True)
    with tenant_context(tenant.id):
        assert (list(Customer.objects.order_by("id").values()), list(Contact.objects.values("id", "name"))) == before
        assert LifecycleHistory.objects.filter(tenant_id=tenant.id).count() == 2


def test_only_what_differs_is_written(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    changed = write(tmp_path / "again.csv", "id,arr,phone,email", "1,1300,+1 202 555 0199,ann@one.example", "2,,,")
    assert "0 created, 1 changed, 1 unchanged" in run(changed, tenant)[1]
    assert contacts(tenant, "1") == [("Ann", "ann@one.example", "+1 202 555 0199", "")]
    with tenant_context(tenant.id):
        billing = BillingFigures.objects.get(tenant_id=tenant.id)
    assert (billing.arr, billing.currency) == (Decimal("1300.00"), "EUR")


def test_another_person_is_added_to_the_contacts(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    run(write(tmp_path / "more.csv", "id,contact name,email", "1,Ben,ben@one.example"), tenant)
    assert [name for name, *_ in contacts(tenant, "1")] == ["Ann", "Ben"]


def test_a_known_customer_is_never_moved(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    status, out, _ = run(write(tmp_path / "moved.csv", "id,stage", "1,Prospect"), tenant)
    assert (status, "1 unchanged" in out) == (0, True)
    assert stages(tenant)["1"] == "Active"
    assert run(write(tmp_path / "odd.csv", "id,stage", "1,Zombie"), tenant)[0] == 1


def test_an_old_export_does_not_overwrite_what_is_newer(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "full.csv", *FULL), tenant)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    old = write(tmp_path / "old.csv", "id,name,segment", "1,Old name,Enterprise")
    assert run(old, tenant, "--as-of", yesterday)[0] == 0
    with tenant_context(tenant.id):
        assert Customer.objects.values_list("name", "segment").get(external_id="1") == ("One", "Enterprise")


def test_a_dry_run_judges_everything_and_writes_nothing(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie", "2,Two,Active")
    status, out, _ = run(path, tenant, "--dry-run")
    assert status == 1
    assert "nothing written; 1 created, 0 changed, 0 unchanged, 1 rejected" in out
    assert customers(tenant) == {}


@pytest.mark.parametrize(
    ("options", "advice"),
    [(["--dry-run"], "Run it again."), ([], "Run it again: imported lines are skipped.")],
)
def test_a_command_that_fails_in_the_middle_says_that_lines_are_skipped_only_where_any_was_imported(
    tenant: TenantRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], advice: str
) -> None:
    original = Import._commit

    def fail_later(self: Import, *arguments: Any) -> None:
        if self.counts.line:
            raise RuntimeError("an error in the program")
        original(self, *arguments)

    monkeypatch.setattr(Import, "_commit", fail_later)
    path = write(tmp_path / "a.csv", "id,name", "1,One", "2,Two")
    errors = StringIO()
    with pytest.raises(RuntimeError):
        call_command(
            "import_customers", str(path), "--tenant", tenant.slug, "--batch-size", "1", *options,
            stdout=StringIO(), stderr=errors,
        )  # fmt: skip
    assert errors.getvalue().splitlines()[-1] == f"Failed after line 2. {advice}"


def test_a_new_customer_without_stage_begins_at_the_initial_one(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "a.csv", "id,name", "1,One"), tenant)
    with tenant_context(tenant.id):
        row = LifecycleHistory.objects.get(tenant_id=tenant.id)
    assert (row.to_stage, row.source, row.changed_by, row.event_id) == (
        "Prospect",
        "Import",
        "system:import_customers",
        "a.csv:2",
    )


def test_an_import_is_noted_in_the_administration_log(tenant: TenantRef, tmp_path: Path) -> None:
    run(write(tmp_path / "a.csv", "id,name,stage", "1,One,Zombie", "2,Two,Active"), tenant)
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(tenant_id=tenant.id, action="import_customers")
    assert (entry.subject, entry.actor) == ("a.csv", "system:import_customers")
    assert entry.detail == {"lines": 2, "created": 1, "changed": 0, "unchanged": 0, "rejected": 1}


def test_small_batches_give_the_same_as_one_large(tenant: TenantRef, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,name", *(f"{number},Company {number}" for number in range(25)), "3,Twice")
    status, out, _ = run(path, tenant, "--batch-size", "4")
    assert (status, "25 created" in out) == (1, True)
    assert len(customers(tenant)) == 25


def test_an_import_starts_effects_only_when_it_is_asked_to(db: None, tmp_path: Path) -> None:
    effect = {"name": "Forecast", "on": "enter", "stages": ["Live"], "kind": "forecast", "sources": ["Import"]}
    tenant = TenantFactory(configuration={**SAAS, "effects": [effect]})
    assert run(write(tmp_path / "a.csv", "id,name,stage", "1,One,Live"), tenant)[0] == 0
    assert (
        run(write(tmp_path / "b.csv", "id,name,stage", "2,Two,Live", "1,One,Live"), tenant, "--start-effects")[0] == 0
    )
    with tenant_context(tenant.id):
        started = EffectRun.objects.filter(tenant_id=tenant.id).values_list("customer_id", flat=True)
        assert list(started) == [Customer.objects.get(external_id="2").id]


@pytest.mark.parametrize("options", [[], ["--batch-size", "1"], ["--dry-run"], ["--dry-run", "--batch-size", "1"]])
@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_second_line_of_a_customer_is_rejected_with_the_number_of_the_first(
    tenant: Any, tmp_path: Path, name: str, options: list[str]
) -> None:
    lines = {
        "a.csv": ["id,name", "C-1,First", "C-2,Other", "C-1 ,Second"],
        "a.ndjson": ['{"id": "C-1", "name": "First"}', '{"id": "C-2"}', '{"id": "C-1 ", "name": "Second"}'],
    }[name]
    code, _, sentence = run(write(tmp_path / name, *lines), tenant, *options)
    assert (code, sentence) == (1, "1 of 3 lines were rejected.")
    first = 2 if name == "a.csv" else 1
    rejected = (tmp_path / name.replace("a.", "a.rejected.")).read_text()
    assert f"Line {first} names the same customer" in rejected
    assert customers(tenant) == ({} if "--dry-run" in options else {"C-1": "First", "C-2": ANY})


def test_an_id_that_is_repeated_in_every_line_takes_the_first_and_says_so_of_the_others(
    tenant: Any, tmp_path: Path
) -> None:
    lines = [f'{{"id": "C-1", "name": "Name {number}"}}' for number in range(300)]
    assert run(write(tmp_path / "a.ndjson", *lines), tenant)[2] == "299 of 300 lines were rejected."
    assert customers(tenant) == {"C-1": "Name 0"}
