"""Which tenant the database shows: set inside the transaction, restored on the way out.

Row-level security compares ``tenant_id`` with ``app.tenant_id``. The variable is set with
``set_config(..., is_local => true)`` so that it dies with the transaction: through a transaction-pooling
connection pooler a session variable would reach the next borrower of the connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

TENANT_VARIABLE = "app.tenant_id"
USER_VARIABLE = "app.user_id"


class TenantSwitchRefused(RuntimeError):
    """Code inside one tenant's context asked for another tenant's. It names both; nothing was changed."""

    def __init__(self, current: object, wanted: object) -> None:
        super().__init__(f"Already inside the context of tenant {current}; leave it before entering {wanted}.")


def current_tenant_id(*, using: str = DEFAULT_DB_ALIAS) -> UUID | None:
    """The tenant whose rows this connection shows now, or None."""
    return _current(connections[using], TENANT_VARIABLE)


@contextmanager
def tenant_context(tenant_id: UUID, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Show the rows of one tenant, within a transaction (the caller's, or one of its own).

    Nesting the same tenant is free. Nesting another raises TenantSwitchRefused. Costs one statement.
    """
    with _local_variable(TENANT_VARIABLE, tenant_id, using=using):
        yield


@contextmanager
def user_context(user_id: UUID, *, using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Let one user's own row be read before his tenant is known (log-in, session, token)."""
    with _local_variable(USER_VARIABLE, user_id, using=using):
        yield


def _current(connection: BaseDatabaseWrapper, variable: str) -> UUID | None:
    values: dict[str, UUID] = getattr(connection, "_local_variables", {})
    return values.get(variable)


@contextmanager
def _local_variable(variable: str, value: UUID, *, using: str) -> Iterator[None]:
    connection = connections[using]
    current = _current(connection, variable)
    if current == value and connection.in_atomic_block:
        yield
        return
    if current is not None:
        raise TenantSwitchRefused(current, value)
    if connection.in_atomic_block:
        # The transaction is the caller's and goes on after us: a released savepoint keeps a local variable,
        # so it is put back by hand. In a broken transaction there is nothing left to put back.
        _set(connection, variable, value)
        try:
            yield
        except BaseException:
            _forget(connection, variable)
            if not _is_broken(connection):
                _clear(connection, variable)
            raise
        _forget(connection, variable)
        if not _is_broken(connection):
            _clear(connection, variable)
        return
    with transaction.atomic(using=using):
        _set(connection, variable, value)
        try:
            yield
        finally:
            _forget(connection, variable)


def _set(connection: BaseDatabaseWrapper, variable: str, value: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [variable, str(value)])
    values = getattr(connection, "_local_variables", None)
    if values is None:
        values = {}
        connection._local_variables = values  # type: ignore[attr-defined]
    values[variable] = value


def _forget(connection: BaseDatabaseWrapper, variable: str) -> None:
    getattr(connection, "_local_variables", {}).pop(variable, None)


def _clear(connection: BaseDatabaseWrapper, variable: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, '', true)", [variable])


def _is_broken(connection: BaseDatabaseWrapper) -> bool:
    """Whether the transaction can only be rolled back, so that no further statement may be sent."""
    raw = connection.connection
    if raw is None or raw.closed or connection.needs_rollback:
        return True
    return bool(raw.info.transaction_status.name == "INERROR")
