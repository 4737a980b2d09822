"""The real process that imports uploaded files, killed in the midst of one."""

import io
import os
import signal
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from audit.models import AdministrationEntry, LifecycleHistory
from lifecycle.models import Customer, ImportUpload
from lifecycle.services.compliance.verification import verify_tenant
from lifecycle.services.imports import importing
from lifecycle.services.imports.uploads import start_run, store_upload
from lifecycle.services.imports.working import LEASE, UploadWorker
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.browser.servers import find_port
from tests.factories import utc_now
from tests.operations.processes import Process, command, production_env
from tests.services.sessions import await_end_of_sessions, list_sessions
from tests.services.threads import run_together

LINES = 6_000
PATIENCE_SECONDS = 120


@pytest.fixture
def worker(db: None, tmp_path: Path) -> Any:
    process = command("mover", find_port(), tmp_path, production_env(tmp_path, prefix="imports."), "move_customers")
    yield process
    process.stop()


def wait_for(tenant: TenantRef, condition: Any) -> ImportUpload:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        with tenant_context(tenant.id):
            upload = ImportUpload.objects.get()
        if condition(upload):
            return upload
        time.sleep(0.05)
    raise AssertionError(f"it is {upload.state}, at line {upload.line}")


def hold_up(session: psycopg.Connection[Any], tenant: TenantRef, external_id: str, *, like: Customer) -> None:
    """Make a customer of this id and do not commit it: another who makes one of the same id waits."""
    columns = [field.column for field in Customer._meta.concrete_fields if not field.generated]
    other = {"id": "gen_random_uuid()", "tenant_id": "%(tenant_id)s", "external_id": "%(external_id)s"}
    session.execute("SET LOCAL session_replication_role = replica")
    session.execute(
        f"INSERT INTO lifecycle_customer ({', '.join(columns)})"
        f" SELECT {', '.join(other.get(column, column) for column in columns)}"
        " FROM lifecycle_customer WHERE id = %(like)s",
        {"tenant_id": tenant.id, "external_id": external_id, "like": like.id},
    )


def test_a_kill_in_the_midst_of_an_import_neither_loses_nor_doubles(
    tenant: TenantRef, other_customer: Customer, superuser: psycopg.Connection[Any], worker: Process
) -> None:
    by: Any = {"tenant": tenant, "actor": system_actor("tests")}
    content = "id,name\n" + "".join(f"C-{number},Company {number}\n" for number in range(LINES))
    with tenant_context(tenant.id):
        file = io.BytesIO(content.encode())
        upload = store_upload(file, name="crm.csv", size=len(content), kind="", now=utc_now(), **by)
    # However late it is seen that it has begun: it does not get further than to the batch with the middle of the file.
    hold_up(superuser, tenant, f"C-{LINES // 2}", like=other_customer)
    before = list_sessions()
    worker.start()
    ready = wait_for(tenant, lambda row: row.state == ImportUpload.State.READY)
    with tenant_context(tenant.id):
        start_run(upload.id, dry_run=False, revision=ready.revision, now=utc_now(), **by)
    wait_for(tenant, lambda row: row.line > 0)
    assert worker.process is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    superuser.rollback()
    # What it had sent, be it the end of a batch, is still done.
    await_end_of_sessions(but=before)
    with tenant_context(tenant.id):
        killed = ImportUpload.objects.get()
        assert Customer.objects.count() == LifecycleHistory.objects.count() == killed.created
        assert 0 < killed.created < LINES, "it was in the midst of it"
        # The half minute in which no other process takes it over.
        ImportUpload.objects.update(leased_until=timezone.now())

    worker.start()
    done = wait_for(tenant, lambda row: row.state == ImportUpload.State.DONE)
    assert (done.created, done.changed, done.unchanged, done.rejected) == (LINES, 0, 0, 0)
    with tenant_context(tenant.id):
        assert Customer.objects.count() == LifecycleHistory.objects.count() == LINES
        assert AdministrationEntry.objects.filter(action="import_customers").count() == 1
    assert all(verified.broken is None for verified in verify_tenant(tenant))


def test_a_batch_that_takes_longer_than_the_lease_is_taken_over_by_no_one(
    tenant: TenantRef, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    by: Any = {"tenant": tenant, "actor": system_actor("tests")}
    content = b"id,name\nC-1,Company 1\nC-2,Company 2\n"
    with tenant_context(tenant.id):
        upload = store_upload(io.BytesIO(content), name="crm.csv", size=len(content), kind="", now=utc_now(), **by)
    worker = UploadWorker()
    while worker.work():
        pass
    record_customers, claimed = importing.record_customers, []

    def take_over() -> list[ImportUpload]:
        with tenant_context(tenant.id):
            ImportUpload.objects.update(leased_until=timezone.now() - LEASE)
        return UploadWorker()._claim(tenant)

    def take_long(*args: Any, **options: Any) -> Any:
        # The lease of an import that another test has left may end while this one runs.
        if options["tenant"] == tenant:
            claimed.extend(run_together([take_over]))
        return record_customers(*args, **options)

    monkeypatch.setattr(importing, "record_customers", take_long)
    with tenant_context(tenant.id):
        upload.refresh_from_db()
        start_run(upload.id, dry_run=False, revision=upload.revision, now=utc_now(), **by)
    while worker.work():
        pass
    with tenant_context(tenant.id):
        upload.refresh_from_db()
        assert (claimed, upload.state, upload.created) == ([[]], ImportUpload.State.DONE, 2)
