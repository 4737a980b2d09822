"""Uploaded files as workers read and import them: killed, stopped, erased, forgotten."""

from collections import Counter
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import OperationalError
from django.db.models import F
from django.test import Client

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import Customer, CustomerLifecycleStatus, ImportUpload
from lifecycle.services.compliance import key_rotation
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.retention import forget_old_uploads
from lifecycle.services.imports import uploads, working
from lifecycle.services.imports.importing import Import
from lifecycle.services.imports.working import UploadWorker
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import Role
from tests.admin.test_walk import browser
from tests.admin.uploads import (
    FILE,
    State,
    actions,
    fields_of,
    import_one_batch,
    later,
    many,
    parts,
    press,
    row,
    stages,
    text_of,
    upload,
    work,
)
from tests.factories import CustomerFactory, UserFactory, utc_now
from tests.services.test_encryption import dump_everything

# 30 customers; in line 11 one of them again, and another in the last.
LINES = many(9) + "C-3,Again\n" + many(30).removeprefix(many(9)) + "C-4,Too\n"


def test_only_one_of_two_people_starts_it(tenant: TenantRef, users: Any, admin_browser: Client) -> None:
    page = upload(admin_browser, FILE)
    form = {**fields_of(admin_browser.get(page)), "do": "import"}
    admin_browser.post(page, form)
    second = browser(UserFactory(tenant=tenant, role=Role.TENANT_ADMIN)).post(page, form)
    assert "The file is in another state than the page showed. Nothing was changed." in text_of(second)
    work()
    late = browser(users.tenant_admin).post(page, {**form, "do": "stop"})
    assert "just updated by someone else" in text_of(late)
    assert actions(tenant).count("begin_import") == actions(tenant).count("import_customers") == 1
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.count() == 3


def test_what_is_pressed_twice_leads_where_the_first_press_led(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said that someone else had been faster, or that nothing was changed."""
    page = upload(admin_browser, many(30))
    form = fields_of(admin_browser.get(page)) | {"as_of": "2026-03-31 18:00"}

    def press_twice(**pressed: str) -> None:
        assert [admin_browser.post(page, pressed).status_code for _ in range(2)] == [302, 302], pressed

    press_twice(**form, do="import")
    other = admin_browser.post(page, {**form, "do": "import", "field-1": ""})
    assert "Nothing was changed" in text_of(other), "other columns are another wish"
    no_date = admin_browser.post(page, {**form, "do": "import", "as_of": "tomorrow"})
    assert "Nothing was changed" in text_of(no_date)
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    UploadWorker().work()
    press_twice(revision=str(row(tenant).revision), do="stop")
    press_twice(revision=str(row(tenant).revision), do="go_on")
    press_twice(revision=str(row(tenant).revision), do="stop")
    press_twice(revision=str(row(tenant).revision), do="encoding", encoding="utf-8")
    work()
    press_twice(**fields_of(admin_browser.get(page)), do="check")
    begun = [name for name in actions(tenant) if name in ("begin_import", "check_import", "stop_import")]
    assert begun == ["begin_import", "stop_import", "begin_import", "stop_import", "check_import"]


def test_a_worker_that_is_killed_neither_loses_nor_doubles(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    content = many(35) + "C-3,Again\n" + "C-99,New\n"
    page = upload(admin_browser, content)
    press(admin_browser, page, "import")
    first = UploadWorker()
    first.work()
    first.work()
    assert (row(tenant).line, row(tenant).created) == (21, 20)
    second = UploadWorker()
    second.work()
    assert (row(tenant).worker, row(tenant).line) == (first.id, 21), "the first still has it"

    later(60, monkeypatch)
    work(second)
    first.work()
    done = row(tenant)
    assert (done.state, done.created, done.changed, done.unchanged, done.rejected) == (State.DONE, 36, 0, 0, 1)
    with tenant_context(tenant.id):
        assert Customer.objects.count() == LifecycleHistory.objects.count() == 36
        assert AdministrationEntry.objects.filter(action="import_customers").count() == 1
    assert "Line 5 names the same customer, “C-3”." in text_of(admin_browser.get(page))


def test_a_batch_that_cannot_be_noted_is_not_imported(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is so slow that another has taken over when it commits."""
    page = upload(admin_browser, many(30))
    first = import_one_batch(admin_browser, page, monkeypatch, of=10)
    with tenant_context(tenant.id):
        ImportUpload.objects.update(worker=uuid4())
    assert first.work() is True
    with tenant_context(tenant.id):
        assert Customer.objects.count() == row(tenant).created == 10


def test_a_database_that_is_away_is_no_fault_of_the_file(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(3))
    press(admin_browser, page, "import")

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("the connection is lost")

    with monkeypatch.context() as patch:
        patch.setattr(Import, "_commit", fail)
        with pytest.raises(OperationalError):
            UploadWorker().work()
    assert row(tenant).state == State.IMPORTING
    later(60, monkeypatch)
    work()
    assert (row(tenant).state, row(tenant).created) == (State.DONE, 3)


def test_an_internal_error_leaves_the_other_files_alone(
    tenant: TenantRef, other_users: Any, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(3))
    press(admin_browser, page, "import")
    other_page = upload(browser(other_users.tenant_admin), many(3), read=False)
    original = Import._commit

    def fail_for_one(self: Import, *arguments: Any) -> None:
        if self.tenant.id == tenant.id:
            raise RuntimeError("an error in the program")
        original(self, *arguments)

    monkeypatch.setattr(Import, "_commit", fail_for_one)
    work()
    assert "It failed because of an internal error; the log of the worker says why." in text_of(admin_browser.get(page))
    assert (row(tenant).state, stages(tenant)) == (State.READY, {})
    assert "external_id" in text_of(browser(other_users.tenant_admin).get(other_page))


def test_an_import_that_a_person_stops_keeps_its_counts_and_rejected_lines_and_goes_on(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, LINES)
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    progress = admin_browser.get(f"{page.removesuffix('change/')}progress")
    assert "9 created, 0 changed, 0 unchanged, 1 rejected so far." in text_of(progress)
    stopped = text_of(press(admin_browser, page, "stop"))
    assert "It was stopped after line 11. What was imported stays. It can go on behind that line." in stopped
    assert "Imported before it stopped 9 created 0 changed 0 unchanged 1 rejected" in stopped
    assert "11 Line 5 names the same customer, “C-3”." in stopped and "Download 1 rejected line" in stopped
    worker.work()
    assert len(stages(tenant)) == 9
    answer = admin_browser.get(f"{page.removesuffix('change/')}progress")
    assert answer.headers["HX-Refresh"] == "true"
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="stop_import")
    assert {key: entry.detail[key] for key in ("run", "line", "created", "rejected")} == {
        "run": "importing", "line": 11, "created": 9, "rejected": 1
    }  # fmt: skip

    assert "Begun" in text_of(press(admin_browser, page, "go_on"))
    work(worker)
    done = row(tenant)
    assert (done.state, done.created, done.unchanged, done.rejected) == (State.DONE, 30, 0, 2)
    assert len(stages(tenant)) == 30
    rejects = b"".join(admin_browser.get(f"{page.removesuffix('change/')}rejects").streaming_content).decode()
    assert "C-3,Again" in rejects and "C-4,Too" in rejects


