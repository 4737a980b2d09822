"""Indexes that are made beside the work, as migration operations that can be run again wherever they were ended.

PostgreSQL leaves half of an index behind, which no one can use, where CREATE INDEX CONCURRENTLY is ended in the middle:
by a kill, or by the 5 s that a migration waits for the transactions before it. Each further try would end with a name
that already exists.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres import operations
from django.db.migrations.operations.base import Operation

_IS_WHOLE = """
SELECT i.indisvalid AND i.indisready FROM pg_index i
 WHERE i.indexrelid = to_regclass(%s) AND i.indrelid = to_regclass(%s)
"""


def _make_index(editor: Any, table: str, name: str, make: Callable[[], None]) -> None:
    """Make the index, unless an earlier run did; what it left of one is dropped first."""
    if editor.collect_sql:
        make()
        return
    quote = editor.quote_name
    with editor.connection.cursor() as cursor:
        cursor.execute(_IS_WHOLE, [quote(name), quote(table)])
        found = cursor.fetchone()
    if found == (True,):
        return
    if found:
        editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quote(name)}")
    make()


@contextmanager
def _acting_as(editor: Any, role: str) -> Iterator[None]:
    """As the role that owns the table; as the migrations' own where none is named."""
    if not role:
        yield
        return
    editor.execute(f"SET ROLE {editor.quote_name(role)}")
    try:
        yield
    finally:
        editor.execute("RESET ROLE")


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's, which makes again what was left half made, and goes on behind what was made.

    ``role``: who owns the table, if it is another than runs migrations: only an owner may make an index.
    """

    def __init__(self, model_name: str, index: Any, role: str = "") -> None:
        super().__init__(model_name, index)
        self.role = role

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index, unless it is whole."""
        table = to_state.apps.get_model(app_label, self.model_name)._meta.db_table
        forwards = super().database_forwards
        with _acting_as(schema_editor, self.role):
            _make_index(
                schema_editor, table, self.index.name, lambda: forwards(app_label, schema_editor, from_state, to_state)
            )

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it, and what is left of it."""
        with _acting_as(schema_editor, self.role):
            super().database_backwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexConcurrently(operations.RemoveIndexConcurrently):
    """Django's, whose way back makes again what was left half made."""

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index, unless it is whole."""
        table = to_state.apps.get_model(app_label, self.model_name)._meta.db_table
        backwards = super().database_backwards
        _make_index(schema_editor, table, self.name, lambda: backwards(app_label, schema_editor, from_state, to_state))


class AddPlainIndexConcurrently(operations.NotInTransactionMixin, Operation):
    """An index that no model names: ``AddPlainIndexConcurrently("audit_former_name", "trigrams", "gin (name)")``."""

    atomic = False
    reversible = True

    def __init__(self, table: str, name: str, what: str) -> None:
        self.table, self.name, self.what = table, name, what

    def state_forwards(self, app_label: str, state: Any) -> None:
        """No model knows it."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the index, unless it is whole."""
        self._ensure_not_in_transaction(schema_editor)
        quote = schema_editor.quote_name
        made = f"CREATE INDEX CONCURRENTLY {quote(self.name)} ON {quote(self.table)} USING {self.what}"
        _make_index(schema_editor, self.table, self.name, lambda: schema_editor.execute(made))

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop it, and what is left of it."""
        self._ensure_not_in_transaction(schema_editor)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.name)}")

    def describe(self) -> str:
        """One line for ``migrate --plan``."""
        return f"Concurrently create index {self.name} of {self.table}"
