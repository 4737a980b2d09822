"""What all processes write while a whole story runs: ECS objects only, and no one's data and no secret in them."""

import http.client
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from django.contrib.auth.hashers import make_password
from django.test import override_settings

from lifecycle.models import Customer
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.services.accounts.invitations import invitation_path
from tests.conftest import make_people
from tests.factories import PASSWORD, TenantFactory
from tests.messaging.kafka import Broker, await_that
from tests.messaging.speaking import Speaker
from tests.operations.conftest import Product
from tests.operations.processes import PROXY_HEADERS, Process, run_forked

# One person of each kind; nothing else in the test has these words.
CONTACT = {"name": "Quillon Abernathy", "email": "quillon.abernathy@zephyr.example", "phone": "+44 20 7946 0958"}
IMPORTED = {"name": "Thessaly Okonkwo", "email": "thessaly@okonkwo.example", "phone": "+49 30 901820"}
NOTE = "Met Ignatius Vandermolen on the golf course"
WRONG = "WrongPasswordOfSomebody7"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"

# Fields of the Elastic Common Schema 9.4 that the product writes, with their types there
# (elastic/ecs, generated/ecs/ecs_flat.yml); what it has no field for is a label.
ECS = {
    "@timestamp": "date",
    "log.level": "keyword",
    "log.logger": "keyword",
    "message": "match_only_text",
    "ecs.version": "keyword",
    "service.name": "keyword",
    "organization.id": "keyword",
    "user.id": "keyword",
    "trace.id": "keyword",
    "span.id": "keyword",
    "http.request.id": "keyword",
    "http.request.method": "keyword",
    "http.response.status_code": "long",
    "url.path": "wildcard",
    "url.query": "keyword",
    "client.ip": "ip",
    "user_agent.original": "keyword",
    "event.id": "keyword",
    "event.duration": "long",
    "event.outcome": "keyword",
    "error.type": "keyword",
    "error.code": "keyword",
    "error.message": "match_only_text",
    "error.stack_trace": "wildcard",
    "process.name": "keyword",
    "process.pid": "long",
    "process.thread.id": "long",
    "process.thread.name": "keyword",
    "log.original": "keyword",
    "log.origin.file.line": "long",
    "log.origin.file.name": "keyword",
    "log.origin.function": "keyword",
}


