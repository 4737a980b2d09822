"""Time that passes for a table that is filed by period: its partitions become older, rows, names and bounds."""

import datetime as dt
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg.sql import SQL, Identifier, Literal

PERIODS = SQL("SELECT leaf, began FROM periods_of({table}) ORDER BY began")
MICROSECOND = dt.timedelta(microseconds=1)


def administrator() -> psycopg.Connection[Any]:
    """A superuser's connection to the test database, each statement a transaction of its own."""
    name = connections["default"].settings_dict["NAME"]
    return psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True)


def periods_of(table: str) -> list[str]:
    """The partitions of a table, the oldest first."""
    with administrator() as admin:
        return [leaf for leaf, _ in admin.execute(PERIODS.format(table=Literal(table))).fetchall()]


def begin_period(table: str) -> str:
    """Begin the next period at once; its partition."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT begin_period(%s, clock_timestamp())", [table])
        leaf: str = cursor.fetchone()[0]
    return leaf


def grow_older(table: str, by: dt.timedelta) -> None:
    """Let every period of the table have begun so much earlier."""
    whole = Identifier(table)
    with administrator() as admin, admin.transaction():
        admin.execute("SET LOCAL timezone = 'UTC'")
        low: SQL | Literal = SQL("MINVALUE")
        for leaf, began in admin.execute(PERIODS.format(table=Literal(table))).fetchall():
            at = began - by
            name = Identifier(f"{table}_p{at:%Y%m%d%H%M%S%f}")
            admin.execute(SQL("ALTER TABLE {} DETACH PARTITION {}").format(whole, Identifier(leaf)))
            admin.execute(SQL("ALTER TABLE {} RENAME TO {}").format(Identifier(leaf), name))
            admin.execute(SQL("UPDATE {} SET period = {}").format(name, Literal(at)))
            admin.execute(
                SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    whole, name, low, Literal(at + MICROSECOND)
                )
            )
            admin.execute(SQL("ALTER TABLE ONLY {} ALTER COLUMN period SET DEFAULT {}").format(whole, Literal(at)))
            low = Literal(at + MICROSECOND)
