"""Redis begins again, or another one takes its place."""

import signal
import subprocess
import threading
import time

import pytest
import redis as redis_py
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings

import storage.copies
from lifecycle.services.cache import cache_keys, copies
from lifecycle.services.customers.summaries import read_profile, read_tenant_summary
from local.processes import find_free_port
from local.valkey import find_program
from storage import redis
from storage.copies import Copy, Watch
from tenants.context import tenant_context
from tests.factories import utc_now
from tests.services.acts import move, report
from tests.services.cache.cached import PATIENCE, fill, fill_old, key, offer, read, refresh, shown


class Server:
    """A Valkey of this test's own."""

    def __init__(self, folder, *arguments):
        self.port = find_free_port()
        self._command = [find_program(), "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        self._command += arguments
        self.start()

    def start(self):
        self.process = subprocess.Popen([str(part) for part in self._command], stdout=subprocess.DEVNULL)
        self.client = redis_py.Redis(port=self.port)
        await_that(self.client.ping)

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


def await_that(condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            if condition():
                return
        except redis_py.RedisError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path):
    """The cache is in a Valkey of this test's own, which may die."""
    server = Server(tmp_path)
    location = {**settings.CACHES["default"], "LOCATION": f"redis://127.0.0.1:{server.port}/0"}
    with override_settings(CACHES={**settings.CACHES, "default": location}):
        forget_client()
        storage.copies.keep([Copy("c360:tests:begin", 1, 1)])
        yield server
        server.kill()
    forget_client()


def forget_client():
    redis._local.__dict__.clear()


def test_redis_that_was_restarted_empty_takes_no_value_of_before(server, ids):
    """The reader had read before the change, the writer was held up after it, and nothing remembers the newer one."""
    slow = copies.read(*ids, copies.STATUS)
    fill_old(ids)
    with transaction.atomic():
        refresh(ids, 2, "second")
        write_in_thread(ids, 3, "third")
        assert shown(ids) == "third"
        server.kill()
        server.start()
    offer(slow, 1, "first")
    assert shown(ids) is None
    fill(ids, 3, "third")
    assert shown(ids) == "third"


def write_in_thread(ids, version, says):
    def run():
        with transaction.atomic():
            refresh(ids, version, says)
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)


def test_a_replica_that_lacks_acknowledged_writes_shows_nothing_old_for_longer_than_a_look(
    server, tmp_path, tenant, customer
):
    """Status, figures, profile and totals; the day for which a profile is kept makes no difference."""
    (tmp_path / "replica").mkdir()
    replica = Server(tmp_path / "replica", "--replicaof", "127.0.0.1", server.port)
    watch = Watch(using="relay")
    watch.look()
    profile = {"tenant": tenant, "now": utc_now()}
    for _ in range(2):
        read(tenant, customer), read_profile(customer.id, **profile), read_tenant_summary(tenant=tenant)
    await_that(lambda: replica.client.exists(key((tenant.id, customer.id), copies.PROFILE)))
    await_that(lambda: replica.client.exists(cache_keys.totals_key(tenant.id)))
    # The connection between the two is lost, and these writes are acknowledged by one alone.
    replica.client.replicaof("no", "one")
    with tenant_context(tenant.id):
        move(tenant, customer, "Onboarded")
    with tenant_context(tenant.id):
        report(tenant, customer, support={"open_issues": 7})
    assert read(tenant, customer)["stage"] == "Onboarded"
    server.kill()
    replica.client.config_set("port", server.port)
    try:
        await_that(lambda: redis_py.Redis(port=server.port).ping())
        redis._away_until = 0.0
        assert read(tenant, customer)["stage"] == "Prospect", "the replica does not know better"
        watch._next_at = 0.0
        watch.look()
        assert read(tenant, customer)["stage"] == "Onboarded"
        assert read(tenant, customer)["support"]["open_issues"] == 7
        assert read_profile(customer.id, **profile)["support"]["open_issues"] == 7
        assert read_tenant_summary(tenant=tenant)["stages"][1]["customers"] == 1
    finally:
        replica.kill()
    assert storage.copies.WATCH_SECONDS <= 1.0


def test_redis_that_falls_silent_costs_one_wait_a_moment_and_shows_nothing_old_when_it_speaks_again(
    server, tenant, customer, monkeypatch
):
    monkeypatch.setattr(redis, "RETRY_SECONDS", 60)
    for _ in range(2):
        read(tenant, customer)
    # Short from here on: a busy machine may keep an answer back for as long, and the server is not silent yet.
    monkeypatch.setitem(settings.CACHES["default"]["OPTIONS"], "SOCKET_TIMEOUT", 0.2)
    forget_client()
    await_that(lambda: redis.get_client().ping())
    server.process.send_signal(signal.SIGSTOP)
    asked, get_client = [], redis.get_client
    monkeypatch.setattr(redis, "get_client", lambda: asked.append(1) or get_client())
    try:
        for _ in range(5):
            assert read(tenant, customer)["stage"] == "Prospect"
        with tenant_context(tenant.id):
            move(tenant, customer, "Onboarded")
        assert read(tenant, customer)["stage"] == "Onboarded"
        assert len(asked) == 1
    finally:
        server.process.send_signal(signal.SIGCONT)
    await_that(server.client.ping)
    assert server.client.get(key((tenant.id, customer.id))) is not None, "the old one is still there"
    redis._away_until = 0.0
    assert read(tenant, customer)["stage"] == "Onboarded"


def test_a_server_that_has_not_changed_keeps_its_copies(server, ids):
    watch = Watch(using="relay")
    watch.look()
    fill_old(ids)
    for _ in range(3):
        watch._next_at = 0.0
        watch.look()
    assert shown(ids) == "old"


def test_a_server_that_does_not_say_who_it_is_is_watched_all_the_same(server, ids):
    server.client.acl_setuser("default", enabled=True, nopass=True, commands=["+@all", "-info"], keys=["*"])
    watch = Watch(using="relay")
    watch.look()
    fill_old(ids)
    watch._next_at = 0.0
    watch.look()
    assert shown(ids) == "old"
    server.kill()
    watch._next_at = 0.0
    watch.look()
    server.start()
    redis._away_until = watch._next_at = 0.0
    watch.look()
    assert shown(ids) is None
