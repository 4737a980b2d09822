"""What keeps a tenant's rows as they are on the server that it leaves, in two stages, each on every table.

*Quiet*: workers no longer see the tenant's work, because the platform role does not, so nothing new is begun. *Fenced*:
a trigger refuses every write to the tenant's rows, by whatever role and whatever a process believes. Making a trigger
waits for the transactions that write to the table, so after it has been made no write that began before is still to
come. Each lock is waited for briefly and tried again, so that others are never held up for longer.
"""

import datetime as dt
import time
from collections.abc import Callable
from typing import Final
from uuid import UUID

import psycopg
from psycopg import sql

from lifecycle.services.moving.companions import OF_PEOPLE, list_people
from lifecycle.services.moving.sides import MoveRefused, Side, Table

# The platform role finds people and keys by these, at log-in, for as long as the tenant is here.
STILL_FOUND: Final = ("tenants_", "auth_", "audit_", "customer_lifecycle_history")
LOCK_MS: Final = 200
PAUSE_SECONDS: Final = 0.1
# Someone's transaction may hold a table for a minute (the roles' limits), not longer.
PATIENCE_SECONDS: Final = 90.0

_POLICY: Final = "SELECT FROM pg_policy WHERE polrelid = {regclass}::regclass AND polname = {name}"


def quiet(side: Side, tenant_id: UUID, *, entirely: bool = False) -> None:
    """Hide the tenant's work from workers; ``entirely``: the tenant itself, where it is only a copy. Repeatable."""
    name = _name("quiet", tenant_id)
    for table in side.moving_tables:
        if table.platform_reads and (entirely or not table.name.startswith(STILL_FOUND)):
            _on_table(
                side,
                table.name,
                _POLICY,
                sql.SQL("CREATE POLICY {} ON {} AS RESTRICTIVE FOR SELECT TO c360_platform USING (NOT ({}))").format(
                    sql.Identifier(name), sql.Identifier(table.name), table.of(tenant_id)
                ),
                name,
            )


def fence(side: Side, tenant_id: UUID, *, until: dt.datetime | None = None) -> None:
    """Refuse every write to the tenant's rows, by that server's clock at most until then. When it returns, none is on
    its way any more. Repeatable: the last ``until`` holds.
    """
    name = _name("fence", tenant_id)
    refuse = sql.SQL("EXECUTE FUNCTION refuse_while_moving({})").format(
        sql.Literal(until.isoformat()) if until else sql.SQL("")
    )
    for table in side.tables:
        # What the server has promised it must be able to keep, and to strike off.
        written = "INSERT OR UPDATE" if table.is_replicated else "INSERT"
        _make_trigger(side, table.name, name, written, _of(table, "NEW", tenant_id), refuse)
        if table.is_replicated:
            _make_trigger(side, table.name, f"{name}_gone", "DELETE", _of(table, "OLD", tenant_id), refuse)
    people = sql.Literal([str(one) for one in list_people(side, tenant_id)])
    for companion, _ in OF_PEOPLE:
        # Mail on its way may be struck off, and when a session was last seen is noted by those who only read.
        written = "INSERT OR UPDATE" if companion == "tenants_refreshtoken" else "INSERT"
        of_people = sql.SQL("NEW.user_id = ANY({}::uuid[])").format(people)
        _make_trigger(side, companion, name, written, of_people, refuse)


def _make_trigger(
    side: Side, table: str, name: str, written: str, condition: sql.Composed, refuse: sql.Composed
) -> None:
    """Make it, or make it again, in one transaction: there is no moment without it."""
    _patiently(
        side,
        sql.SQL(
            "CREATE OR REPLACE TRIGGER {name} BEFORE " + written + " ON {table}"
            " FOR EACH ROW WHEN ({condition}) {refuse}"
        ).format(name=sql.Identifier(name), table=sql.Identifier(table), condition=condition, refuse=refuse),
    )


def lift_fence(side: Side, tenant_id: UUID) -> None:
    """Let the tenant's rows be written again. Repeatable."""
    for row in side.ask(
        "SELECT tgrelid::regclass::text AS table, tgname AS name FROM pg_trigger"
        " WHERE tgname = ANY(%s) AND tgparentid = 0",
        [[_name("fence", tenant_id), _name("fence", tenant_id) + "_gone"]],
    ):
        _patiently(side, sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(sql.Identifier(row["name"]), _id(row)))


def show_people(side: Side, tenant_id: UUID) -> None:
    """Let log-ins and the consumer find the tenant that was hidden entirely; workers do not yet. Repeatable."""
    _lift_quiet(side, tenant_id, lambda table: table.startswith(STILL_FOUND))


def lift_quiet(side: Side, tenant_id: UUID) -> None:
    """Show the tenant's work to workers again. Repeatable."""
    _lift_quiet(side, tenant_id, lambda _: True)


def _lift_quiet(side: Side, tenant_id: UUID, is_meant: Callable[[str], bool]) -> None:
    found = side.ask(
        "SELECT polrelid::regclass::text AS table, polname AS name FROM pg_policy WHERE polname = %s",
        [_name("quiet", tenant_id)],
    )
    for row in filter(lambda one: is_meant(one["table"]), found):
        _patiently(side, sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(sql.Identifier(row["name"]), _id(row)))


def is_fenced(side: Side, tenant_id: UUID) -> bool:
    """Whether every table refuses writes of the tenant."""
    fenced = side.ask_one(
        "SELECT count(*) FROM pg_trigger WHERE tgname = %s AND tgparentid = 0", [_name("fence", tenant_id)]
    )
    return bool(fenced == len(side.tables) + len(OF_PEOPLE))


def wait_until(is_so: Callable[[], bool], *, seconds: float, what: str, pause: float = 0.05) -> None:
    """Look again and again. Raises MoveRefused after so long."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            raise MoveRefused(f"After {seconds:.0f} s {what}.")
        time.sleep(pause)


def _on_table(side: Side, table: str, exists: str, made: sql.Composed, name: str) -> None:
    """Make it unless it is there; several statements are one transaction."""
    there = sql.SQL(exists).format(regclass=sql.Literal(table), name=sql.Literal(name))
    if not side.ask(there):
        _patiently(side, made)


def _patiently(side: Side, statement: sql.Composed) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with side.connection.transaction():
                side.connection.execute(f"SET LOCAL lock_timeout = '{LOCK_MS}ms'")
                side.connection.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            if time.monotonic() > until:
                raise MoveRefused(
                    f"A table of server {side.name} could not be locked for {PATIENCE_SECONDS:.0f} s: a long"
                    " transaction holds it (pg_stat_activity says which). Run the command again."
                ) from error
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _of(table: Table, row: str, tenant_id: UUID) -> sql.Composed:
    return sql.SQL("{}.{} = {}").format(
        sql.SQL(row), sql.Identifier(table.column), sql.Literal(str(tenant_id))
    )  # a trigger's condition knows NEW and OLD only


def _id(row: dict[str, str]) -> sql.Identifier:
    return sql.Identifier(row["table"].strip('"'))


def _name(kind: str, tenant_id: UUID) -> str:
    return f"moving_{kind}_{tenant_id.hex}"
