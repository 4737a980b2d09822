"""Bringing everything that is encrypted under the newest master key, so that an older one can be destroyed.

Data keys and encrypted messages are re-wrapped; the values themselves stay as they are. Each batch is a transaction of
its own: interrupted anywhere, a second run goes on with what is left.
"""

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from audit.services.keys import count_old_keys, rewrap_keys
from audit.services.message_encryption import rewrap_message
from lifecycle.models.events import NO_TENANT
from lifecycle.services.transitions.idempotency import count_old_answers, rewrap_answers
from storage import cipher
from storage.away import AwayServers
from storage.cursors import bytea_array, plain_array, prepared_cursor
from storage.servers import current_server, has_servers, server_names
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import find_server
from tenants.services.directory import list_tenants_everywhere

BATCH: Final = 2000
# Table -> its encrypted column, and rows of a batch: pieces of uploaded files are large.
ENCRYPTED_TABLES: Final = {
    "lifecycle_deadletter": ("value", BATCH),
    "lifecycle_parkedevent": ("value", BATCH),
    "lifecycle_webhooksecret": ("value", BATCH),
    "lifecycle_importpart": ("value", 20),
    "tenants_tokenissuer": ("client_secret", BATCH),
}
# Messages whose tenant could not be determined are kept under a tenant of their own.
NAMELESS: Final = TenantRef(NO_TENANT, "(no tenant)")

# A encrypted value starts with its version, 1, and two bytes of master key id; other messages are JSON.
_IS_OLD: Final = """
{column} IS NOT NULL AND octet_length({column}) > 3 AND get_byte({column}, 0) = 1
    AND get_byte({column}, 1) * 256 + get_byte({column}, 2) <> %(newest)s::int
"""
LOCK_OLD: Final = """
SELECT id, {column} FROM {table} WHERE tenant_id = %(tenant_id)s::uuid AND {is_old}
 ORDER BY id LIMIT %(limit)s::int FOR UPDATE SKIP LOCKED
"""
REWRAP: Final = """
UPDATE {table} t SET {column} = i.value FROM unnest(%(ids)s::uuid[], %(values)s::bytea[]) AS i(id, value)
 WHERE t.tenant_id = %(tenant_id)s::uuid AND t.id = i.id
"""
COUNT_OLD: Final = "SELECT count(*) FROM {table} WHERE tenant_id = %(tenant_id)s::uuid AND {is_old}"


def list_keepers(away: AwayServers | None = None) -> list[tuple[str, TenantRef]]:
    """Every tenant that may keep something encrypted, with its server, and for each server that this process may go to
    the one of messages that belong to none. A statement a server. A server that is away is noted in ``away``.
    """
    tenants = list_tenants_everywhere(suspended_too=True, away=away)
    kept = [(find_server(tenant.id) if has_servers() else current_server(), tenant) for tenant in tenants]
    return [*kept, *((name, NAMELESS) for name in server_names())]


def rotate_tenant(tenant_id: UUID) -> Iterator[int]:
    """Re-wrap what is under an older master key, batch by batch; yields how many each batch re-wrapped.

    Call outside of any transaction. Raises Undecryptable when a master key that is still needed is not in the ring.
    """
    while True:
        with tenant_context(tenant_id):
            allow_seconds(JOB_SECONDS)
            done = rewrap_keys(tenant_id, limit=BATCH)
            done += sum(_rewrap(tenant_id, table, column, limit) for table, (column, limit) in ENCRYPTED_TABLES.items())
            done += rewrap_answers(tenant_id, limit=BATCH)
        if not done:
            return
        yield done


def count_old(tenant_id: UUID) -> int:
    """How many keys and messages of the tenant are under an older master key. One statement a table.

    Messages that are still to be published count as well: they leave by themselves.
    """
    parameters = {"tenant_id": tenant_id, "newest": cipher.newest_master_key_id()}
    with tenant_context(tenant_id):
        allow_seconds(JOB_SECONDS)
        old: int = count_old_keys(tenant_id)
        with prepared_cursor("default") as cursor:
            for table, (column, _) in ENCRYPTED_TABLES.items():
                cursor.execute(COUNT_OLD.format(table=table, is_old=_IS_OLD.format(column=column)), parameters)
                old += cursor.fetchone()[0]
            is_old = f"published_at IS NULL AND {_IS_OLD.format(column='payload')}"
            cursor.execute(COUNT_OLD.format(table="audit_outbox", is_old=is_old), parameters)
            old += cursor.fetchone()[0]
        old += count_old_answers(tenant_id)
    return old


def _rewrap(tenant_id: UUID, table: str, column: str, limit: int) -> int:
    parameters = {"tenant_id": tenant_id, "newest": cipher.newest_master_key_id(), "limit": limit}
    with prepared_cursor("default") as cursor:
        is_old = _IS_OLD.format(column=column)
        cursor.execute(LOCK_OLD.format(table=table, column=column, is_old=is_old), parameters)
        rows = [
            (row_id, rewrap_message(value, tenant_id=tenant_id, row_id=row_id) or bytes(value))
            for row_id, value in cursor.fetchall()
        ]
        if rows:
            ids, values = zip(*rows, strict=True)
            changes = {"tenant_id": tenant_id, "ids": plain_array(ids), "values": bytea_array(values)}
            cursor.execute(REWRAP.format(table=table, column=column), changes)
    return len(rows)
