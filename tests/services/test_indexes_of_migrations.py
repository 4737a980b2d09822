"""Indexes are made while people work, so what makes one is ended in the middle now and then, and begun again."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connections, migrations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from psycopg.sql import SQL, Identifier

from storage.indexes import AddIndexConcurrently, AddPlainIndexConcurrently, RemoveIndexConcurrently
from tests.aging import administrator

Operation = AddIndexConcurrently | AddPlainIndexConcurrently | RemoveIndexConcurrently
LOADER = MigrationLoader(None)
OURS = ("audit", "tenants", "lifecycle")
INDEXED = [
    migration
    for (app, _), migration in sorted(LOADER.disk_migrations.items())
    if app in OURS and any(isinstance(one, Operation) for one in migration.operations)
]
ASKED = """
SELECT i.indisvalid, pg_get_indexdef(i.indexrelid) FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid AND c.relname = %s
"""


@pytest.fixture
def owner(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """The connection that migrates, which waits for others only as long as a test may."""
    with django_db_blocker.unblock():
        connection = connections["owner"]
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        try:
            yield connection
        finally:
            connection.close()


@pytest.mark.parametrize("migration", INDEXED, ids=str)
def test_a_migration_that_was_ended_in_the_middle_of_any_index_is_begun_again_and_makes_it(
    owner: Any, migration: migrations.Migration
) -> None:
    before = {name: look_up(name) for name in names_of(migration)}
    state = LOADER.project_state((migration.app_label, migration.name), at_end=False)
    for number, operation in enumerate(migration.operations):
        if not isinstance(operation, Operation):
            continue
        removed = isinstance(operation, RemoveIndexConcurrently)
        with administrator() as admin:
            admin.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier(name_of(operation))))
        apply(owner, migration, state, end=number)
        if removed:
            undo(owner, migration, state, number)
            assert look_up(name_of(operation))[0] is True
        end_in_the_middle(owner, migration, state, number)
        assert look_up(name_of(operation))[0] in ((True, False) if removed else (False,))
        apply(owner, migration, state, end=number + 1)
        assert look_up(name_of(operation))[0] is (None if removed else True)
    apply(owner, migration, state, end=len(migration.operations))
    made = {name: look_up(name) for name in names_of(migration)}
    assert {valid for valid, _ in made.values()} <= {True, None}
    # The same index as without the end in the middle, but for those that a later migration removes.
    assert {name: made[name] for name, was in before.items() if was[0]} == {
        name: was for name, was in before.items() if was[0]
    }
    with administrator() as admin:
        for name, (valid, _) in before.items():
            if valid is None:
                admin.execute(SQL("DROP INDEX IF EXISTS {}").format(Identifier(name)))


def test_taking_a_removal_back_makes_again_what_was_left_half_made(owner: Any) -> None:
    migration = next(one for one in INDEXED if one.name == "0016_orders_of_the_list")
    state = LOADER.project_state((migration.app_label, migration.name), at_end=False)
    number = next(n for n, one in enumerate(migration.operations) if isinstance(one, RemoveIndexConcurrently))
    name = name_of(migration.operations[number])
    assert look_up(name) == (None, None)
    with locked(migration, state, number), pytest.raises(OperationalError, match="lock timeout"):
        undo(owner, migration, state, number)
    assert look_up(name)[0] is False
    undo(owner, migration, state, number)
    assert look_up(name)[0] is True
    apply(owner, migration, state, end=number + 1)
    assert look_up(name) == (None, None)


def test_an_index_that_is_whole_is_not_made_again(owner: Any) -> None:
    """A table may take an hour: of three indexes the first two are kept when the third one failed."""
    migration = next(one for one in INDEXED if one.name == "0032_figures_by_subject")
    state = LOADER.project_state((migration.app_label, migration.name), at_end=False)
    with administrator() as admin:
        number = "SELECT 'figures_of_renewals'::regclass::oid"
        (was,) = admin.execute(number).fetchone() or (0,)
        apply(owner, migration, state, end=len(migration.operations))
        assert admin.execute(number).fetchone() == (was,)


def test_every_migration_that_makes_an_index_is_looked_at() -> None:
    """Of operations that are none of these, ``tests.shape.test_migrations`` says so."""
    assert {
        "audit.0010_index_of_former_names",
        "audit.0011_administration_by_subject",
        "lifecycle.0014_expiring_pins",
        "lifecycle.0016_orders_of_the_list",
        "lifecycle.0020_overdue",
        "lifecycle.0023_renewed_contracts",
        "lifecycle.0028_latest_notes",
        "lifecycle.0031_episodes_behind",
        "lifecycle.0032_figures_by_subject",
        "lifecycle.0034_insight_indexes",
    } <= {str(one) for one in INDEXED}


def names_of(migration: migrations.Migration) -> list[str]:
    return [name_of(one) for one in migration.operations if isinstance(one, Operation)]


def name_of(operation: Any) -> str:
    return str(operation.index.name if isinstance(operation, AddIndexConcurrently) else operation.name)


def look_up(name: str) -> tuple[bool | None, str | None]:
    """Whether the index can be used, and what it is; None when there is none of that name."""
    with administrator() as admin:
        return admin.execute(ASKED, [name]).fetchone() or (None, None)


def part(migration: migrations.Migration, begin: int, end: int) -> migrations.Migration:
    made = migrations.Migration(migration.name, migration.app_label)
    made.operations, made.atomic = migration.operations[begin:end], False
    return made


def state_at(migration: migrations.Migration, state: ProjectState, number: int) -> ProjectState:
    return part(migration, 0, number).mutate_state(state, preserve=True)


def apply(connection: Any, migration: migrations.Migration, state: ProjectState, *, end: int, begin: int = 0) -> None:
    """From the first operation on, as ``migrate`` begins again what it has not recorded."""
    with connection.schema_editor(atomic=False) as editor:
        part(migration, begin, end).apply(state_at(migration, state, begin), editor)


def undo(connection: Any, migration: migrations.Migration, state: ProjectState, number: int) -> None:
    with connection.schema_editor(atomic=False) as editor:
        part(migration, number, number + 1).unapply(state_at(migration, state, number), editor)


def end_in_the_middle(connection: Any, migration: migrations.Migration, state: ProjectState, number: int) -> None:
    with locked(migration, state, number), pytest.raises(OperationalError, match="lock timeout"):
        apply(connection, migration, state, begin=number, end=number + 1)


def locked(migration: migrations.Migration, state: ProjectState, number: int) -> psycopg.Connection[Any]:
    """Someone who has written to the operation's table and has not come to the end of the transaction."""
    operation: Any = migration.operations[number]
    if isinstance(operation, AddPlainIndexConcurrently):
        table = operation.table
    else:
        apps = state_at(migration, state, number).apps
        table = apps.get_model(migration.app_label, operation.model_name)._meta.db_table
    writer = administrator()
    writer.autocommit = False
    writer.execute(SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(Identifier(table)))
    return writer