def test_one_of_two_people_goes_on_with_an_import_and_no_one_who_may_not(
    tenant: TenantRef, users: Any, other_users: Any, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(30))
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    press(admin_browser, page, "stop")
    form = {**fields_of(admin_browser.get(page)), "do": "go_on"}
    for other in (users.viewer, users.account_manager, other_users.tenant_admin):
        assert browser(other).post(page, form).status_code in (302, 403, 404)
    for revision in ("", "0", "-1", "\x00", "9" * 9, "9" * 5000, "[1]"):
        assert "Nothing was changed" in text_of(admin_browser.post(page, {**form, "revision": revision})), revision
    assert (row(tenant).state, actions(tenant).count("begin_import")) == (State.READY, 1)
    assert "Begun" in text_of(admin_browser.post(page, form, follow=True))
    another = browser(UserFactory(tenant=tenant, role=Role.TENANT_ADMIN))
    assert "Nothing was changed" in text_of(another.post(page, form))
    work(worker)
    assert (row(tenant).state, row(tenant).created, len(stages(tenant))) == (State.DONE, 30, 30)
    assert actions(tenant).count("begin_import") == 2


def test_a_stopped_import_begins_again_with_other_columns_and_says_what_was_imported(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(30))
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    press(admin_browser, page, "stop")
    changed = text_of(press(admin_browser, page, "columns", as_of="2026-03-31 18:00"))
    assert "Imported before it stopped 10 created" in changed and "Go on with the import" not in changed
    refused = press(admin_browser, page, "go_on")
    assert "This import cannot go on where it stopped: its columns were changed since" in text_of(refused)
    press(admin_browser, page, "import")
    work(worker)
    assert (row(tenant).created, row(tenant).unchanged, len(stages(tenant))) == (20, 10, 30)


