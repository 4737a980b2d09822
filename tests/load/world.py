"""The whole shape for a run: services, a replica, a pooler, and two hosts with every process of the product."""

import contextlib
import datetime as dt
import io
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from local import signals
from local.commands import started
from local.failover import SETTINGS, ask, lead_to, standby_of
from local.folders import PROJECT, Folders, open_throwaway
from local.guard import Guard
from local.kafka.cluster import Cluster
from local.pgbouncer import POOLED, PgBouncer
from local.postgresql import PostgreSQL
from local.processes import Child, find_free_port, stop
from local.services import DATABASE_ROLES, Services, merge, say
from local.standby import Standby
from local.tansu import Tansu
from local.trouble import CannotStart
from local.valkey import Valkey
from tests.load import FLOOR
from tests.load.clients import SITE, Site
from tests.load.forked import ForkedChild
from tests.load.network import Network, Place
from tests.load.roles import CALM_STAGE, PASSWORD, RISK_STAGE, Customer
from tests.production.caddy import CADDYFILE, find_caddy

TENANT, FLOODER, PERSON = "acme", "globex", "load.visitor@acme.example"
POOL: Final = 20
READY_SECONDS: Final = 90.0
WORKERS: Final = ("consume_events", "relay_events", "run_effects", "move_customers")
SCOPES: Final = ("view_lifecycle", "update_lifecycle", "view_history")


