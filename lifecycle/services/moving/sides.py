"""The two servers of a move, as their administrators see them: every row of every tenant, and the catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.rows import dict_row

from storage.servers import MAIN

# Tables whose tenant has another name than tenant_id.
TENANT_COLUMNS: Final[Mapping[str, str]] = {
    "tenants_tenant": "id",
    "tenants_tenantuserobjectpermission": "content_object_id",
    "tenants_tenantgroupobjectpermission": "content_object_id",
}
# What has been promised by a server is kept by it: its outbox is drained, and copies in Redis are its own.
OF_THE_SERVER: Final = frozenset({"audit_outbox", "lifecycle_stalecopies"})
# About tenants, and no tenant's.
ABOUT_TENANTS: Final = frozenset({"tenants_home", "audit_departure"})

SAME_TEXT: Final = " ".join(
    f"-c {setting}"
    for setting in ("timezone=UTC", "datestyle=ISO", "bytea_output=hex", "extra_float_digits=1", "search_path=public")
)

_TABLES: Final = """
SELECT c.relname AS name, c.relkind = 'p' AS is_partitioned,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname) AS columns,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL) AS numbered,
       ARRAY(SELECT p.relid::regclass::text FROM pg_partition_tree(c.oid) p WHERE p.isleaf ORDER BY 1) AS leaves,
       EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid AND polname = 'c360_platform_reads') AS platform_reads
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
 ORDER BY c.relname
"""


class MoveRefused(Exception):
    """A move cannot begin, or not go on; the sentence says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of tenants. ``column`` names the tenant, ``numbered`` columns have a sequence."""

    name: str
    column: str
    columns: tuple[str, ...]
    numbered: tuple[str, ...]
    leaves: tuple[str, ...]
    platform_reads: bool

    @property
    def is_replicated(self) -> bool:
        """Whether its rows move; the others are the server's own and stay until the end."""
        return self.name not in OF_THE_SERVER

    def of(self, tenant_id: UUID) -> sql.Composed:
        """The condition that a row is the tenant's."""
        return sql.SQL("{} = {}").format(sql.Identifier(self.column), sql.Literal(str(tenant_id)))


@dataclass(slots=True)
class Side:
    """One server: its name, an autocommitting connection of its administrator, and the tables of tenants there."""

    name: str
    connection: psycopg.Connection[Any]
    address: str
    _tables: list[Table] = field(default_factory=list)

    def ask(self, query: Any, parameters: Any = None) -> list[dict[str, Any]]:
        """The rows of a query, by the names of their columns."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()

    def ask_one(self, query: Any, parameters: Any = None) -> Any:
        """The first value of the first row; None without one."""
        row = self.connection.execute(query, parameters).fetchone()
        return row[0] if row else None

    def do(self, statement: Any, parameters: Any = None) -> int:
        """Run a statement; how many rows it concerned."""
        return self.connection.execute(statement, parameters).rowcount

    @property
    def tables(self) -> Sequence[Table]:
        """The tables with rows of tenants, by name. Asked once."""
        if not self._tables:
            self._tables = [
                Table(
                    name=row["name"],
                    column=TENANT_COLUMNS.get(row["name"], "tenant_id"),
                    columns=tuple(row["columns"]),
                    numbered=tuple(row["numbered"]),
                    leaves=tuple(row["leaves"]) if row["is_partitioned"] else (row["name"],),
                    platform_reads=row["platform_reads"],
                )
                for row in self.ask(_TABLES)
                if row["name"] not in ABOUT_TENANTS and ("tenant_id" in row["columns"] or row["name"] in TENANT_COLUMNS)
            ]
        return self._tables

    @property
    def moving_tables(self) -> Sequence[Table]:
        """Those whose rows are copied."""
        return [table for table in self.tables if table.is_replicated]


@contextmanager
def open_side(name: str) -> Iterator[Side]:
    """The administrator's connection to the product's database on a server. Raises MoveRefused."""
    address = _find_address(name)
    try:
        # The text of a row is compared between servers: it must not depend on how a server is set.
        connection = psycopg.connect(
            address,
            autocommit=True,
            connect_timeout=5,
            options=SAME_TEXT,
            application_name="customer360 move_tenant",
        )
    except psycopg.OperationalError as error:
        raise MoveRefused(f"Server {name} cannot be reached: {' '.join(str(error).split())}") from error
    with connection:
        if not connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0]:  # type: ignore[index]
            raise MoveRefused(f"The admin address of server {name} must be a superuser's: it sets up replication.")
        yield Side(name, connection, address)


def _find_address(name: str) -> str:
    """The administrator's login, in the database that the application's address names."""
    if name == MAIN:
        admin, variable = settings.DATABASE_ADMIN_URL, "DATABASE_ADMIN_URL"
        database = settings.DATABASES["default"]["NAME"]
    elif name in settings.DATABASE_SERVERS:
        admin, variable = settings.DATABASE_SERVER_ADMINS[name], f"admin of server {name} in DATABASE_SERVERS"
        database = settings.DATABASE_SERVERS[name].get("default", {}).get("NAME", "")
    else:
        known = ", ".join([MAIN, *settings.DATABASE_SERVERS])
        raise MoveRefused(f"There is no server {name}; there are {known} (DATABASE_SERVERS).")
    if not admin or not database:
        raise MoveRefused(f"Moving needs {variable}, and the address of the application there.")
    return urlunsplit(urlsplit(admin)._replace(path=f"/{database}"))
