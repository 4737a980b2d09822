"""A database of its own, on the server of the environment, for the time of a run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

DATABASE = f"c360_bench_{os.getpid()}"
ROLES = ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_RELAY_URL", "DATABASE_OWNER_URL")


class CannotMeasure(Exception):
    """The environment lacks what a run needs; the sentence says what."""


@contextmanager
def opened_world() -> Iterator[None]:
    """Django on a fresh database with the product's schema and the peers' tables. Dropped at the end.

    Settings are those of production: no DEBUG, behind a proxy that ends TLS.
    """
    missing = [
        name
        for name in (*ROLES, "DATABASE_ADMIN_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")
        if not os.environ.get(name)
    ]
    if missing:
        raise CannotMeasure(f"Set {', '.join(missing)}, or run `python -m local bench`, which starts its own services.")
    for name in ROLES:
        os.environ[name] = urlunsplit(urlsplit(os.environ[name])._replace(path=f"/{DATABASE}"))
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "DEBUG": "false",
        "ALLOWED_HOSTS": "127.0.0.1",
        "DATA_AT_REST": os.environ.get("DATA_AT_REST") or "development",
        "TRUSTED_PROXY_TLS": "true",
        "LOG_LEVEL": "ERROR",
        # The limit has a test of its own; here one client makes more changes in a minute than people do in a year.
        "UPDATES_PER_HOUR": "100000000",
        "KAFKA_TOPIC_PREFIX": f"{DATABASE}.",
        # Endpoints of webhooks are processes of the run.
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1",
    }
    _drop()
    try:
        _build()
        yield
    finally:
        _drop()


def _build() -> None:
    import django

    django.setup()
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connections

    call_command("provision_database", stdout=StringIO())
    call_command("migrate", verbosity=0)
    with connections["owner"].schema_editor() as editor:
        for label in ("django_fsm_log", "peers"):
            for model in apps.get_app_config(label).get_models():
                editor.create_model(model)
    connections["owner"].close()


def _drop() -> None:
    with psycopg.connect(os.environ["DATABASE_ADMIN_URL"], autocommit=True) as administrator:
        administrator.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(DATABASE)))


def read_size(name: str, default: int) -> int:
    """A size of the run from the environment, for example BENCH_CUSTOMERS."""
    text = os.environ.get(name, "")
    if text and not (text.isdecimal() and int(text) > 0):
        raise CannotMeasure(f"{name} must be a whole number above 0, not {text!r}.")
    return int(text or default)