@dataclass(slots=True)
class Host:
    """One machine of two: a proxy, the web, the event stream, and the workers."""

    place: Place
    folders: Folders
    guard: Guard
    env: dict[str, str]
    ports: dict[str, int]
    # In a small run its processes are forked of one that has loaded the product.
    forks: bool = False
    children: dict[str, Child] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start these processes, or all."""
        for name in names or (*self._commands(), "caddy"):
            self.children[name] = child = self._make(name)
            child.start()

    def kill(self, *names: str) -> None:
        """With -9, these or all, and whatever they have started."""
        for name in names or tuple(self.children):
            child = self.children[name]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def await_ready(self) -> None:
        """Until the proxy leads to a web that answers. Raises CannotStart."""
        deadline = time.monotonic() + READY_SECONDS
        trust = None
        while time.monotonic() < deadline:
            signals.pause(0.1)
            for child in self.children.values():
                if not child.is_running():
                    raise CannotStart(f"{child.name} {child.describe_end()}: {child.last_words(5)}")
            if trust is None and self.authority.exists():
                trust = ssl.create_default_context(cafile=str(self.authority))
            if trust is not None and self._answers(trust):
                return
        raise CannotStart(f"host {self.place.name} was not ready; its logs are {self.folders.logs}")

    @property
    def authority(self) -> Any:
        """The certificate of the authority that Caddy makes."""
        return self._folder / "data/caddy/pki/authorities/local/root.crt"

    @property
    def address(self) -> tuple[str, int]:
        """Where clients come to."""
        return self.place.address, self.ports["https"]

    @property
    def _folder(self) -> Any:
        return self.folders.data / f"caddy-{self.place.name}"

    def _answers(self, trust: ssl.SSLContext) -> bool:
        request = f"GET {FLOOR} HTTP/1.1\r\nHost: {SITE}\r\nConnection: close\r\n\r\n"
        try:
            with (
                socket.create_connection(self.address, timeout=2) as plain,
                trust.wrap_socket(plain, server_hostname=SITE) as connection,
            ):
                connection.sendall(request.encode())
                return b" 200 " in connection.recv(64)
        except OSError:
            return False

    def _commands(self) -> dict[str, list[str]]:
        serve = ["-m", "config.serve"]
        return {
            "web": [*serve, "web", "--port", str(self.ports["web"])],
            "stream": [*serve, "stream", "--port", str(self.ports["stream"])],
            **{name: ["manage.py", name] for name in WORKERS},
        }

    def _make(self, name: str) -> Child:
        log = self.folders.logs / f"{name}-{self.place.name}-{time.monotonic_ns()}.log"
        if name == "caddy":
            self._folder.mkdir(exist_ok=True)
            env = {
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "XDG_DATA_HOME": str(self._folder / "data"),
                "XDG_CONFIG_HOME": str(self._folder / "config"),
                "HTTP_PORT": str(self.ports["http"]),
                "HTTPS_PORT": str(self.ports["https"]),
                "SITE_ADDRESS": SITE,
                "WEB_UPSTREAM": f"127.0.0.1:{self.ports['web']}",
                "STREAM_UPSTREAM": f"127.0.0.1:{self.ports['stream']}",
            }
            argv = [find_caddy(), "run", "--adapter", "caddyfile", "--config", str(CADDYFILE)]
            return Child(f"caddy-{self.place.name}", [*self.place.prefix, *argv], self.guard, env=env, log=log)
        command = [sys.executable, *self._commands()[name]]
        if self.forks:
            network = self.place.prefix[-1] if self.place.prefix else ""
            return ForkedChild(
                f"{name}-{self.place.name}", command, self.guard, env=merge(self.env), log=log, network=network
            )
        argv = [*self.place.prefix, *command]
        return Child(f"{name}-{self.place.name}", argv, self.guard, env=merge(self.env), cwd=PROJECT, log=log)


@dataclass(slots=True)
class World:
    """Everything that runs."""

    guard: Guard
    network: Network
    services: Services
    env: dict[str, str]
    primary: PostgreSQL
    standby: Standby
    pooler: PgBouncer | None
    kafka: Cluster | None
    hosts: tuple[Host, Host]
    keys: dict[str, list[str]]
    customers: list[Customer]

    @property
    def site(self) -> Site:
        """As clients know it."""
        trust = ssl.create_default_context()
        for host in self.hosts:
            trust.load_verify_locations(cafile=str(host.authority))
        return Site(tuple(host.address for host in self.hosts), trust)

    @property
    def valkey(self) -> Valkey:
        """The one that runs."""
        return next(one for one in self.services.running if isinstance(one, Valkey))

    @property
    def broker(self) -> Tansu | None:
        """The embedded one, if it is that."""
        return next((one for one in self.services.running if isinstance(one, Tansu)), None)

    def ask(self, query: str) -> list[Any]:
        """Rows from the primary, as a superuser."""
        return ask(self.primary, self.env, query)

    def revive(self) -> list[str]:
        """Start again what has ended by itself, as a supervisor does; what that was."""
        ended = []
        for host in self.hosts:
            for name, child in list(host.children.items()):
                if not child.is_running():
                    ended.append(f"{child.name} {child.describe_end()}: {child.last_words()[:200]}")
                    child.sweep()
                    host.start(name)
        return ended


@contextlib.contextmanager
def build_world(
    guard: Guard,
    network: Network,
    *,
    customers: int,
    accounts: int,
    kafka: bool,
    mutant: str,
    has_pooler: bool,
    forks: bool,
) -> Iterator[World]:
    """All of it, ready; stopped in order at the end. ``forks``: the product is loaded once for all its processes."""
    folders = open_throwaway(guard, durable=True)
    with contextlib.ExitStack() as stack:
        given: dict[str, str] = {}
        cluster = None
        if kafka:
            cluster = Cluster(folders, guard, host=network.address or "127.0.0.1")
            stack.callback(cluster.stop)
            cluster.start()
            given["KAFKA_BOOTSTRAP_SERVERS"] = cluster.servers
        services = Services(folders, guard, given=given, fast=False, postgresql=SETTINGS, host=network.address)
        stack.enter_context(started(services))
        primary = services.running[0]
        assert isinstance(primary, PostgreSQL)
        env = services.env
        env |= {
            "KAFKA_PARTITIONS": "3",
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "LOGIN_ATTEMPTS_PER_MINUTE": "100000",
            "STATIC_ROOT": str(folders.data / "static"),
            "LOG_FORMAT": "ecs",
        }
        (folders.data / "static").mkdir()
        keys, chosen = prepare(env, customers=customers, accounts=accounts)
        standby = stack.enter_context(standby_of(primary, guard))
        shape, pooler = dict(env), None
        host = network.address or "127.0.0.1"
        both = {name: lead_to(env[name], primary.port, standby.port, host=host) for name in DATABASE_ROLES}
        if has_pooler:
            pooler = PgBouncer(guard, folders.runtime / "pgbouncer", [env[name] for name in POOLED])
            pooler.host, pooler.connections = host, POOL
            stack.callback(lambda: stop([pooler.child]) if pooler and pooler.child else None)
            pooler.launch()
            both |= {name: pooler.lead(env[name]) for name in POOLED}
            shape["DATABASE_POOLER"] = "true"
        parts = urlsplit(env["DATABASE_URL"])
        shape |= both | {
            "DATABASE_REPLICA_URL": parts._replace(
                netloc=f"{parts.username}:{parts.password}@{host}:{standby.port}"
            ).geturl(),
            "DJANGO_SETTINGS_MODULE": "tests.load.settings",
            "LOAD_MUTANT": mutant,
            "DEBUG": "true",
            "ALLOWED_HOSTS": SITE,
            "CSRF_TRUSTED_ORIGINS": f"https://{SITE}",
            "SITE_URL": f"https://{SITE}",
            "TRUSTED_PROXY_TLS": "true",
            "TRUSTED_PROXIES": "127.0.0.1",
            "EVENT_STREAM_URL": "/live",
            "DATA_AT_REST": "luks",
        }
        hosts = tuple(Host(place, folders, guard, shape, choose_ports(place), forks=forks) for place in network.places)
        stack.callback(lambda: stop([child for one in hosts for child in one.children.values()]))
        for one in hosts:
            one.start()
        for one in hosts:
            one.await_ready()
        yield World(
            guard, network, services, env, primary, standby, pooler, cluster, (hosts[0], hosts[1]), keys, chosen
        )
        signals.take()


def choose_ports(place: Place) -> dict[str, int]:
    """Those of an installation where the host has them for itself, else free ones."""
    if place.prefix:
        return {"https": 443, "http": 80, "web": 8000, "stream": 8001}
    return {name: find_free_port() for name in ("https", "http", "web", "stream")}


def prepare(env: dict[str, str], *, customers: int, accounts: int) -> tuple[dict[str, list[str]], list[Customer]]:
    """Schema, data, accounts; the keys of both tenants, and the customers that clients move."""
    os.environ.update(env | {"DEBUG": "true", "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_AT_REST": "luks"})
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections
    from django.utils import timezone

    from tenants.actors import system_actor
    from tenants.context import tenant_context
    from tenants.roles import Role
    from tenants.services.accounts.api_keys import create_key
    from tenants.services.accounts.people import create_user
    from tenants.services.directory import find_tenant

    for name, options in (("provision_database", {}), ("migrate", {}), ("load_demo", {"customers": customers})):
        began = time.monotonic()
        call_command(name, verbosity=0, stdout=io.StringIO(), **options)
        say(f"{name} done in {time.monotonic() - began:.1f} s")
    keys: dict[str, list[str]] = {}
    now, actor = timezone.now(), system_actor("load")
    for slug in (TENANT, FLOODER):
        tenant = find_tenant(slug)
        assert tenant is not None
        keys[slug] = []
        for number in range(accounts):
            account = create_user(
                username=f"load{number}@{slug}.example",
                role=Role.ACCOUNT_MANAGER,
                tenant=tenant,
                now=now,
                is_service_account=True,
                updates_per_hour=10_000_000 if slug == TENANT else 600,
            )
            with tenant_context(tenant.id):
                made = create_key(
                    account=account,
                    name="load",
                    scopes=SCOPES,
                    expires_at=now + dt.timedelta(days=1),
                    tenant=tenant,
                    actor=actor,
                    now=now,
                )
            keys[slug].append(made.secret)
        if slug == TENANT:
            create_user(username=PERSON, role=Role.ACCOUNT_MANAGER, tenant=tenant, now=now, password=PASSWORD)
    connections.close_all()
    return keys, find_customers(env)


def find_customers(env: dict[str, str]) -> list[Customer]:
    """Those in one of the two stages."""
    import psycopg

    parts = urlsplit(env["DATABASE_ADMIN_URL"])
    with psycopg.connect(parts._replace(path=urlsplit(env["DATABASE_URL"]).path).geturl()) as connection:
        rows = connection.execute(
            "SELECT c.id::text, c.external_id FROM lifecycle_customer c"
            " JOIN customer_lifecycle_status s ON s.tenant_id = c.tenant_id AND s.customer_id = c.id"
            " JOIN tenants_tenant t ON t.id = c.tenant_id WHERE t.slug = %s AND s.stage = ANY(%s) ORDER BY c.id",
            [TENANT, [CALM_STAGE, RISK_STAGE]],
        ).fetchall()
    return [Customer(*row) for row in rows]
