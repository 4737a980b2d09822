"""Commands, where there are several servers: what names a tenant goes there, what is over all goes everywhere."""

import dataclasses
import datetime as dt
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands
from django.test import override_settings

from audit.services.seals import describe_seal
from lifecycle.management import daily
from lifecycle.management import tenants as choosing
from lifecycle.management.commands import load_demo, reset_sandboxes, seal_audit
from lifecycle.management.stopping import StopRequest
from lifecycle.messaging.process import HealthFile
from lifecycle.models import Customer, DeadLetter
from lifecycle.rules.envelopes import receive
from lifecycle.services.compliance import key_rotation
from lifecycle.services.demo.scenarios import ACME
from storage import servers
from storage.away import AwayServers
from storage.servers import MAIN, current_server, on_server
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.homes import AwayFromHome, NameTakenElsewhere, at_home
from tenants.management.commands import changepassword
from tenants.models import TokenIssuer
from tenants.services.accounts.logins import check_login
from tenants.services.accounts.people import PersonChangeRefused, create_tenant
from tests.conftest import People
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, utc_now
from tests.messaging.speaking import Speaker, as_message
from tests.services.risk.rules import DOCUMENT
from tests.services.seals.sealing import KEY, delete_the_tenant, seals_of, write_published

MoveHome = Callable[[TenantRef, str], None]
NEW_PASSWORD = "a long enough pass phrase"


@dataclass
class Given:
    """A tenant on server ``b`` with a customer ``c1``, one on main, and a folder."""

    tenant: TenantRef
    other: TenantRef
    folder: Path
    customer: Customer
    person: str

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def given(
    second_server: None,
    tenant: TenantRef,
    other_tenant: TenantRef,
    users: People,
    move_home: MoveHome,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Given:
    customer = CustomerFactory(tenant=tenant, external_id="c1")
    CustomerFactory(tenant=other_tenant, external_id="c1", stage="Trial")
    move_home(tenant, "b")
    mine = {tenant.slug, other_tenant.slug}
    everywhere = choosing.list_tenants_everywhere
    # Other tests leave tenants behind, some of them broken on purpose.
    monkeypatch.setattr(
        choosing, "list_tenants_everywhere", lambda **given: [one for one in everywhere(**given) if one.slug in mine]
    )
    return Given(tenant, other_tenant, tmp_path, customer, users.viewer.username)


def run(name: str, *arguments: str) -> str:
    """What a command writes; the thread is on main afterwards, as before."""
    out = io.StringIO()
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    assert current_server() == MAIN
    return out.getvalue()


def seal_and_export(given: Given) -> str:
    run("seal_audit", "--tenant", given.tenant.slug)
    today = str(utc_now().date())
    out = str(given.folder / "bundle")
    return run("export_audit", "--tenant", given.tenant.slug, "--from", today, "--to", today, "--out", out)


def change_password(given: Given) -> str:
    answers = iter((NEW_PASSWORD, NEW_PASSWORD))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changepassword, "getpass", lambda _: next(answers))
        run("changepassword", given.person)
    with at_home(given.tenant.id):
        user = check_login(given.person, NEW_PASSWORD, address="10.9.8.7", now=utc_now())
    return str(user.username)


def configure_issuer(given: Given) -> str:
    named = ("--issuer", "https://id.example", "--audience", given.tenant.slug, "--jwks-url", "https://id.example/keys")
    run("configure_issuer", "--tenant", given.tenant.slug, *named, "--role", "csm=ROLE_ACCOUNT_MANAGER")
    with at_home(given.tenant.id), tenant_context(given.tenant.id):
        return str(TokenIssuer.objects.get().issuer)


def of_tenant(name: str, *arguments: str) -> Callable[[Given], str]:
    return lambda given: run(name, *arguments, "--tenant", given.tenant.slug)


