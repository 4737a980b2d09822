"""The database was restored from a backup: nothing of the lost one is shown."""

from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

import storage.copies
from lifecycle.services.cache import copies
from storage.copies import Copy
from storage.database.base import Connection
from storage.database.identity import POOLED_SECONDS, database_identity, read_identity
from tests.services.cache.cached import CONFIGURATION, PARTS, as_value, fill, refresh, shown, totals


@pytest.fixture
def restored(monkeypatch):
    """From now on the connections lead to another database than before."""

    def lead_to(identity="restored"):
        monkeypatch.setattr(storage.copies, "database_identity", lambda **_: identity)
        storage.copies.keep([Copy("c360:tests:begin", 1, 1)])

    return lead_to


def test_nothing_that_was_cached_before_a_restore_is_shown_after_it(ids, restored):
    copies.read(*ids, copies.PROFILE, *PARTS).offer(
        CONFIGURATION, status=(9, as_value(ids, 9, "lost")), figures=(9, b"lost"), profile=(9, b"lost")
    )
    copies.read_totals(ids[0]).offer(b"lost")
    assert (shown(ids), totals(ids)) == ("lost", b"lost")
    restored()
    assert (shown(ids), shown(ids, copies.FIGURES), shown(ids, copies.PROFILE), totals(ids)) == (None,) * 4
    fill(ids, 7, "restored")
    assert shown(ids) == "restored"


def test_a_version_that_is_given_again_after_a_restore_is_shown_after_its_commit(ids, restored):
    fill(ids, 9, "lost")
    restored()
    fill(ids, 7, "restored")
    with transaction.atomic():
        refresh(ids, 8, "given again")
        assert shown(ids) == "restored"
    assert shown(ids) == "given again"


def test_who_still_has_the_lost_database_does_not_show_what_the_restored_one_holds(ids, restored):
    restored("lost")
    fill(ids, 9, "lost")
    restored("restored")
    fill(ids, 7, "restored")
    restored("lost")
    assert shown(ids) is None


def test_the_relay_has_the_same_database_as_those_whom_it_follows(ids):
    assert database_identity(using="relay") == database_identity()


def test_the_identity_is_asked_once_a_connection_and_in_time_behind_a_pooler(db):
    connections["default"].close()
    identity = database_identity()
    raw = connections["default"].connection
    assert identity == raw.identity and len(identity) == 16
    asked = raw.identified_at
    with CaptureQueriesContext(connections["default"]) as queries:
        assert (database_identity(), connections["default"].is_usable()) == (identity, True)
    assert (len(queries), raw.identified_at) == (0, asked)
    # A pooler may have connected to another server in the meantime.
    with override_settings(DATABASE_POOLER=True):
        raw.identity, raw.identified_at = "lost", asked - POOLED_SECONDS - 1
        assert connections["default"].is_usable()
    assert raw.identity == identity


@pytest.mark.direct
@pytest.mark.parametrize(
    "forbidden",
    [
        ["pg_control_system()"],
        ["pg_current_wal_lsn()", "pg_walfile_name(pg_lsn)"],
        ["pg_control_system()", "pg_current_wal_lsn()", "pg_postmaster_start_time()"],
    ],
)
def test_a_server_that_forbids_a_part_of_its_identity_is_known_by_the_others(db, forbidden):
    name = f"c360_identity_{uuid4().hex[:8]}"
    seen = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with (
                psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as owner,
                Connection.connect(settings.DATABASE_URL, dbname=name, autocommit=True) as session,
            ):
                for statement in (
                    "SELECT",
                    *(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC" for function in forbidden),
                    "SELECT",
                    "CREATE TABLE customer_lifecycle_status ()",
                ):
                    owner.execute(statement)
                    read_identity(session)
                    seen.append(session.identity)
        finally:
            admin.execute(f"DROP DATABASE {name}")
    whole, *partial, again, restored = seen
    assert (partial[-1], len({whole, again, restored})) == (again, 3)


def test_the_identity_is_of_the_database_and_of_the_file_that_holds_the_statuses(db):
    name = f"c360_identity_{uuid4().hex[:8]}"
    seen = []
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            with Connection.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True) as session:
                for statement in (
                    "SELECT",
                    "CREATE TABLE customer_lifecycle_status ()",
                    "TRUNCATE customer_lifecycle_status",
                    "DROP TABLE customer_lifecycle_status; CREATE TABLE customer_lifecycle_status ()",
                ):
                    session.execute(statement)
                    read_identity(session)
                    seen.append(session.identity)
        finally:
            admin.execute(f"DROP DATABASE {name}")
    assert len({*seen, database_identity()}) == 5