class Caller:
    """A client behind the proxy, with its cookies."""

    def __init__(self, web: Process) -> None:
        host, port = web.probe.split("/")[2].split(":")
        self.address = (host, int(port))
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> "http.client.HTTPResponse":
        connection = http.client.HTTPConnection(*self.address, timeout=120)
        sent = {**PROXY_HEADERS, "Referer": f"https://{PROXY_HEADERS['Host']}/", **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if isinstance(body, dict) and headers.get("Content-Type") != "application/x-www-form-urlencoded":
            body, sent["Content-Type"] = json.dumps(body), "application/json"
        elif isinstance(body, dict):
            body = urlencode(body)
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        answer.text = answer.read().decode(errors="replace")  # type: ignore[attr-defined]
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self.cookies[cookie] = content
        connection.close()
        return answer

    def post_form(self, path: str, **fields: str) -> Any:
        page = self.ask("GET", path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)  # type: ignore[attr-defined]
        form = {**fields, "csrfmiddlewaretoken": token[1] if token else ""}
        return self.ask("POST", path, form, **{"Content-Type": "application/x-www-form-urlencoded"})


@dataclass(frozen=True)
class Story:
    """What was reported, and what must not be found of it."""

    product: Product
    tenant: TenantRef
    forbidden: dict[str, str]
    texts: dict[str, str]

    def records(self) -> list[dict[str, Any]]:
        return [record for process in self.product.processes for record in process.lines()]


@pytest.fixture(scope="module")
def story(product: Product, django_db_blocker: Any) -> Iterator[Story]:
    with django_db_blocker.unblock():
        yield tell(product)


def tell(product: Product) -> Story:
    tenant = TenantFactory()
    people = make_people(tenant)
    manager = people.account_manager
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        hashed = make_password(PASSWORD)
    with tenant_context(tenant.id):
        User.objects.filter(tenant_id=tenant.id).update(password=hashed)
        manager.refresh_from_db()
        invitation = invitation_path(people.viewer)
    forbidden = {"manager": manager.username, "viewer": people.viewer.username, "password": PASSWORD, "wrong": WRONG}
    forbidden["invitation"] = invitation.rstrip("/").rsplit("/", 1)[1]

    broker = Broker()
    broker.prefix = product.prefix
    speaker = Speaker(tenant)
    broker.send(speaker.document("customer.created", "s1", name="Zephyr Works", contacts=[CONTACT | {"role": "CEO"}]))
    broker.send(speaker.document("customer.updated", "s1", contacts=[{**CONTACT, "email": ["x", CONTACT["email"]]}]))
    broker.send(speaker.document("customer.updated", "s1\0", contacts=[CONTACT], name=CONTACT["name"]))
    broker.send(f"{CONTACT['name']} {CONTACT['email']}".encode(), topic="customer.updated")
    broker.flush()

    def is_there() -> Any:
        with tenant_context(tenant.id):
            return Customer.objects.filter(external_id="s1").first()

    customer = await_that(is_there)
    web = Caller(product.web)
    for path in (invitation, f"{invitation}x", "/invitation/MQ/c7-gone", f"/nowhere/{quote(CONTACT['email'])}"):
        web.ask("GET", path)
    assert web.post_form("/login", username=manager.username, password=WRONG).status == 200
    assert web.post_form("/login", username=manager.username, password=PASSWORD).status == 302
    forbidden["session"] = web.cookies["__Host-session"]
    for query in (f"?search={quote(CONTACT['email'])}", f"?search={quote(CONTACT['name'])}", f"?{CONTACT['email']}"):
        web.ask("GET", f"/customers{query}")
    web.ask("GET", "/login", **{"X-Forwarded-For": "6.6.6.6, 198.51.100.9", "X-Request-ID": "edge-request-0815"})

    api = Caller(product.web)
    assert api.ask("POST", "/api/v1/auth/token", {"username": manager.username, "password": WRONG}).status == 401
    pair = json.loads(api.ask("POST", "/api/v1/auth/token", {"username": manager.username, "password": PASSWORD}).text)
    forbidden |= {"access": pair["access"].rsplit(".", 1)[1], "refresh": pair["refresh"].rsplit(".", 1)[1]}
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    assert api.ask("GET", f"/api/v1/customers?search={quote(CONTACT['email'])}", **bearer).status == 200
    moved = api.ask(
        "PATCH",
        f"/api/v1/customers/{customer.id}/lifecycle",
        {"stage": "At-Risk", "reason_code": "Low Usage", "note": NOTE},
        traceparent=PARENT,
        **bearer,
    )
    assert moved.status == 200, moved.text  # type: ignore[attr-defined]
    assert moved.getheader("traceparent", "").split("-")[1] == TRACE
    api.ask("PATCH", f"/api/v1/customers/{customer.id}/lifecycle", {"stage": CONTACT["name"]}, **bearer)
    api.ask("GET", f"/api/v1/customers/{quote(CONTACT['email'])}", **bearer)
    assert api.ask("GET", "/login", Host="evil.example").status == 400

    file = product.folder / "people.csv"
    names = "external_id,name,contact_name,contact_email,contact_phone"
    row = ",".join(("s2", "Okonkwo Ltd", *IMPORTED.values()))
    file.write_text(f"{names}\n{row}\ns3,,{IMPORTED['name']},not an address {IMPORTED['email']},{IMPORTED['phone']}\n")
    texts = {
        "import": log_of(product, "import_customers", str(file), "--tenant", tenant.slug),
        "erase": log_of(product, "erase_customer", "s1", "--tenant", tenant.slug, "--reason", "asked"),
    }
    for value in (*CONTACT.values(), *IMPORTED.values()):
        forbidden[value] = value
    forbidden |= {"surname": "Vandermolen", "note": "golf course"}
    for name in ("SECRET_KEY", "INDEX_KEY", "MASTER_KEYS"):
        forbidden[name] = product.env[name].split(":")[-1]
    for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_RELAY_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
        forbidden[name] = urlsplit(product.env[name]).password or "-none-"
    return Story(product, tenant, forbidden, texts)


def log_of(product: Product, *arguments: str) -> str:
    """What a command writes to standard error, where logs go."""
    done = run_forked(product.env, "manage.py", *arguments)
    return "\n".join(line for line in done.stderr.splitlines() if line.startswith("{"))


def flatten(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flatten(value, f"{name}.")
        else:
            yield name, value


def test_no_one_and_no_secret_is_in_what_is_written(story: Story) -> None:
    written = {process.name: process.text() for process in story.product.processes} | story.texts
    assert len(written["web"].splitlines()) > 20
    found = {
        (name, what)
        for name, text in written.items()
        for what, value in story.forbidden.items()
        for form in {value, quote(value), json.dumps(value)[1:-1]}
        if form in text
    }
    assert found == set()


def test_every_line_is_an_object_of_the_common_schema(story: Story) -> None:
    kinds = {"long": int, "keyword": str, "date": str, "ip": str, "match_only_text": str, "wildcard": str}
    for process in story.product.processes:
        records = process.lines()
        assert records, process.name
        for record in records:
            fields = dict(flatten(record))
            assert {"@timestamp", "log.level", "message", "ecs.version", "service.name"} <= fields.keys(), record
            assert fields["service.name"] == f"customer360-{process.name}", record
            for name, value in fields.items():
                if name.startswith("labels."):
                    assert isinstance(value, str | int | float | bool), (name, value)
                else:
                    assert isinstance(value, kinds[ECS[name]]), (name, value)


def test_a_request_is_one_line_that_says_who_where_and_how_long(story: Story) -> None:
    (line,) = [
        record
        for record in story.product.web.lines()
        if record.get("http", {}).get("request", {}).get("method") == "PATCH"
        and record["http"]["response"]["status_code"] == 200
    ]
    fields = dict(flatten(line))
    assert fields["url.path"] == "/api/v1/customers/<str:customer_id>/lifecycle"
    assert fields["organization.id"] == story.tenant.slug
    assert fields["trace.id"] == TRACE
    assert fields["client.ip"] == "198.51.100.7"
    assert 100_000 < fields["event.duration"] < 60_000_000_000
    assert fields["user.id"]


def test_a_search_shows_the_parameter_and_not_what_was_searched_for(story: Story) -> None:
    queries = {dict(flatten(record)).get("url.query") for record in story.product.web.lines()}
    assert {"search=[masked]", "[masked]"} <= queries


def test_the_proxy_names_client_and_request_and_a_client_cannot(story: Story) -> None:
    lines = [dict(flatten(record)) for record in story.product.web.lines()]
    (line,) = [line for line in lines if line.get("http.request.id") == "edge-request-0815"]
    assert line["client.ip"] == "198.51.100.9"


def test_a_host_that_is_none_of_ours_is_one_line(story: Story) -> None:
    (line,) = [record for record in story.product.web.lines() if "Invalid HTTP_HOST" in record["message"]]
    assert line["log.level"] == "warning"
    assert "error" not in line
    assert "evil.example" in line["message"]


def test_the_dead_letter_is_logged_by_the_consumer_with_its_tenant(story: Story) -> None:
    def dead() -> list[dict[str, Any]]:
        lines = [dict(flatten(record)) for record in story.product.consumer.lines()]
        return [line for line in lines if line["message"] == "event is dead"]

    lines = await_that(dead)
    assert any(line.get("organization.id") == story.tenant.slug for line in lines)
    assert all(line["error.code"] and "labels.offset" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["consume_events", "--health-file", "/nowhere/x"], "cannot be written"),
        (["relay_events", "--health-file", "/nowhere/x"], "cannot be written"),
        (["move_customers", "--health-file", "/nowhere/x"], "cannot be written"),
    ],
)
def test_why_a_process_does_not_start_is_a_line_of_its_log(story: Story, arguments: list[str], words: str) -> None:
    done = run_forked(story.product.env, "manage.py", *arguments)
    assert done.returncode == 1
    records = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert any(words in record["message"] and record["log.level"] == "error" for record in records)


