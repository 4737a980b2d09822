"""The roles of the database and the database itself, made by an administrator's login; safe to repeat."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

OWNER, APP, PLATFORM, RELAY = "c360_owner", "c360_app", "c360_platform", "c360_relay"
BACKUP, AUDIT, SEARCH = "c360_backup", "c360_audit", "c360_search"
# Each role that may log in, and where its address is. Without the last one no one logs in as that role.
LOGIN_VARIABLES = {
    "DATABASE_OWNER_URL": OWNER,
    "DATABASE_URL": APP,
    "DATABASE_PLATFORM_URL": PLATFORM,
    "DATABASE_RELAY_URL": RELAY,
    "DATABASE_BACKUP_URL": BACKUP,
}
# How long each role may take: a request that waits for more than this waits in vain, and keeps others waiting. Jobs set
# their own for a transaction (storage.timeouts). Migrations wait for a lock no longer than requests wait behind them.
TIME_LIMITS: Mapping[str, Mapping[str, str]] = {
    APP: {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "30s",
        "transaction_timeout": "60s",
    },
    PLATFORM: {
        "statement_timeout": "60s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "30s",
        "transaction_timeout": "120s",
    },
    RELAY: {
        "statement_timeout": "60s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
        "transaction_timeout": "300s",
    },
    OWNER: {
        "statement_timeout": "0",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "60s",
        "transaction_timeout": "0",
    },
}
PLAIN = "NOSUPERUSER NOCREATEDB NOCREATEROLE"


# uuidv7(), and what else the statements are written with (docs/decisions/0004).
LEAST_VERSION = 18
# One at a time: PostgreSQL refuses to change a role that another session has just changed. It ends with the session.
ONE_AT_A_TIME = "SELECT pg_advisory_lock(hashtextextended('provision_database', 0))"


class ProvisioningRefused(Exception):
    """The database cannot be provisioned from these addresses; the sentence says why."""


@dataclass(frozen=True, slots=True)
class RoleLogin:
    """A login role and its password, from the URL the application will use."""

    name: str
    password: str


def read_logins(urls: Mapping[str, str]) -> list[RoleLogin]:
    """The logins of the roles, by the variables that hold their URLs (LOGIN_VARIABLES). Raises ProvisioningRefused."""
    return [
        read_login(urls[variable], expected=role, variable=variable)
        for variable, role in LOGIN_VARIABLES.items()
        if urls[variable] or role != BACKUP
    ]


def version_error(number: int) -> str:
    """What is wrong with a server of this version, as libpq counts them (150010 is 15.10); empty when nothing is."""
    if number // 10_000 >= LEAST_VERSION:
        return ""
    return f"Customer 360 needs PostgreSQL {LEAST_VERSION} or newer, this is {number // 10_000}.{number % 10_000}."


def read_login(url: str, *, expected: str, variable: str) -> RoleLogin:
    """The user and password of a database URL. Raises ProvisioningRefused when it names another role."""
    parts = urlsplit(url)
    if unquote(parts.username or "") != expected:
        raise ProvisioningRefused(f"{variable} must connect as {expected}, and it names {parts.username or 'no user'}.")
    if not parts.password:
        raise ProvisioningRefused(f"{variable} needs a password for {expected}.")
    return RoleLogin(expected, unquote(parts.password))


def provision(admin_url: str, logins: list[RoleLogin], *, database: str) -> None:
    """Make roles, database, extensions and default privileges; bring passwords up to date. Repeatable, and two at once
    take turns.

    ``logins`` are those of owner, application, platform and relay; without one the backup's role logs in nowhere.
    Raises ProvisioningRefused when the server is too old; nothing was made then.
    """
    with psycopg.connect(admin_url, autocommit=True) as connection:
        if error := version_error(connection.info.server_version):
            raise ProvisioningRefused(error)
        connection.execute(ONE_AT_A_TIME)
        passwords = {login.name: login.password for login in logins}
        for name in (OWNER, APP, PLATFORM, RELAY):
            _ensure_role(connection, name, f"LOGIN {PLAIN} NOBYPASSRLS", passwords[name])
        for name in (AUDIT, SEARCH):
            _ensure_role(connection, name, f"NOLOGIN {PLAIN} NOBYPASSRLS")
        # pg_dump must be this role itself: BYPASSRLS is an attribute, which no member of a role inherits.
        may_login = "LOGIN" if BACKUP in passwords else "NOLOGIN"
        _ensure_role(connection, BACKUP, f"{may_login} {PLAIN} BYPASSRLS", passwords.get(BACKUP))
        connection.execute(f"GRANT pg_read_all_data TO {BACKUP}")
        connection.execute(f"ALTER ROLE {BACKUP} SET default_transaction_read_only = on")
        # Migrations hand tables over to these two; SET only, so that the owner never acts as them unasked.
        connection.execute(f"GRANT {AUDIT}, {SEARCH} TO {OWNER} WITH INHERIT FALSE, SET TRUE")
        connection.execute(f"ALTER ROLE {APP} SET row_security = on")
        # Lists follow indexes: with the costs of a spinning disk the planner reads a whole tenant and sorts instead.
        connection.execute(f"ALTER ROLE {APP} SET random_page_cost = 1.1")
        connection.execute(f"ALTER ROLE {APP} SET jit = off")
        # The relay looks for the first of what waits, again and again: by index, also in a period of which the planner
        # knows nothing yet.
        for way in ("enable_seqscan", "enable_bitmapscan"):
            connection.execute(f"ALTER ROLE {RELAY} SET {way} = off")
        for name in (APP, PLATFORM, RELAY):
            connection.execute(f"ALTER ROLE {name} SET timezone = 'UTC'")
        for name, limits in TIME_LIMITS.items():
            for setting, limit in limits.items():
                connection.execute(f"ALTER ROLE {name} SET {setting} = '{limit}'")
        ensure_database(connection, database)
        with psycopg.connect(_with_database(admin_url, database), autocommit=True) as inside:
            prepare_schema(inside)


def prepare_schema(connection: psycopg.Connection) -> None:
    """Extensions, schema rights and default privileges of one database (a test database needs them as well)."""
    for extension in ("pg_trgm", "btree_gin", "fuzzystrmatch"):
        connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute(f"GRANT ALL ON SCHEMA public TO {OWNER}")
    connection.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {AUDIT}, {SEARCH}")
    connection.execute(f"GRANT USAGE ON SCHEMA public TO {APP}, {PLATFORM}, {RELAY}, {BACKUP}")
    for kind, rights in (("TABLES", "SELECT, INSERT, UPDATE, DELETE"), ("SEQUENCES", "USAGE")):
        connection.execute(
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public GRANT {rights} ON {kind} TO {APP}"
        )


def _ensure_role(connection: psycopg.Connection, name: str, attributes: str, password: str | None = None) -> None:
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None
    statement = sql.SQL("{verb} ROLE {name} {attributes}").format(
        verb=sql.SQL("ALTER" if exists else "CREATE"), name=sql.Identifier(name), attributes=sql.SQL(attributes)
    )
    if password is not None:
        statement = statement + sql.SQL(" PASSWORD ") + sql.Literal(password)
    connection.execute(statement)


def ensure_database(connection: psycopg.Connection, database: str) -> None:
    """The database; our roles may connect and nothing else, not even make temporary tables.

    It belongs to the administrator: anyone who owns a database owns its schema and may drop what others own in there,
    the history among it.
    """
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [database]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO CURRENT_USER").format(sql.Identifier(database)))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database)))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(database), sql.SQL(", ").join(map(sql.Identifier, (OWNER, APP, PLATFORM, RELAY, BACKUP)))
        )
    )


def _with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
