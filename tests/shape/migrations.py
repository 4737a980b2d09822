"""Which operations of a migration would keep requests waiting on a table that has rows."""

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.postgres.operations import AddConstraintNotValid, NotInTransactionMixin
from django.db import migrations, models

from storage import indexes

# The last migrations before this rule: of a first release, on empty tables.
BEFORE = {
    "audit": "0002_protection",
    "tenants": "0003_held_configuration",
    "lifecycle": "0003_update_budget",
}
# They rebuild whole tables, before the first release.
REBUILDING = {("audit", "0005_periods"), ("lifecycle", "0029_inbox_by_period")}
_INDEX = re.compile(r"\b(?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+|RE)INDEX\b(?!\s+CONCURRENTLY)", re.IGNORECASE)
_CONCURRENT = re.compile(r"\bCREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\b", re.IGNORECASE)
_CONSTRAINT = re.compile(r"\bADD\s+(?:CONSTRAINT\b.*?\b)?(?:UNIQUE|PRIMARY\s+KEY|EXCLUDE)\b", re.IGNORECASE | re.DOTALL)
_CHECKED = re.compile(
    r"\bADD\s+CONSTRAINT\b.*?\b(?:CHECK|FOREIGN\s+KEY)\b(?!.*\bNOT\s+VALID\b)", re.IGNORECASE | re.DOTALL
)


def is_new(app: str, name: str) -> bool:
    """Whether a migration has to follow the rule."""
    return app in BEFORE and name > BEFORE[app] and (app, name) not in REBUILDING


def find_blocking(migration: migrations.Migration) -> Iterator[str]:
    """What the migration does to tables that were there before it and that takes longer the more rows they have."""
    made: set[str] = set()
    for operation in migration.operations:
        if isinstance(operation, migrations.CreateModel):
            made.add(operation.name_lower)
            made.add(_table_of(migration.app_label, operation))
            continue
        model = getattr(operation, "model_name", "").lower()
        if model in made:
            continue
        yield from _judge(operation, made)
        if isinstance(operation, NotInTransactionMixin) and migration.atomic:
            yield f"{operation.describe()}: CONCURRENTLY needs atomic = False"


def _judge(operation: Any, made: set[str]) -> Iterator[str]:
    what = operation.describe()
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from _judge(inner, made)
    elif isinstance(operation, migrations.AddIndex | migrations.RemoveIndex):
        if not isinstance(operation, indexes.AddIndexConcurrently | indexes.RemoveIndexConcurrently):
            yield f"{what}: use AddIndexConcurrently or RemoveIndexConcurrently of storage.indexes"
    elif isinstance(operation, migrations.AddConstraint) and not isinstance(operation, AddConstraintNotValid):
        yield f"{what}: use AddConstraintNotValid and ValidateConstraint, or a unique index made concurrently"
    elif isinstance(operation, migrations.AddField | migrations.AlterField):
        field = operation.field
        if field.db_index or field.unique:
            yield f"{what}: it makes an index; add the field without, and the index concurrently"
        if isinstance(operation, migrations.AddField) and not field.null and field.db_default is models.NOT_PROVIDED:
            yield f"{what}: every row is written; give it a db_default"
    elif isinstance(operation, migrations.RunSQL):
        yield from _judge_sql(operation.sql, made)


def _judge_sql(sql: Any, made: set[str]) -> Iterator[str]:
    for text in _statements(sql):
        if any(name in text for name in made):
            continue
        if _INDEX.search(text):
            yield f"{text.strip()[:80]}: say CONCURRENTLY"
        if _CONCURRENT.search(text):
            yield f"{text.strip()[:80]}: use AddPlainIndexConcurrently of storage.indexes"
        if _CONSTRAINT.search(text) or _CHECKED.search(text):
            yield f"{text.strip()[:80]}: add it NOT VALID and validate it afterwards"


def _statements(sql: Any) -> list[str]:
    if isinstance(sql, str):
        return sql.split(";")
    return [part if isinstance(part, str) else part[0] for part in sql]


def _table_of(app_label: str, operation: migrations.CreateModel) -> str:
    named = operation.options.get("db_table")
    return str(named) if named else f"{app_label}_{operation.name_lower}"


def list_new() -> list[migrations.Migration]:
    """Every migration of ours that has to follow the rule."""
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(None)
    labels = {config.label for config in apps.get_app_configs()}
    return [
        migration
        for (app, name), migration in sorted(loader.disk_migrations.items())
        if app in labels and is_new(app, name)
    ]