def test_an_uncaught_exception_is_one_line(story: Story) -> None:
    program = (
        "import django; django.setup()\n"
        "import threading, warnings\n"
        "warnings.warn('old thing')\n"
        "def work(): raise KeyError('quillon.abernathy@zephyr.example')\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
        "raise ValueError(\"no such person: 'Quillon Abernathy'\")\n"
    )
    done = run_forked(story.product.env, "-c", program)
    assert done.returncode == 1
    warning, thread, main = [json.loads(line) for line in done.stderr.splitlines()]
    assert "old thing" in warning["message"]
    assert (thread["error"]["type"], main["error"]["type"]) == ("KeyError", "ValueError")
    assert main["error"]["message"] == "no such person: '[masked]'"
    assert "Traceback" in main["error"]["stack_trace"]
    assert "abernathy" not in done.stderr.casefold().replace("quillon.abernathy@zephyr.example')\\n", "")


def test_what_ends_the_child_of_a_command_is_one_line(product: Product) -> None:
    program = (
        "import django; django.setup()\n"
        "from lifecycle.management.supervision import supervise\n"
        "def work(): raise ValueError('no such thing')\n"
        "raise SystemExit(supervise(work, what='consume_events'))\n"
    )
    done = run_forked(product.env, "-c", program)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["log.level"], line["message"]) == ("critical", "uncaught exception")
    assert line["error"]["type"] == "ValueError"