# Commands that name a tenant: what is done with one on server b, and what is said of it.
FOLLOW: dict[str, tuple[Callable[[Given], str], str]] = {
    "changepassword": (change_password, "tenant.example"),
    "configure_issuer": (configure_issuer, "https://id.example"),
    "erase_customer": (of_tenant("erase_customer", "c1", "--reason", "Request 17"), "c1: "),
    "export_audit": (seal_and_export, "1 rows under seals 1 to 1"),
    "export_customer": (of_tenant("export_customer", "c1"), '"c1"'),
    "import_customers": (
        lambda given: run(
            "import_customers",
            given.write("new.csv", "external_id,name\nc2,Second\n"),
            *("--tenant", given.tenant.slug),
        ),
        "1 created",
    ),
    "load_configuration": (
        lambda given: run(
            "load_configuration",
            given.write("new.json", json.dumps({**MINIMAL, "max_days": {"Onboarded": 31}})),
            *("--tenant", given.tenant.slug),
        ),
        "version 2 is live",
    ),
    "play_rules": (
        lambda given: run(
            "play_rules",
            *("--tenant", given.tenant.slug),
            *("--configuration", given.write("rules.json", json.dumps(DOCUMENT))),
        ),
        "1 customers, 0 churns",
    ),
    "send_event": (
        of_tenant("send_event", "--stream", "--print", "--max-events", "1", "--per-minute", "60000", "--seed", "1"),
        '"c1"',
    ),
}
# Those that are about one tenant or all: with which options, and what is said of each tenant.
FAN_OUT: dict[str, tuple[tuple[str, ...], str]] = {
    "forecast_churn": (("--again",), "{slug}: too little past"),
    "pause_effects": (("--reason", "Restored"), "{slug}: paused"),
    "rebuild_facts": ((), "{slug}: 1 customers, "),
    "seal_audit": ((), "{slug}: seal 1 over 1 rows"),
    "verify_audit": ((), "{slug}: 1 customers, 1 rows, unbroken"),
}
# Those that have a test of their own below.
ELSEWHERE = {"create_tenant", "dead_letters", "load_demo", "reset_sandboxes", "rotate_keys"}
# Processes that run once a server (DATABASE_SERVER), and what is about a server or about none.
OF_A_SERVER = {
    "consume_events",
    "migrate",
    "move_customers",
    "move_tenant",
    "provision_database",
    "relay_events",
    "run_effects",
}
OF_NO_TENANT = {"describe_events", "dumpdata", "receive_webhooks", "tail_topic"}


def test_every_command_is_known_to_follow_tenants_or_to_have_none() -> None:
    ours = {name for name, app in get_commands().items() if app in ("audit", "tenants", "lifecycle")}
    assert ours == {*FOLLOW, *FAN_OUT, *ELSEWHERE, *OF_A_SERVER, *OF_NO_TENANT}


@pytest.mark.parametrize("name", FOLLOW)
def test_a_command_works_where_its_tenant_lives(name: str, given: Given) -> None:
    work, said = FOLLOW[name]
    assert said in work(given)


@pytest.mark.parametrize("name", FAN_OUT)
def test_a_command_over_all_tenants_works_on_every_server(name: str, given: Given) -> None:
    arguments, said = FAN_OUT[name]
    printed = run(name, *arguments)
    for tenant in (given.tenant, given.other):
        assert said.format(slug=tenant.slug) in printed
    alone = run(name, *arguments, "--tenant", given.tenant.slug)
    # There is nothing left to seal.
    assert (alone == "") if name == "seal_audit" else (f"{given.tenant.slug}: " in alone)
    assert given.other.slug not in alone


@pytest.mark.parametrize("name", [*FAN_OUT, "import_customers", "erase_customer", "dead_letters"])
def test_a_tenant_on_a_server_without_an_address_is_no_unknown_tenant(
    name: str, tenant: TenantRef, move_home: MoveHome, tmp_path: Path
) -> None:
    """Here only the directory knows of b."""
    move_home(tenant, "b")
    first: dict[str, tuple[str, ...]] = {
        "import_customers": (str(tmp_path / "none.csv"),),
        "erase_customer": ("c1", "--reason", "Why"),
        "dead_letters": ("list",),
    }
    arguments = first.get(name) or FAN_OUT[name][0]
    with pytest.raises(CommandError, match=f"{tenant.slug} lives on server b: work there with DATABASE_SERVER=b"):
        run(name, *arguments, "--tenant", tenant.slug)


# --- a server that is away ----------------------------------------------------------------------------------------


