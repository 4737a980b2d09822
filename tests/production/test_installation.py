"""The product as compose.yaml shapes it, by https through the shipped proxy: from empty services to a sealed change."""

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from django.conf import settings

from tests.factories import SAAS
from tests.production.caddy import Proxy
from tests.production.compose import PROJECT
from tests.production.running import PATIENCE_SECONDS, Installation, await_that

# Any number that nothing else locks (tests/workers.py has another).
INSTALLING = 360_002
LOOPS = ("consumer", "relay", "mover", "effects", "forecast", "sandbox")
PASSWORD = "a long enough passphrase 7"
PEOPLE = """
import sys
from django.utils import timezone
from tenants.roles import Role
from tenants.services.directory import find_tenant
from tenants.services.accounts.people import create_user
tenant = find_tenant({slug!r})
for name, role, service in (("manager", Role.ACCOUNT_MANAGER, False), ("workflow", Role.ACCOUNT_MANAGER, True)):
    create_user(username=f"{{name}}@{{tenant.slug}}.example", password={password!r}, role=role, tenant=tenant,
                now=timezone.now(), is_service_account=service)
"""
# Where a client of HTTP/1.1 or 2 might try to slip past the proxy's rule.
PRIVATE = (
    *(
        "/metrics",
        "/metrics/",
        "/METRICS",
        "/%6detrics",
        "//metrics",
        "/static/../metrics",
        "/./metrics",
        "/metrics?a=b",
    ),
    *(
        "/healthz",
        "/healthz/",
        "/healthz/live",
        "/healthz/anything",
        "/live/healthz",
        "/live//healthz",
        "/live/../healthz",
    ),
)


@contextmanager
def taking_turns() -> Iterator[None]:
    """Of two runs on one cluster one is installed at a time. Both have the database and the group of compose.yaml, and
    keys of their own: one would read and seal, under its keys, what the other waits for.
    """
    with psycopg.connect(settings.DATABASE_ADMIN_URL, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(%s)", [INSTALLING])
        yield


@contextmanager
def installation(folder: Any) -> Iterator[tuple[Installation, Proxy]]:
    """Everything but the seal service, started in compose's order and healthy by compose's own probes."""
    here = Installation(folder)
    try:
        here.collect_static()
        here.run("provision")
        here.run("migrate")
        for name in ("web", "stream", *LOOPS):
            here.start(name)
        proxied = Proxy(
            folder,
            **here.services["proxy"].environment,
            WEB_UPSTREAM=f"127.0.0.1:{here.port('web', 8000)}",
            STREAM_UPSTREAM=f"127.0.0.1:{here.port('stream', 8001)}",
        )
        with proxied as proxy:
            for name in ("web", "stream", *LOOPS):
                here.await_healthy(name)
            yield here, proxy
    finally:
        here.close()


class Stream(threading.Thread):
    """An open page's event stream, read in the background."""

    def __init__(self, client: httpx.Client, path: str) -> None:
        super().__init__(daemon=True)
        self.client, self.path = client, path
        self.status, self.kind, self.lines = 0, "", list[str]()
        self.start()

    def run(self) -> None:
        try:
            with self.client.stream("GET", self.path, timeout=PATIENCE_SECONDS) as answer:
                self.status, self.kind = answer.status_code, answer.headers["content-type"]
                for line in answer.iter_lines():
                    self.lines.append(line)
        except httpx.HTTPError as error:
            self.lines.append(f"lost: {type(error).__name__}")


def read_topic(topic: str, customer_id: str) -> dict[str, Any]:
    """The newest message about a customer, once there is one of the stage it was moved to."""
    servers = {"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS, "group.id": uuid4().hex}
    consumer = Consumer({**servers, "enable.auto.commit": False})
    try:
        # A broker on a busy machine is late, and not away.
        known = await_that(
            lambda: consumer.list_topics(timeout=PATIENCE_SECONDS).topics.get(topic), f"there is no topic {topic}"
        )
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in known.partitions])

        def find() -> dict[str, Any] | None:
            for message in consumer.consume(500, 0.2):
                text = (message.value() or b"").decode()
                if customer_id in text and "Rollout" in text:
                    found: dict[str, Any] = json.loads(text)
                    return found
            return None

        answer: dict[str, Any] = await_that(find, f"nothing about {customer_id} on {topic}")
        return answer
    finally:
        consumer.close()


@pytest.mark.timeout(1800)
def test_the_whole_story_goes_through_the_shipped_proxy(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("production")
    slug = f"acme-{uuid4().hex[:8]}"
    with taking_turns(), installation(folder) as (here, proxy):
        (folder / "web" / "lifecycle.json").write_text(json.dumps(SAAS))
        made = ("create_tenant", slug, "Acme", "--configuration", "/tmp/lifecycle.json")
        here.run("web", "python", "manage.py", *made)
        here.run("web", "python", "manage.py", "shell", "-c", PEOPLE.format(slug=slug, password=PASSWORD))
        # A customer comes over Kafka.
        sent = ("send_event", "customer.created", "--tenant", slug, "--customer", "C-1")
        here.run("consumer", "python", "manage.py", *sent)
        with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=PATIENCE_SECONDS) as browser:
            tell_the_story(here, browser, slug, proxy.trust)
            see_the_change_leave_and_sealed(here, slug)
            what_is_private_is_hidden(browser, proxy)
            what_prometheus_scrapes_answers(here)
            listener = Stream(browser, here.live)
            await_that(lambda: listener.status, "the stream was not opened")
            end_everything(here, proxy)