def test_who_goes_on_writes_at_the_present_what_the_file_said_when_the_import_began(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That was five hours ago."""
    page = upload(admin_browser, many(20))
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    press(admin_browser, page, "stop")
    began, pressed = utc_now() - timedelta(hours=5), utc_now()
    with tenant_context(tenant.id):
        first = set(LifecycleHistory.objects.values_list("id", flat=True))
        ImportUpload.objects.update(started_at=began)
    press(admin_browser, page, "go_on")
    work(worker)
    with tenant_context(tenant.id):
        moves = LifecycleHistory.objects.exclude(id__in=first)
        statuses = CustomerLifecycleStatus.objects.filter(customer_id__in=moves.values("customer_id"))
        known = Customer.objects.filter(id__in=moves.values("customer_id"))
        assert moves.count() == statuses.count() == known.count() == 10
        assert {move.effective_at for move in moves} == {status.stage_entered_at for status in statuses} == {began}
        assert {customer.occurred_at for customer in known} == {began}
        assert min(move.changed_at for move in moves) > pressed
        assert min(status.updated_at for status in statuses) > pressed
        assert min(customer.created_at for customer in known) > pressed
        assert AdministrationEntry.objects.get(action="import_customers").recorded_at > pressed


@pytest.mark.parametrize("stops", [False, True])
def test_a_dry_run_that_a_process_of_the_former_release_begins_is_not_taken_for_the_import_before_it(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    """Beside an upgrade. That process writes no column that it does not know."""
    page = upload(admin_browser, many(30))
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    press(admin_browser, page, "stop")
    assert row(tenant).can_go_on
    with tenant_context(tenant.id):
        former = ImportUpload.objects.filter(state=State.READY)
        counts = dict.fromkeys(("line", "position", "created", "changed", "unchanged", "rejected"), 0)
        former.update(state=State.CHECKING, revision=F("revision") + 1, finished_at=None, **counts)
    if stops:
        worker.work()
        with tenant_context(tenant.id):
            running = ImportUpload.objects.filter(state=State.CHECKING, line__gt=0)
            stopped = {"worker": None, "leased_until": None, "finished_at": utc_now()}
            assert running.update(state=State.READY, revision=F("revision") + 1, **stopped) == 1
    else:
        work(worker)
    shown = text_of(admin_browser.get(page))
    assert "Imported before it stopped" not in shown and "Go on with the import" not in shown
    assert ("Dry run: nothing was written 20 would be created" in shown) is not stops
    assert "This import cannot go on where it stopped" in text_of(press(admin_browser, page, "go_on"))
    assert len(stages(tenant)) == 10


@pytest.mark.parametrize("run", ["check", "import"])
def test_what_the_former_release_began_is_shown_as_what_it_was_when_a_process_of_this_one_stops_it(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    page = upload(admin_browser, many(30))
    press(admin_browser, page, run)
    with tenant_context(tenant.id):
        ImportUpload.objects.update(ran="", ran_revision=None)
    UploadWorker().work()
    shown = text_of(press(admin_browser, page, "stop"))
    assert ("Dry run, stopped: nothing was written" in shown) is (run == "check")
    assert ("Imported before it stopped" in shown) is ("Go on with the import" in shown) is (run == "import")


def test_an_error_in_the_middle_keeps_what_was_counted_and_the_import_goes_on_behind_it(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(10) + "C-3,Again\n" + "C-98,New\nC-99,New\n")
    press(admin_browser, page, "import")
    original = Import._commit

    def fail_later(self: Import, *arguments: Any) -> None:
        if self.counts.line:
            raise RuntimeError("an error in the program")
        original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(working, "Import", partial(Import, batch_size=11))
        patch.setattr(Import, "_commit", fail_later)
        work()
    shown = text_of(admin_browser.get(page))
    assert "It failed because of an internal error after line 12. What was imported before stays" in shown
    assert "Imported before it stopped 10 created 0 changed 0 unchanged 1 rejected" in shown
    assert "12 Line 5 names the same customer, “C-3”." in shown
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(action="stop_import")
    assert (entry.detail["because"], entry.detail["created"]) == ("import_failed_after", 10)
    press(admin_browser, page, "go_on")
    work()
    assert (row(tenant).state, row(tenant).created, row(tenant).rejected) == (State.DONE, 12, 1)


@pytest.mark.parametrize("times", [working.TRIES, working.TRIES + 1])
def test_an_import_that_others_are_in_the_way_of_is_tried_again_from_what_was_committed(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    page = upload(admin_browser, many(30))
    press(admin_browser, page, "import")
    original, failed = Import._commit, []

    def fail_later(self: Import, *arguments: Any) -> None:
        if self.counts.line and len(failed) < times:
            failed.append(self.counts.line)
            raise OperationalError from psycopg.errors.DeadlockDetected()
        original(self, *arguments)

    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    monkeypatch.setattr(Import, "_commit", fail_later)
    worker = UploadWorker()
    for seconds in range(60, 60 * times + 61, 60):
        work(worker)
        later(seconds, monkeypatch)
    work(worker)
    assert failed == [11] * times
    # The first of them had come as far as this, and those behind it no farther.
    expected = (State.DONE, 30) if times <= working.TRIES else (State.READY, 10)
    assert (row(tenant).state, row(tenant).created) == expected
    shown = text_of(admin_browser.get(page))
    assert ("It failed because of an internal error after line 11" in shown) is (times > working.TRIES)


def test_a_dry_run_that_is_stopped_shows_what_it_had_judged(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "Import", partial(Import, batch_size=10))
    page = upload(admin_browser, many(30))
    press(admin_browser, page, "check")
    UploadWorker().work()
    stopped = text_of(press(admin_browser, page, "stop"))
    assert "Dry run, stopped: nothing was written 10 would be created" in stopped
    assert "Go on with the import" not in stopped


def test_a_file_is_discarded_in_the_midst_of_its_import(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, many(30))
    worker = import_one_batch(admin_browser, page, monkeypatch, of=10)
    discard = f"{page.removesuffix('change/')}discard"
    assert "Its import ends after line 11." in text_of(admin_browser.get(discard))
    reported = admin_browser.post(discard, follow=True)
    assert "“crm.csv” is discarded. What was imported of it stays." in text_of(reported)
    work(worker)
    assert (len(stages(tenant)), parts(tenant)) == (10, Counter())
    assert admin_browser.get(page).status_code == 404


def test_an_erasure_destroys_what_was_uploaded(tenant: TenantRef, admin_browser: Client) -> None:
    CustomerFactory(tenant=tenant, external_id="1")
    upload(admin_browser, FILE)
    with tenant_context(tenant.id):
        erase_customer("1", tenant=tenant, actor=system_actor("tests"), reason="asked for", now=utc_now())
        entry = AdministrationEntry.objects.get(action="erase_customer")
    assert entry.detail["uploads"] == 1
    assert parts(tenant) == Counter()


def test_a_file_is_forgotten_after_a_day(tenant: TenantRef, admin_browser: Client) -> None:
    upload(admin_browser, FILE)
    kept = parts(tenant)
    # Those of tests before, which may be older, go.
    forget_old_uploads(now=utc_now() + timedelta(hours=23))
    assert parts(tenant) == kept != Counter()
    assert forget_old_uploads(now=utc_now() + timedelta(hours=25)) >= 1
    assert parts(tenant) == Counter()


def test_a_file_that_is_being_imported_when_its_day_is_over_is_forgotten_afterwards(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, FILE)
    worker = import_one_batch(admin_browser, page, monkeypatch, of=1)
    with tenant_context(tenant.id):
        ImportUpload.objects.update(created_at=F("created_at") - timedelta(hours=25))
    forget_old_uploads(now=utc_now())
    work(worker)
    with tenant_context(tenant.id):
        assert ImportUpload.objects.get().state == ImportUpload.State.DONE
    assert actions(tenant).count("import_customers") == 1
    forget_old_uploads(now=utc_now())
    assert parts(tenant) == Counter()


def test_nothing_of_a_file_lies_in_clear(tenant: TenantRef, admin_browser: Client) -> None:
    secret = "Zora Canary-Import"
    page = upload(admin_browser, f"id,{secret},name,stage\n1,{secret},{secret},Zombie\n")
    press(admin_browser, page, "check")
    work()
    assert parts(tenant) == {"file": 1, "facts": 1, "rejects": 1}
    assert secret.encode() not in dump_everything()


def test_parts_are_brought_under_a_new_master_key(
    tenant: TenantRef, admin_browser: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = upload(admin_browser, FILE)
    monkeypatch.setitem(key_rotation.ENCRYPTED_TABLES, "lifecycle_importpart", ("value", 1))
    settings.MASTER_KEYS = {77: bytes(range(32)), **settings.MASTER_KEYS}
    assert key_rotation.count_old(tenant.id) >= 2
    assert sum(key_rotation.rotate_tenant(tenant.id)) >= 2
    assert key_rotation.count_old(tenant.id) == 0
    settings.MASTER_KEYS = {77: bytes(range(32))}
    assert "Ostwerk" in text_of(admin_browser.get(page))


def test_a_large_file_is_read_over_its_pieces(
    tenant: TenantRef, admin_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.services.imports.parts.PART_BYTES", 64)
    monkeypatch.setattr(uploads, "PART_BYTES", 64)
    page = upload(admin_browser, many(40).replace("Company", "Süd-Gesellschaft"))
    assert parts(tenant)["file"] > 10
    press(admin_browser, page, "import")
    work()
    with tenant_context(tenant.id):
        assert set(Customer.objects.values_list("name", flat=True)) == {f"Süd-Gesellschaft {n}" for n in range(40)}
