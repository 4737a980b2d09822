"""A new release is migrated to while the former one works: no operation may keep requests waiting for long."""

from typing import Any

import pytest
from django.contrib.postgres import operations
from django.db import migrations, models

from storage.indexes import AddIndexConcurrently, AddPlainIndexConcurrently
from tests.shape.migrations import find_blocking, is_new, list_new

INDEX = models.Index(fields=["tenant_id"], name="by_tenant")


def migration(*operations: Any, atomic: bool = True) -> migrations.Migration:
    made = migrations.Migration("0099_new", "lifecycle")
    made.operations, made.atomic = list(operations), atomic
    return made


def test_no_new_migration_blocks_a_table_that_has_rows() -> None:
    found = {str(one): list(find_blocking(one)) for one in list_new()}
    assert {name: errors for name, errors in found.items() if errors} == {}
    assert not is_new("lifecycle", "0001_initial") and is_new("audit", "0099_anything")


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        (migrations.AddIndex("customer", INDEX), "AddIndexConcurrently"),
        (migrations.RemoveIndex("customer", "by_tenant"), "RemoveIndexConcurrently"),
        (AddIndexConcurrently("customer", INDEX), "atomic = False"),
        (AddPlainIndexConcurrently("lifecycle_customer", "by_name", "btree (name)"), "atomic = False"),
        (
            migrations.AddConstraint("customer", models.UniqueConstraint(fields=["name"], name="one_name")),
            "NotValid",
        ),
        (
            migrations.AddField("customer", "x", models.CharField(max_length=9, db_index=True, null=True)),
            "concurrently",
        ),
        (migrations.AddField("customer", "x", models.IntegerField(default=0)), "db_default"),
        (migrations.AlterField("customer", "x", models.CharField(max_length=9, unique=True)), "concurrently"),
        (migrations.RunSQL("CREATE UNIQUE INDEX x ON lifecycle_customer (name)"), "CONCURRENTLY"),
        (migrations.RunSQL([("create  index x on lifecycle_customer (name)", None)]), "CONCURRENTLY"),
        (migrations.RunSQL("ALTER TABLE lifecycle_customer ADD CONSTRAINT y CHECK (a > 1)"), "NOT VALID"),
        (migrations.RunSQL("ALTER TABLE lifecycle_customer ADD UNIQUE (a)"), "NOT VALID"),
        (
            migrations.SeparateDatabaseAndState(database_operations=[migrations.AddIndex("customer", INDEX)]),
            "AddIndexConcurrently",
        ),
    ],
)
def test_what_would_block_is_found(operation: Any, advice: str) -> None:
    (error,) = find_blocking(migration(operation))
    assert advice in error


@pytest.mark.parametrize(
    "operation",
    [
        operations.AddIndexConcurrently("customer", INDEX),
        operations.RemoveIndexConcurrently("customer", "by_tenant"),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY x ON lifecycle_customer (name)"),
        migrations.RunSQL([("create unique  index concurrently x on lifecycle_customer (name)", None)]),
        migrations.RunSQL("CREATE INDEX CONCURRENTLY IF NOT EXISTS x ON lifecycle_customer (name)"),
    ],
)
def test_an_index_that_could_not_be_made_again_after_an_end_in_the_middle_is_found(operation: Any) -> None:
    (error,) = find_blocking(migration(operation, atomic=False))
    assert "storage.indexes" in error


@pytest.mark.parametrize(
    "found",
    [
        migration(AddIndexConcurrently("customer", INDEX), atomic=False),
        migration(AddPlainIndexConcurrently("lifecycle_customer", "by_name", "btree (name)"), atomic=False),
        migration(migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS x"), atomic=False),
        migration(migrations.AddField("customer", "x", models.IntegerField(default=0, db_default=0))),
        migration(migrations.RunSQL("ALTER TABLE lifecycle_customer ADD CONSTRAINT y CHECK (a > 1) NOT VALID")),
        migration(
            migrations.CreateModel("Wish", [("id", models.BigAutoField(primary_key=True))]),
            migrations.AddIndex("wish", INDEX),
            migrations.RunSQL("CREATE INDEX y ON lifecycle_wish (id)"),
        ),
    ],
)
def test_what_does_not_block_is_let_through(found: migrations.Migration) -> None:
    assert list(find_blocking(found)) == []