def tell_the_story(here: Installation, browser: httpx.Client, slug: str, trust: ssl.SSLContext) -> None:
    """Log in on the page, find the customer, open it; a program moves it, and the open page hears of it."""
    form = browser.get("/login")
    assert form.status_code == 200
    assert form.headers["strict-transport-security"]
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    assert token
    sent = {"csrfmiddlewaretoken": token[1], "username": f"manager@{slug}.example", "password": PASSWORD}
    entered = browser.post("/login", data=sent, headers={"Origin": str(browser.base_url).rstrip("/")})
    assert (entered.status_code, entered.headers["location"]) == (302, "/"), entered.text[-2000:]
    (style,) = re.findall(r'href="(/static/[^"]+\.css)"', form.text)[:1]
    assert browser.get(style).status_code == 200
    listed = await_that(
        lambda: re.search(r'href="/customers/([0-9a-f-]{36})"', browser.get("/customers").text),
        "the customer is not in the list",
        lambda: here.last_words("consumer"),
    )
    page = browser.get(f"/customers/{listed[1]}")
    assert page.status_code == 200
    here.customer, here.live = listed[1], re.search(r'sse-connect="([^"]+)"', page.text)[1].replace("&amp;", "&")
    assert here.live.startswith(f"/live/customers/{here.customer}?ticket=")
    stream = Stream(browser, here.live)
    await_that(lambda: "retry: 1000" in stream.lines, "the stream did not open", lambda: here.last_words("stream"))
    assert (stream.status, stream.kind) == (200, "text/event-stream")
    login = {"username": f"workflow@{slug}.example", "password": PASSWORD}
    access = browser.post("/api/v1/auth/token", json=login).json()["access"]
    with httpx.Client(base_url=browser.base_url, verify=trust, timeout=PATIENCE_SECONDS) as tool:
        tool.headers["Authorization"] = f"Bearer {access}"
        assert [row["id"] for row in tool.get("/api/v1/customers").json()["results"]] == [here.customer]
        moved = tool.patch(f"/api/v1/customers/{here.customer}/lifecycle", json={"stage": "Rollout"})
        assert (moved.status_code, moved.json()["success"]) == (200, True), moved.text
    # It may have heard of the first version as well, and its lines come one by one.
    await_that(lambda: "data: 2" in stream.lines, "the open page heard nothing", lambda: str(stream.lines))
    assert stream.lines[stream.lines.index("data: 2") - 1] == "event: changed"
    assert "Rollout" in browser.get(f"/customers/{here.customer}").text


def see_the_change_leave_and_sealed(here: Installation, slug: str) -> None:
    """The relay has sent it, and the one process that has the key seals it."""
    message = read_topic("audit.lifecycle.updated", here.customer)
    assert message["tenantid"] == slug
    here.start("seal")
    here.await_healthy("seal")
    await_that(lambda: f"{slug}: seal 1 over 2 rows" in here.last_words("seal"), "not sealed")
    key = re.search(r"AUDIT_VERIFY_KEYS=(\S+)", here.last_words("seal"))
    assert key
    verified = here.run(
        "web", "env", f"AUDIT_VERIFY_KEYS={key[1]}", *f"python manage.py verify_audit --tenant {slug}".split()
    )
    assert "unbroken" in verified


def what_is_private_is_hidden(browser: httpx.Client, proxy: Proxy) -> None:
    """Metrics and probes answer on the spot and not through the proxy, in whatever way they are written."""
    for path in PRIVATE:
        seen = subprocess.run(
            [
                "curl",
                "--silent",
                "--path-as-is",
                "--cacert",
                str(proxy.authority),
                "-w",
                "%{http_code}",
                proxy.url + path,
            ],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        ).stdout
        assert seen[-3:] in ("404", "403"), (path, seen[:300])
        assert "python_info" not in seen
    plain = httpx.get(f"http://localhost:{proxy.plain_port}/login", timeout=PATIENCE_SECONDS)
    assert plain.status_code == 308
    assert plain.headers["location"].startswith("https://localhost")


def what_prometheus_scrapes_answers(here: Installation) -> None:
    """Each target of the shipped file, at the port that it names, with figures of its own."""
    document = yaml.safe_load((PROJECT / "docs" / "deploy" / "prometheus.yml").read_text())
    places = [place for job in document["scrape_configs"] for place in job["static_configs"]]
    targets = [target for place in places for target in place["targets"]]
    assert len(targets) == 8
    figures = {
        "web": "django_http_requests_total",
        "stream": "customer360_stream_connections",
        "consumer": "customer360_events_consumed_total",
        "relay": "customer360_outbox_published_total",
        "mover": "customer360_mover_customers_total",
        "effects": "customer360_effects_oldest_seconds",
        "forecast": "customer360_forecast_last_success_timestamp",
        "sandbox": "customer360_sandbox_last_success_timestamp",
    }
    for name, port in (target.split(":") for target in targets):
        page = httpx.get(f"http://127.0.0.1:{here.port(name, port)}/metrics", timeout=PATIENCE_SECONDS)
        assert page.status_code == 200, name
        assert re.search(rf"^{figures[name]}", page.text, flags=re.M), name


def end_everything(here: Installation, proxy: Proxy) -> None:
    """SIGTERM ends each within the time that compose gives it, with status 0, an open stream or not.

    Seconds in which it waits for a processor are not counted (``tests.endings``): the machine has other work.
    """
    status, seconds = proxy.stop()
    assert (status, seconds < 10) == (0, True), f"proxy: {status} after {seconds:.1f} s"
    for name in ("web", "stream", *LOOPS, "seal"):
        grace = float(here.services[name].document["stop_grace_period"].removesuffix("s"))
        status, seconds = here.end(name)
        assert (status, seconds < grace) == (0, True), f"{name}: {status} after {seconds:.1f} s {here.last_words(name)}"