class ServerB:
    """Server ``b`` of ``second_server``, taken away and brought back."""

    def __init__(self) -> None:
        self.ports = {alias: address["PORT"] for alias, address in settings.DATABASE_SERVERS["b"].items()}

    def take_away(self) -> None:
        self._lead_to(dict.fromkeys(self.ports, "1"))

    def bring_back(self) -> None:
        self._lead_to(self.ports)

    def _lead_to(self, ports: dict[str, Any]) -> None:
        servers.close_others()
        for alias, port in ports.items():
            settings.DATABASE_SERVERS["b"][alias]["PORT"] = port
        servers._handler.cache_clear()


@pytest.fixture
def server_b(second_server: None) -> ServerB:
    return ServerB()


def run_without(name: str, *arguments: str) -> str:
    """What a command writes that ends with status 1 because server ``b`` is away."""
    out = io.StringIO()
    refused = pytest.raises(CommandError, match=r"left out from then on: server b \(OperationalError")
    with override_settings(AUDIT_SIGNING_KEY=KEY), refused:
        call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    assert current_server() == MAIN
    return out.getvalue()


@pytest.mark.parametrize("is_listed", [False, True], ids=["from-the-start", "once-its-tenants-are-listed"])
@pytest.mark.parametrize("name", [*FAN_OUT, "rotate_keys"])
def test_a_server_that_is_away_holds_up_those_of_no_other_and_is_named(
    name: str, is_listed: bool, given: Given, server_b: ServerB, monkeypatch: pytest.MonkeyPatch
) -> None:
    everywhere = choosing.list_tenants_everywhere

    def list_first(**options: Any) -> list[TenantRef]:
        found = everywhere(**options)
        # So that what is done first is done there.
        found.sort(key=lambda one: one.slug != given.tenant.slug)
        server_b.take_away()
        return found

    if not is_listed:
        server_b.take_away()
    listing = list_first if is_listed else everywhere
    for module in (choosing, key_rotation):
        monkeypatch.setattr(module, "list_tenants_everywhere", listing)
    arguments, said = FAN_OUT.get(name, ((), "{slug}: 0 re-wrapped, 0 left"))
    printed = run_without(name, *arguments)
    assert said.format(slug=given.other.slug) in printed
    assert given.tenant.slug not in printed and str(given.tenant.id) not in printed


def test_a_server_that_a_tenant_is_leaving_is_not_away(given: Given) -> None:
    away = AwayServers()
    with pytest.raises(AwayFromHome, match="moved"), choosing.at_home_unless_away(given.tenant.id, away):
        raise AwayFromHome("moved")
    assert not away and current_server() == MAIN