BROKEN = """
import django; django.setup()
from unittest.mock import patch
from django.db import IntegrityError, connections
from django.test import Client
def fail(*_, **__):
    with connections["platform"].cursor() as cursor:
        cursor.execute("SELECT %s::uuid", ["Quillon Abernathy"])
def boom(*_, **__):
    raise LookupError("no 'Quillon Abernathy' <quillon.abernathy@zephyr.example> +44 20 7946 0958")
def away(*_, **__):
    with connections["platform"].cursor() as cursor:
        cursor.execute("SET statement_timeout = '10ms'; SELECT pg_sleep(1), 'Quillon Abernathy'")
client = Client(raise_request_exception=False)
for error in (fail, boom, away):
    with patch("tenants.pages.identify_session", error):
        answer = client.get("/customers?search=Quillon+Abernathy", secure=True, HTTP_HOST="c360.example")
        assert answer.status_code >= 500, answer.status_code
error = IntegrityError('duplicate key\\nDETAIL:  Key (email)=(quillon.abernathy@zephyr.example) already exists.')
import logging
logging.getLogger("somebody").error("failed for %s", "quillon.abernathy@zephyr.example", exc_info=error)
logging.getLogger("somebody").warning("postgres://c360_app:hunter22@db/c360 token=abc.def /invitation/MQ/c7-secret")
"""


def test_an_error_tells_its_kind_and_its_place_and_quotes_no_one(story: Story) -> None:
    done = run_forked(story.product.env, "-c", BROKEN)
    assert done.returncode == 0, done.stderr
    lines = [dict(flatten(json.loads(line))) for line in done.stderr.splitlines()]
    kinds = [line["error.type"] for line in lines if "error.stack_trace" in line]
    assert kinds == ["DataError", "LookupError", "IntegrityError"]
    assert next(line for line in lines if line.get("error.type") == "DataError")["error.code"] == "22P02"
    assert [line["url.path"] for line in lines if line.get("http.response.status_code") == 500] == ["/customers"] * 2
    # A database that takes too long is no fault of the code: what is wrong, and what was answered, a line each.
    index = next(index for index, line in enumerate(lines) if line["message"] == "not available")
    outage, answer = lines[index : index + 2]
    assert (outage["error.code"], "statement timeout" in outage["error.message"]) == ("57014", True)
    assert (answer["message"], answer["trace.id"]) == ("GET /customers 503", outage["trace.id"])
    for secret in ("Quillon", "Abernathy", "quillon", "7946 0958", "hunter22", "abc.def", "c7-secret", "search=Q"):
        assert secret not in done.stderr, secret


def test_an_application_that_cannot_be_loaded_is_logged_as_everything_else(product: Product) -> None:
    program = (
        "import logging.config, django\n"
        "from django.conf import settings\n"
        "logging.config.dictConfig(settings.LOGGING)\n"
        "from config import serve\n"
        "serve.load('config.nothing_of_this_name:application')\n"
    )
    done = run_forked(product.env, "-c", program)
    assert done.returncode == 1
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["log.level"], line["message"]) == ("critical", "the application cannot be loaded")
    assert line["error"]["type"] == "RuntimeError"
