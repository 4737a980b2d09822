"""The search of somebody who holds every key: the bytes of every table and of Valkey, opened as far as the keys go."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import orjson
import psycopg
from django.conf import settings
from django.db import connections
from django_redis import get_redis_connection

from audit.services.message_encryption import decrypt_message
from lifecycle.models import NO_TENANT
from lifecycle.services.customers.profiles import PROFILE_KEY
from storage import cipher
from tenants.actors import TenantRef

TABLES = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""
# A partition has the columns of its table.
OF_CUSTOMERS = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'customer_id' AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class Person:
    """Somebody with a name, an address and so on that no one else in the world has."""

    def __init__(self) -> None:
        mark = uuid4().hex
        digits = str(int(mark[:8], 16)).zfill(10)
        self.contact = {
            "name": f"Zora Quetzal-{mark}",
            "email": f"zora.{mark}@quetzal.example",
            "phone": f"+49 170 {digits}",
        }
        self.company = f"Quetzal {mark} Ltd"
        self.note = f"She said, {mark}, that she is leaving"
        # Of the customer, and no one's name: it stays.
        self.customer = f"c-{uuid4().hex}"
        self.words = [*self.contact.values(), self.company, self.note, mark]

    def is_in(self, raw: bytes) -> bool:
        """Whether any of it stands in the bytes: as it is, as JSON writes it, in hex, in base64, in UTF-16."""
        lowered = raw.lower()
        return any(form.lower() in lowered for word in self.words for form in self._forms(word))

    @staticmethod
    def _forms(word: str) -> Iterator[bytes]:
        plain = word.encode()
        yield from (plain, json.dumps(word)[1:-1].encode(), plain.hex().encode(), word.encode("utf-16-le"))
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + plain)[4:-4]


class Search:
    """Everything that is kept, opened as far as the keys go."""

    def __init__(self, tenant: TenantRef) -> None:
        self.tenant = tenant
        name = connections["default"].settings_dict["NAME"]
        self.admin = psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True)
        rows = self.admin.execute(
            "SELECT subject_id, wrapped FROM audit_data_key WHERE tenant_id = %s", [tenant.id]
        ).fetchall()
        self.keys = [cipher.unwrap(wrapped, tenant_id=tenant.id, subject_id=subject) for subject, wrapped in rows]

    def find(self, person: Person) -> set[str]:
        """The places in which the person stands."""
        places = {place for place, raw in (*self._walk_tables(), *self._walk_valkey()) if person.is_in(raw)}
        self.admin.close()
        return places

    def list_tables_of_customers(self) -> set[str]:
        """Those whose rows are about one customer each, as places."""
        return {f"table {table}" for (table,) in self.admin.execute(OF_CUSTOMERS).fetchall()}

    def _walk_tables(self) -> Iterator[tuple[str, bytes]]:
        tables = [table for (table,) in self.admin.execute(TABLES).fetchall()]
        assert len(tables) > 30
        for table in tables:
            with self.admin.cursor(row_factory=psycopg.rows.dict_row) as cursor:
                for row in cursor.execute(f"SELECT * FROM {table}"):
                    if row.get("tenant_id", self.tenant.id) in (self.tenant.id, NO_TENANT, None):
                        yield from ((f"table {table}", raw) for raw in self._open_row(table, row))

    def _open_row(self, table: str, row: dict[str, Any]) -> Iterator[bytes]:
        yield orjson.dumps(row, default=lambda value: bytes(value).hex() if isinstance(value, bytes) else str(value))
        for header in row.get("headers") or ():
            if isinstance(header, list) and header[1]:
                yield base64.b64decode(header[1])
        for column, value in row.items():
            if isinstance(value, bytes):
                yield value
                yield from self._open(table, column, row, value)

    def _open(self, table: str, column: str, row: dict[str, Any], value: bytes) -> Iterator[bytes]:
        """With every key that there is."""
        ids = [one for one in row.values() if isinstance(one, UUID)]
        if "principal" in row:
            ids.append(uuid5(NAMESPACE_URL, f"{row['principal']}|{row['key']}"))
        tenant_id = row.get("tenant_id") or NO_TENANT
        attempts = [lambda one=one: decrypt_message(value, tenant_id=tenant_id, row_id=one) for one in ids]
        for key in self.keys:
            bound_to = cipher.binding(table, column, row.get("id"), tenant_id)
            attempts.append(lambda key=key, bound_to=bound_to: cipher.decrypt_bytes(key, value, bound_to=bound_to))
        for attempt in attempts:
            try:
                yield attempt()
            except (cipher.Undecryptable, ValueError):
                continue

    def _walk_valkey(self) -> Iterator[tuple[str, bytes]]:
        client = get_redis_connection("default")
        readers = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            # It has ended since the key was named.
            b"none": lambda _: b"",
        }
        for key in client.scan_iter("*", count=1000):
            kept = readers[client.type(key)](key)
            place = f"valkey {key.rsplit(b':', 1)[-1].decode(errors='replace')}"
            yield place, key
            yield place, kept if isinstance(kept, bytes) else repr(kept).encode()
            parts = key.split(b":")
            if isinstance(kept, bytes) and parts[-1] == b"profile":
                bound_to = f"{PROFILE_KEY}|{parts[1].decode()}|{parts[2].decode()}".encode()
                for start in range(len(kept)):
                    if kept[start : start + 1] == cipher.VALUE:
                        try:
                            opened = cipher.decrypt_bytes(
                                cipher.derive_key(PROFILE_KEY), kept[start:], bound_to=bound_to
                            )
                        except cipher.Undecryptable:
                            continue
                        yield place, opened
