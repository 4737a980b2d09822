"""Which tenant the database shows: set inside the transaction, restored on the way out.

Row-level security compares ``tenant_id`` with ``app.tenant_id``. The variable is set with
``set_config(..., is_local => true)`` so that it dies with the transaction: through a transaction-pooling
connection pooler a session variable would reach the next borrower of the connection.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic

from storage.cursors import fetch_alone_dicts, fetch_prepared_dicts, is_watched
from storage.database.base import Connection
from tenants.homes import refuse_elsewhere

TENANT_VARIABLE = "app.tenant_id"
USER_VARIABLE = "app.user_id"
# The tenant of messages that name none that is known. No tenant has this id, so no one's context shows their rows.
NO_TENANT: Final = UUID(int=0)


class TenantSwitchRefused(RuntimeError):
    """Code inside one tenant's context asked for another tenant's. It names both; nothing was changed."""

    def __init__(self, current: object, wanted: object) -> None:
        super().__init__(f"Already inside the context of tenant {current}; leave it before entering {wanted}.")


def current_tenant_id(*, using: str = DEFAULT_DB_ALIAS) -> UUID | None:
    """The tenant whose rows this connection shows now, or None."""
    return _values(connections[using]).get(TENANT_VARIABLE)


def tenant_context(tenant_id: UUID, *, using: str = DEFAULT_DB_ALIAS) -> AbstractContextManager[None]:
    """Show the rows of one tenant, within a transaction (the caller's, or one of its own).

    Nesting the same tenant is free. Nesting another raises TenantSwitchRefused. Where there is no
    transaction yet one begins, and ends with the block. Where there are several servers, one that the tenant does not
    live on raises AwayFromHome.
    """
    return _LocalVariable(TENANT_VARIABLE, tenant_id, using)


def look_as_tenant(
    tenant_id: UUID, query: str, parameters: Mapping[str, Any], *, using: str = DEFAULT_DB_ALIAS
) -> list[dict[str, Any]]:
    """The rows of a prepared statement that only looks, in the tenant's context, by the names of their columns.

    Where there is no transaction it is one of its own and the whole of it one round trip; else a part of the caller's.
    """
    if connections[using].in_atomic_block or is_watched(using):
        with tenant_context(tenant_id, using=using):
            return fetch_prepared_dicts(query, parameters, using=using)
    if settings.DATABASE_SERVERS:
        refuse_elsewhere(tenant_id)
    return fetch_alone_dicts(query, parameters, TENANT_VARIABLE, tenant_id, using=using)


@contextmanager
def no_tenant_context(*, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Show the rows that belong to no tenant, also from inside a tenant's context, and that tenant's rows afterwards.

    Those are messages whose tenant could not be determined. No other tenant's rows can be reached by this.
    """
    connection = connections[using]
    current = _values(connection).pop(TENANT_VARIABLE, None)
    try:
        with tenant_context(NO_TENANT, using=using):
            yield
    finally:
        if current is not None:
            _values(connection)[TENANT_VARIABLE] = current
            if not _is_broken(connection):
                _set(connection, TENANT_VARIABLE, current)


def user_context(user_id: UUID, *, using: str = DEFAULT_DB_ALIAS) -> AbstractContextManager[None]:
    """Let one user's own row be read before their tenant is known (log-in, session, token)."""
    return _LocalVariable(USER_VARIABLE, user_id, using)


def _values(connection: BaseDatabaseWrapper) -> dict[str, UUID]:
    """The variables that are set on the connection now."""
    values: dict[str, UUID] = connection.__dict__.setdefault("_local_variables", {})
    return values


class _LocalVariable(AbstractContextManager[None]):
    """Sets a variable for the rest of the block; a class and not a generator because every request comes by here."""

    __slots__ = ("_connection", "_is_set", "_transaction", "_using", "_value", "_variable")

    def __init__(self, variable: str, value: UUID, using: str) -> None:
        self._variable, self._value, self._using = variable, value, using

    def __enter__(self) -> None:
        connection = self._connection = connections[self._using]
        current = _values(connection).get(self._variable)
        self._transaction: Atomic | None = None
        self._is_set = False
        if current == self._value and connection.in_atomic_block:
            return
        if current is not None:
            raise TenantSwitchRefused(current, self._value)
        if settings.DATABASE_SERVERS and self._variable == TENANT_VARIABLE and self._value != NO_TENANT:
            refuse_elsewhere(self._value)
        if connection.in_atomic_block:
            _set(connection, self._variable, self._value)
        else:
            self._transaction = transaction.atomic(using=self._using)
            self._transaction.__enter__()
            try:
                _open(connection, self._variable, self._value)
            except BaseException:
                self._transaction.__exit__(*sys.exc_info())
                raise
        _values(connection)[self._variable] = self._value
        self._is_set = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_set:
            return
        _values(self._connection).pop(self._variable, None)
        if self._transaction is not None:
            self._transaction.__exit__(kind, error, trace)
        elif not _is_broken(self._connection):
            # The transaction is the caller's and goes on after us: a released savepoint keeps a local variable,
            # so it is put back by hand. In a broken transaction there is nothing left to put back.
            _clear(self._connection, self._variable)


def _open(connection: BaseDatabaseWrapper, variable: str, value: UUID) -> None:
    """Set the variable of a transaction that has just begun, and of which nothing was sent: with its first statement.

    Who wants to see the statements (a test that counts them) sees this one by itself.
    """
    raw = connection.connection
    if is_watched(connection.alias):
        _set(connection, variable, value)
    else:
        assert isinstance(raw, Connection) and isinstance(value, UUID)  # noqa: S101
        raw.open_with(variable, value)


def _set(connection: BaseDatabaseWrapper, variable: str, value: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [variable, str(value)])


def _clear(connection: BaseDatabaseWrapper, variable: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, '', true)", [variable])


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Whether the transaction can only be rolled back, so that no further statement may be sent."""
    raw = connection.connection
    if raw is None or raw.closed or connection.needs_rollback:
        return True
    return bool(raw.info.transaction_status.name == "INERROR")
