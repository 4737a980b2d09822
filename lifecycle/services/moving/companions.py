"""Rows that name no tenant and go with one: mail that waits, refresh tokens, budgets of changes. And super admins."""

from typing import Any, Final
from uuid import UUID

import orjson
from psycopg import sql

from lifecycle.services.moving.sides import Side

# By the column that names the person, and their key. Budgets name them as text.
OF_PEOPLE: Final = (
    ("tenants_queuedmail", "id"),
    ("tenants_opensession", "id"),
    ("tenants_refreshtoken", "digest"),
)
_STAFF: Final = "SELECT to_jsonb(u) AS row FROM tenants_user u WHERE tenant_id IS NULL"
# What a sandbox was emptied of: its seals are verified by it wherever it lives.
_EMPTIED: Final = "SELECT to_jsonb(d) AS row FROM audit_departure d WHERE tenant_id = %s AND seals_to IS NOT NULL"
_BUDGETS: Final = "SELECT to_jsonb(b) AS row FROM lifecycle_update_budget b WHERE actor = ANY(%s)"


def list_people(side: Side, tenant_id: UUID) -> list[UUID]:
    """The ids of the tenant's people on a server."""
    return [row["id"] for row in side.ask("SELECT id FROM tenants_user WHERE tenant_id = %s", [tenant_id])]


def copy_companions(source: Side, target: Side, tenant_id: UUID) -> None:
    """Copy what waits for the tenant's people and what they are known by, while they are fenced. Repeatable.

    Their mail is put off on both sides until ``release_mail``: the source's senders do not take what the target's will
    send, and to those the tenant is hidden still, who forget mail for a person that there is not.
    """
    people = list_people(source, tenant_id)
    target.do("SET session_replication_role = replica")  # past the fence, as replication itself
    later = "UPDATE tenants_queuedmail SET due_at = clock_timestamp() + interval '1 hour' WHERE user_id = ANY(%s)"
    source.do(later, [people])
    for table, key in OF_PEOPLE:
        rows = source.ask(
            sql.SQL("SELECT to_jsonb(t) AS row FROM {} t WHERE user_id = ANY(%s)").format(sql.Identifier(table)),
            [people],
        )
        if table == "tenants_queuedmail":
            # What an earlier attempt has brought may have been sent by the source since.
            target.do("DELETE FROM tenants_queuedmail WHERE user_id = ANY(%s)", [people])
        _put(target, table, key, rows)
    _put(target, "lifecycle_update_budget", "actor", source.ask(_BUDGETS, [[str(one) for one in people]]))
    _put(target, "audit_departure", "id", source.ask(_EMPTIED, [tenant_id]))
    target.do("SET session_replication_role = DEFAULT")


def release_mail(side: Side, tenant_id: UUID) -> None:
    """Let the mail of the tenant's people be sent from this server. Repeatable.

    What is due within two minutes may be in a sender's hands.
    """
    side.do(
        "UPDATE tenants_queuedmail SET due_at = clock_timestamp()"
        " WHERE user_id IN (SELECT id FROM tenants_user WHERE tenant_id = %s)"
        "   AND due_at > clock_timestamp() + interval '2 minutes'",
        [tenant_id],
    )


def delete_companions(side: Side, tenant_id: UUID) -> None:
    """Delete them on the server that the tenant has left, before its people are gone there. Repeatable."""
    people = list_people(side, tenant_id)
    for table, _ in OF_PEOPLE:
        side.do(sql.SQL("DELETE FROM {} WHERE user_id = ANY(%s)").format(sql.Identifier(table)), [people])
    side.do("DELETE FROM lifecycle_update_budget WHERE actor = ANY(%s)", [[str(one) for one in people]])


def copy_super_admins(main: Side, target: Side) -> int:
    """Bring the super admins on a server up to what main says; how many there are. Repeatable."""
    staff = main.ask(_STAFF)
    _put(target, "tenants_user", "id", staff)
    target.do(
        "UPDATE tenants_user SET is_active = false WHERE tenant_id IS NULL AND id <> ALL(%s)",
        [[UUID(one["row"]["id"]) for one in staff]],
    )
    return len(staff)


def _put(side: Side, table: str, key: str, rows: list[dict[str, Any]]) -> None:
    """Insert rows, or bring those that are there up to date."""
    if not rows:
        return
    columns = sorted(rows[0]["row"])
    changed = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in columns if name != key]
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    side.do(
        sql.SQL(
            "INSERT INTO {0} ({1}) SELECT {1} FROM jsonb_populate_recordset(NULL::{0}, %s::jsonb)"
            " ON CONFLICT ({2}) DO UPDATE SET {3}"
        ).format(sql.Identifier(table), names, sql.Identifier(key), sql.SQL(", ").join(changed)),
        [orjson.dumps([row["row"] for row in rows]).decode()],
    )