def test_sandboxes_are_reset_where_another_server_is_away(server_b: ServerB, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifecycle.services.demo.sandboxes.CUSTOMERS", 12)
    slug = f"a-{utc_now().timestamp():.6f}".replace(".", "-")
    create_tenant(slug=slug, name="Try it", actor=ADMIN_ACTOR, now=utc_now(), is_sandbox=True)
    real = reset_sandboxes.list_sandboxes
    monkeypatch.setattr(reset_sandboxes, "list_sandboxes", lambda: [one for one in real() if one.tenant.slug == slug])
    server_b.take_away()
    assert f"{slug}: 0 customers" in run_without("reset_sandboxes")
    # For one that is named no other server is asked.
    assert "12 customers filled in" in run("reset_sandboxes", "--tenant", slug, "--again")


@pytest.mark.parametrize(
    ("name", "every", "done"),
    [("seal_audit", 60.0, "{slug}: seal 1"), ("forecast_churn", 600.0, "{slug}: too little past")],
)
def test_a_process_over_several_servers_works_on_those_that_are_there(
    name: str, every: float, done: str, given: Given, server_b: ServerB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From its start: it does not wait for one that is away, and finds it when it is there."""
    out, said = io.StringIO(), []
    module = {"seal_audit": seal_audit, "forecast_churn": daily}[name]
    monkeypatch.setattr(module, "end_in_time", lambda _: None)
    monkeypatch.setattr("tenants.checks.refuse_unbound_roles", lambda: said.append("each connection is looked at"))

    def wait(_: Any, stop: StopRequest, seconds: float) -> bool:
        said.append(out.getvalue())
        server_b.bring_back()
        if len(said) == 3:
            stop.set()
        return bool(stop)

    monkeypatch.setattr(HealthFile, "wait", wait)
    server_b.take_away()
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        call_command(name, every=every, stdout=out, stderr=io.StringIO())
    here, there = done.format(slug=given.other.slug), done.format(slug=given.tenant.slug)
    assert said[0] == "each connection is looked at"
    assert (here in said[1], there in said[1], there in said[2]) == (True, False, True)


# --- tenants and sandboxes ----------------------------------------------------------------------------------------


def test_a_slug_that_lives_on_another_server_is_taken(given: Given) -> None:
    with pytest.raises(CommandError, match="already exists"):
        run("create_tenant", given.tenant.slug, "Once more")
    with pytest.raises(NameTakenElsewhere):
        create_tenant(slug=given.tenant.slug, name="Once more", actor=ADMIN_ACTOR, now=utc_now())


def test_a_tenant_is_made_on_main_alone(given: Given) -> None:
    refused = pytest.raises(PersonChangeRefused, match="made on the server main")
    with on_server("b"), refused:
        create_tenant(slug=f"{given.tenant.slug[:40]}-x", name="Lost", actor=ADMIN_ACTOR, now=utc_now())


def test_a_sandbox_is_reset_where_it_lives(
    second_server: None, move_home: MoveHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifecycle.services.demo.sandboxes.CUSTOMERS", 12)
    slug = f"s-{utc_now().timestamp():.6f}".replace(".", "-")
    sandbox = create_tenant(slug=slug, name="Try it", actor=ADMIN_ACTOR, now=utc_now(), is_sandbox=True)
    move_home(sandbox, "b")
    assert "12 customers filled in" in run("reset_sandboxes", "--tenant", slug, "--again")
    with at_home(sandbox.id), tenant_context(sandbox.id):
        assert Customer.objects.count() == 12


def test_the_demo_is_added_to_where_its_tenant_lives(
    second_server: None, move_home: MoveHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    slug = f"d-{utc_now().timestamp():.6f}".replace(".", "-")
    people = tuple(dataclasses.replace(one, username=f"{slug}.{one.username}") for one in ACME.people)
    scenario = dataclasses.replace(ACME, slug=slug, people=people)
    monkeypatch.setattr(load_demo, "SCENARIOS", [scenario])
    with override_settings(DEBUG=True):
        assert f"{slug}: 3 customers, 3 added" in run("load_demo", "--customers", "3")
        (demo,) = [one for one in choosing.list_tenants_everywhere() if one.slug == slug]
        move_home(demo, "b")
        assert f"{slug}: 5 customers, 2 added" in run("load_demo", "--customers", "5")


# --- keys ---------------------------------------------------------------------------------------------------------


def test_keys_are_rotated_on_every_server(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "list_tenants_everywhere", choosing.list_tenants_everywhere)
    keepers = key_rotation.list_keepers()
    assert set(keepers) == {
        ("b", given.tenant),
        (MAIN, given.other),
        (MAIN, key_rotation.NAMELESS),
        ("b", key_rotation.NAMELESS),
    }
    assert f"{given.tenant.slug}: 0 re-wrapped, 0 left" in run("rotate_keys", "--tenant", given.tenant.slug)


# --- dead letters -------------------------------------------------------------------------------------------------


def fail(tenant: TenantRef) -> DeadLetter:
    """A dead letter of the tenant, where it lives."""
    speaker = Speaker(tenant)
    with at_home(tenant.id):
        document = speaker.document("customer.updated", "c1", segment="x")
        document["time"] = (utc_now() + dt.timedelta(days=3)).isoformat()
        (result,) = speaker.hear(receive(as_message(document, topic="customer.updated")), now=utc_now())
        assert result.refusal is not None
        (letter,) = speaker.dead_letters()
    return letter


def test_dead_letters_of_all_servers_are_listed_once_and_discarded_where_they_are(given: Given) -> None:
    there, here = fail(given.tenant), fail(given.other)
    listed = run("dead_letters", "list", "--limit", "100000")
    assert (listed.count(str(there.id)), listed.count(str(here.id))) == (1, 1)
    assert str(here.id) not in run("dead_letters", "list", "--tenant", given.tenant.slug)
    assert f"1  {given.tenant.slug}" in run("dead_letters", "list", "--summary", "--tenant", given.tenant.slug)
    assert given.tenant.slug in run("dead_letters", "show", str(there.id))
    with pytest.raises(CommandError, match="on the servers main, b"):
        run("dead_letters", "replay", str(there.id), str(here.id), "--dry-run")
    with pytest.raises(CommandError, match="still open"):
        run("dead_letters", "replay", str(there.id), str(here.id))
    assert run("dead_letters", "discard", str(there.id), str(here.id), "--reason", "Sent again") == "2 discarded\n"
    with at_home(given.tenant.id), tenant_context(given.tenant.id):
        assert DeadLetter.objects.get().state == DeadLetter.State.DISCARDED


def test_dead_letters_are_listed_where_another_server_is_away(given: Given, server_b: ServerB) -> None:
    there, here = fail(given.tenant), fail(given.other)
    server_b.take_away()
    listed = run_without("dead_letters", "list", "--limit", "100000")
    assert (listed.count(str(there.id)), listed.count(str(here.id))) == (0, 1)
    assert given.other.slug in run("dead_letters", "show", str(here.id))
    run_without("dead_letters", "show", str(there.id))


# --- what was published -------------------------------------------------------------------------------------------


def test_published_seals_of_a_tenant_that_has_moved_are_compared_where_it_lives(
    given: Given, move_home: MoveHome
) -> None:
    run("seal_audit", "--tenant", given.tenant.slug)
    with at_home(given.tenant.id):
        (first,) = [describe_seal(one) for one in seals_of(given.tenant)]
    file = write_published(given.folder / "kept", first)
    said = f"{given.tenant.slug}: 1 customers, 1 rows, unbroken; 1 seals, 0 broken; 1 published\n"
    assert said in run("verify_audit", "--published", file)
    # Someone deletes it there: the directory and what was published both miss it.
    delete_the_tenant(given.tenant, keep=("tenants_home",))
    with pytest.raises(CommandError, match="1 tenant is missing"):
        run("verify_audit", "--published", file)
    with pytest.raises(CommandError, match="1 tenant is missing"):
        run("verify_audit")


def test_published_seals_of_a_tenant_out_of_reach_are_an_error(
    tenant: TenantRef,
    customer: Customer,
    admin: Any,
    move_home: MoveHome,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run("seal_audit", "--tenant", tenant.slug)
    (first,) = [describe_seal(one) for one in seals_of(tenant)]
    file = write_published(tmp_path / "kept", first)
    # As it is on main when the move has ended: the rows have gone, and the departure says where to.
    delete_the_tenant(tenant)
    admin.do(
        "INSERT INTO audit_departure (id, tenant_id, slug, to_server, compared, decided_at, deleted_at)"
        " VALUES (gen_random_uuid(), %s, %s, 'b', '{}', now(), now())",
        [tenant.id, tenant.slug],
    )
    monkeypatch.setattr("lifecycle.management.commands.verify_audit.choose_tenants", lambda *_: [])
    move_home(tenant, "b")
    out = io.StringIO()
    with (
        override_settings(AUDIT_SIGNING_KEY=KEY),
        pytest.raises(CommandError, match="1 tenant is elsewhere and not compared"),
    ):
        call_command("verify_audit", "--published", file, stdout=out)
    assert f"Tenant {tenant.id} lives on server b: its published seals up to number 1 were compared" in out.getvalue()
    # It came back and was deleted then: an old departure excuses nothing.
    move_home(tenant, MAIN)
    with override_settings(AUDIT_SIGNING_KEY=KEY), pytest.raises(CommandError, match="1 tenant is missing"):
        call_command("verify_audit", "--published", file, stdout=io.StringIO())
    # A process of another server alone has no directory: it says that it has not compared them.
    monkeypatch.setattr(settings, "DATABASE_SERVER", "b")
    with override_settings(AUDIT_SIGNING_KEY=KEY), pytest.raises(CommandError, match="elsewhere and not compared"):
        call_command("verify_audit", "--published", file, stdout=io.StringIO())
