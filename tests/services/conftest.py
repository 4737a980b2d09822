"""A second PostgreSQL server for those who work on several, and the directory that says who lives where."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings

from lifecycle.services.moving.sides import SAME_TEXT, Side
from storage import servers
from storage.servers import MAIN
from tenants.actors import TenantRef
from tenants.homes import forget_homes


@pytest.fixture
def admin(db: None) -> Iterator[Side]:
    """The server as its administrator sees it; what is done over it stays."""
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(settings.DATABASE_ADMIN_URL, dbname=name, autocommit=True, options=SAME_TEXT) as raw:
        yield Side(MAIN, raw, "")


@pytest.fixture
def second_server(db: None) -> Iterator[None]:
    """A server ``b``, which is this database once more over connections of its own."""
    own = {alias: dict(connections[alias].settings_dict) for alias in settings.DATABASES}
    servers._handler.cache_clear()
    with override_settings(DATABASE_SERVERS={"b": own}, DATABASE_ROUTERS=["storage.servers.StaysOnMain"]):
        forget_homes()
        yield
        servers.close_others()
    servers._handler.cache_clear()
    servers._thread.__dict__.clear()
    forget_homes()


@pytest.fixture
def move_home(admin: Side) -> Iterator[Callable[[TenantRef, str], None]]:
    """``move_home(tenant, "b")``: the directory says so."""
    moved: list[TenantRef] = []

    def say(tenant: TenantRef, server: str) -> None:
        admin.do(
            "INSERT INTO tenants_home (tenant_id, slug, server, facts) VALUES (%s, %s, %s, '{}')"
            " ON CONFLICT (tenant_id) DO UPDATE SET server = EXCLUDED.server",
            [tenant.id, tenant.slug, server],
        )
        moved.append(tenant)
        forget_homes()

    yield say
    admin.do("DELETE FROM tenants_home WHERE tenant_id = ANY(%s)", [[one.id for one in moved]])
