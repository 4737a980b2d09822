"""The copy: a publication of one tenant's rows, a slot, and a subscription on the other server, all PostgreSQL's."""

from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql

from lifecycle.services.moving.fences import wait_until
from lifecycle.services.moving.sides import MoveRefused, Side

# As long as rows are being copied, how often to look.
LOOK_SECONDS: Final = 0.2


def name_of(tenant_id: UUID) -> str:
    """What publication, slot and subscription of a tenant's move are called."""
    return f"moving_{tenant_id.hex}"


def publish(source: Side, tenant_id: UUID) -> None:
    """Publish the tenant's rows of every table that moves. Repeatable."""
    name = name_of(tenant_id)
    if source.ask("SELECT FROM pg_publication WHERE pubname = %s", [name]):
        return
    tables = sql.SQL(", ").join(
        sql.SQL("TABLE {} WHERE ({})").format(sql.Identifier(table.name), table.of(tenant_id))
        for table in source.moving_tables
    )
    source.do(
        sql.SQL("CREATE PUBLICATION {} FOR {} WITH (publish_via_partition_root = true)").format(
            sql.Identifier(name), tables
        )
    )


def subscribe(source: Side, target: Side, tenant_id: UUID) -> None:
    """Begin to copy, and to follow. The slot is made first, so that a subscription always finds its own. Repeatable."""
    name = name_of(tenant_id)
    if target.ask("SELECT FROM pg_subscription WHERE subname = %s", [name]):
        return
    if not source.ask("SELECT FROM pg_replication_slots WHERE slot_name = %s", [name]):
        source.do("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
    target.do(
        # As its owner, a superuser, whom row-level security does not bind: the tables' owners are bound (FORCE).
        sql.SQL(
            "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION {} WITH (create_slot = false, slot_name = {},"
            " run_as_owner = true, copy_data = true, disable_on_error = true, streaming = off,"
            # That a table is copied is kept before its slot is dropped: otherwise a server that crashes in between
            # looks for the slot for ever.
            " synchronous_commit = on)"
        ).format(sql.Identifier(name), sql.Literal(source.address), sql.Identifier(name), sql.Literal(name))
    )


def resume(target: Side, tenant_id: UUID) -> None:
    """Let a subscription that has stopped try once more: it stops as well when the source's server has gone down.
    Repeatable; what stopped it for good stops it again.
    """
    name = name_of(tenant_id)
    stopped = "SELECT FROM pg_subscription WHERE subname = %s AND NOT subenabled AND subslotname IS NOT NULL"
    if target.ask(stopped, [name]):
        target.do(sql.SQL("ALTER SUBSCRIPTION {} ENABLE").format(sql.Identifier(name)))


def count_copied(target: Side, tenant_id: UUID) -> tuple[int, int]:
    """How many tables are copied, and of how many. Raises MoveRefused when the subscription has met an error."""
    (row,) = target.ask(
        "SELECT s.subenabled AS enabled, count(*) AS tables, count(*) FILTER (WHERE r.srsubstate = 'r') AS ready"
        "  FROM pg_subscription s LEFT JOIN pg_subscription_rel r ON r.srsubid = s.oid"
        " WHERE s.subname = %s GROUP BY s.subenabled",
        [name_of(tenant_id)],
    ) or [{"enabled": False, "tables": 0, "ready": 0}]
    if not row["enabled"]:
        raise MoveRefused(
            f"The subscription on server {target.name} has stopped; the log of that server says at which row. Nothing"
            " was changed for the tenant. Run the command again if a server was away; otherwise correct the cause, take"
            " the copy back with --abort, and begin again."
        )
    return row["ready"], row["tables"]


def follow(target: Side, tenant_id: UUID) -> None:
    """Everything is copied: changes need not wait for the disk one by one. The source keeps each until it is on it.
    Repeatable.
    """
    name = sql.Identifier(name_of(tenant_id))
    target.do(sql.SQL("ALTER SUBSCRIPTION {} SET (synchronous_commit = off)").format(name))


def find_lost(source: Side, target: Side, tenant_id: UUID) -> list[str]:
    """Tables that will never be copied to the end: the target still means to follow them, and their slots are gone."""

    def followed() -> dict[str, str]:
        rows = target.ask(
            "SELECT r.srrelid::regclass::text AS name,"
            "       format('pg_%%s_sync_%%s_%%s', s.oid, r.srrelid, c.system_identifier) AS slot"
            "  FROM pg_subscription s JOIN pg_subscription_rel r ON r.srsubid = s.oid, pg_control_system() c"
            " WHERE s.subname = %s AND r.srsubstate = 'f'",
            [name_of(tenant_id)],
        )
        return {row["name"]: row["slot"] for row in rows}

    before = followed()
    query = "SELECT slot_name FROM pg_replication_slots WHERE slot_name = ANY(%s)"
    kept = {row["slot_name"] for row in source.ask(query, [list(before.values())])}
    # One that was done in between has lost its slot as it should.
    return sorted(name for name, slot in followed().items() if name in before and slot not in kept)


def await_caught_up(source: Side, target: Side, tenant_id: UUID, *, seconds: float) -> None:
    """Wait until the target has everything that was committed on the source when this was called."""
    reached = source.ask_one("SELECT pg_current_wal_insert_lsn()")

    def has_caught_up() -> bool:
        count_copied(target, tenant_id)
        return bool(
            source.ask_one(
                "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s",
                [reached, name_of(tenant_id)],
            )
        )

    wait_until(has_caught_up, seconds=seconds, what=f"server {target.name} had not caught up with {source.name}")


def set_sequences(source: Side, target: Side) -> None:
    """Let no number that the source has given be given again. Repeatable."""
    for table in source.moving_tables:
        for column in table.numbered:
            here = source.ask_one("SELECT pg_get_serial_sequence(%s, %s)", [table.name, column])
            there = target.ask_one("SELECT pg_get_serial_sequence(%s, %s)", [table.name, column])
            given = source.ask_one(sql.SQL("SELECT last_value FROM {}").format(_sequence(here)))
            target.do(
                sql.SQL("SELECT setval({}, greatest(last_value, {})) FROM {}").format(
                    sql.Literal(there), sql.Literal(given), _sequence(there)
                )
            )


def unsubscribe(target: Side, tenant_id: UUID) -> None:
    """End the subscription, with the slots of tables that were being copied, and leave its own to ``unpublish``.
    Repeatable.
    """
    name = name_of(tenant_id)
    if target.ask("SELECT FROM pg_subscription WHERE subname = %s", [name]):
        subscription = sql.Identifier(name)
        target.do(sql.SQL("ALTER SUBSCRIPTION {} DISABLE").format(subscription))
        target.do(sql.SQL("ALTER SUBSCRIPTION {} SET (slot_name = NONE)").format(subscription))
        target.do(sql.SQL("DROP SUBSCRIPTION {}").format(subscription))


def unpublish(source: Side, tenant_id: UUID) -> None:
    """Drop the slot and the publication. Repeatable."""
    name = name_of(tenant_id)

    def is_free() -> bool:
        try:
            source.ask(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE slot_name = %s AND database = current_database()",
                [name],
            )
        except psycopg.errors.ObjectInUse:
            return False
        return True

    wait_until(is_free, seconds=60, what=f"the slot {name} on server {source.name} was still in use", pause=0.2)
    source.do(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def is_followed(source: Side, target: Side, tenant_id: UUID) -> bool:
    """Whether anything of the copying is left."""
    name = name_of(tenant_id)
    return bool(
        target.ask("SELECT FROM pg_subscription WHERE subname = %s", [name])
        or source.ask("SELECT FROM pg_replication_slots WHERE slot_name = %s", [name])
        or source.ask("SELECT FROM pg_publication WHERE pubname = %s", [name])
    )


def _sequence(name: Any) -> sql.SQL:
    # As pg_get_serial_sequence writes it: qualified, and quoted where it must be.
    return sql.SQL(str(name))
