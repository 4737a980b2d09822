"""A sandbox is emptied and filled again in one step; what lets people and programs in stays; others notice nothing."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from io import StringIO
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection
from django.test import override_settings

from audit.models import AdministrationEntry, Departure, LifecycleHistory, OutboxMessage
from audit.services.seals import SealFacts, _sign, describe_seal, facts_of
from lifecycle.delivery.senders import deliver
from lifecycle.messaging.stale_copies import StaleCopies
from lifecycle.models import Customer, EffectRun, WebhookEndpoint
from lifecycle.rules.envelopes import receive
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.verification import read_emptied
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.customers.summaries import read_profile
from lifecycle.services.demo import sandboxes
from lifecycle.services.demo.sandboxes import EMPTIED, EMPTIED_BY_OWNER, KEPT, NotASandbox, reset_sandbox
from lifecycle.services.effects.endpoints import create_endpoint
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.feed import read_feed
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, Tenant, User
from tenants.roles import Role
from tenants.services.accounts.api_keys import create_key, verify_key
from tenants.services.accounts.people import create_tenant
from tests.conftest import People, make_people
from tests.effects.test_engine import claim_all, move, runs
from tests.factories import ADMIN_ACTOR, CustomerFactory, UserFactory, make_issuer, utc_now
from tests.messaging.speaking import Speaker, as_message
from tests.services.seals.sealing import KEY, errors_of, seal, seals_of
from tests.services.threads import run_together

TABLES = """
SELECT c.relname FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
"""


@pytest.fixture
def sandbox(db: None, monkeypatch: pytest.MonkeyPatch) -> TenantRef:
    """A sandbox that was never filled, of 12 customers."""
    monkeypatch.setattr(sandboxes, "CUSTOMERS", 12)
    slug = f"s-{utc_now().timestamp():.6f}".replace(".", "-")
    return create_tenant(slug=slug, name="Try it", actor=ADMIN_ACTOR, now=utc_now(), is_sandbox=True)


@pytest.fixture
def people(sandbox: TenantRef) -> People:
    return make_people(sandbox)


def reset(tenant: TenantRef, **options: Any) -> Any:
    return reset_sandbox(tenant, now=utc_now(), **options)


def external_ids(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(Customer.objects.order_by("external_id").values_list("external_id", flat=True))


def print_of(tenant: TenantRef) -> dict[str, Any]:
    """Every table that the application may read of the tenant, and what is in it."""
    found = {}
    with tenant_context(tenant.id), connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (table,) in cursor.fetchall():
            if table != "lifecycle_stalecopies":
                cursor.execute(
                    f"SELECT count(*), md5(COALESCE(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
                    " WHERE tenant_id = %s",
                    [tenant.id],
                )
                found[table] = cursor.fetchone()
    return found


def test_a_sandbox_is_emptied_and_filled_again_and_no_one_elses_rows_are_touched(
    sandbox: TenantRef, people: People, tenant: TenantRef, users: People
) -> None:
    CustomerFactory(tenant=tenant)
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = set(Customer.objects.values_list("id", flat=True))
        issuer = make_issuer(sandbox)
        endpoint = create_endpoint(
            name="CRM", url="https://crm.example/hook", tenant=sandbox, actor=ADMIN_ACTOR, now=utc_now()
        )
        service = UserFactory(tenant=sandbox, is_service_account=True)
        secret = create_key(
            account=service,
            name="ci",
            scopes=["view_lifecycle"],
            expires_at=utc_now() + dt.timedelta(days=30),
            tenant=sandbox,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        ).secret
    CustomerFactory(tenant=sandbox, external_id="mine")
    others = print_of(tenant)

    done = reset(sandbox)

    assert (done.customers_before, done.customers) == (13, 12)
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    assert print_of(tenant) == others
    with tenant_context(sandbox.id):
        assert not former & set(Customer.objects.values_list("id", flat=True))
        assert User.objects.filter(tenant_id=sandbox.id).count() == 5
        assert str(issuer.id) and WebhookEndpoint.objects.get().name == "CRM"
        entries = AdministrationEntry.objects.filter(action="reset_sandbox").order_by("id")
        assert [entry.detail["customers_before"] for entry in entries] == [0, 13]
        assert not EffectRun.objects.exists()
        # Nothing is announced of what is gone; all of the new story is.
        announced = set(OutboxMessage.objects.filter(published_at=None).values_list("history_id", flat=True))
        assert announced == set(LifecycleHistory.objects.values_list("id", flat=True))
        assert ConfigurationVersion.objects.filter(number__isnull=False).count() == 2
    assert endpoint and verify_key(secret, now=utc_now()).user_id == service.id


def test_every_table_of_tenants_is_emptied_or_kept_for_a_reason(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        tables = {table for (table,) in cursor.fetchall()}
    assert tables == {*EMPTIED, *EMPTIED_BY_OWNER, *KEPT}
    assert len(tables) == len(EMPTIED) + len(EMPTIED_BY_OWNER) + len(KEPT)


def test_only_a_sandbox_can_be_emptied_and_only_a_new_tenant_can_be_one(tenant: TenantRef, sandbox: TenantRef) -> None:
    customer = CustomerFactory(tenant=tenant)
    with pytest.raises(NotASandbox):
        reset(tenant)
    for function in ("empty_sandbox()", "empty_sandbox_record()"):
        with pytest.raises(ProgrammingError, match="sandbox"), tenant_context(tenant.id):
            connection.cursor().execute(f"SELECT {function}")
    for one, flag in ((tenant, True), (sandbox, False)):
        with pytest.raises(ProgrammingError, match="first day or never"), tenant_context(one.id):
            Tenant.objects.filter(id=one.id).update(is_sandbox=flag)
    with pytest.raises(ProgrammingError, match=r"append-only|permission denied"), tenant_context(sandbox.id):
        connection.cursor().execute("DELETE FROM customer_lifecycle_history")
    with tenant_context(tenant.id):
        assert Customer.objects.get().id == customer.id
        assert LifecycleHistory.objects.count() == 1


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 1.0])
def test_a_run_that_dies_leaves_the_sandbox_as_it_was_and_the_next_one_does_it(
    share: float, sandbox: TenantRef, people: People
) -> None:
    reset(sandbox)
    CustomerFactory(tenant=sandbox, external_id="mine")
    statements: list[str] = []

    def count(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with (
        pytest.raises(KeyboardInterrupt),
        connection.execute_wrapper(count),
        patch.object(sandboxes, "record_administration", side_effect=KeyboardInterrupt),
    ):
        reset(sandbox)
    last, before = max(1, int(len(statements) * share)), print_of(sandbox)
    assert ("mine" in external_ids(sandbox), len(statements) > 40) == (True, True)
    statements.clear()

    def die(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        if len(statements) == last:
            # As a server that goes away: nothing more is heard of the session.
            connection.connection.close()
        return execute(sql, *rest)

    with pytest.raises(Exception, match=r"closed|lost"), connection.execute_wrapper(die):
        reset(sandbox)
    connection.close()
    assert print_of(sandbox) == before
    assert reset(sandbox).customers_before == 13
    assert "mine" not in external_ids(sandbox)


def test_two_runs_at_once_reset_it_once(sandbox: TenantRef, people: People) -> None:
    start = utc_now()
    found = run_together([lambda: reset(sandbox, since=start)] * 3)
    assert sorted(one is None for one in found) == [False, True, True]
    assert len(external_ids(sandbox)) == 12
    assert reset(sandbox, since=start) is None
    assert reset(sandbox).customers_before == 12


def test_who_changes_a_customer_in_the_meantime_finds_it_gone(
    sandbox: TenantRef, people: People, in_threads: Callable[..., list[Any]]
) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        customers = list(Customer.objects.order_by("id"))

    def act(number: int) -> Any:
        if number == 0:
            return reset(sandbox)
        return move(sandbox, customers[number], stage="At-Risk")

    in_threads(4, act)
    assert external_ids(sandbox) == [f"SB-{number:06d}" for number in range(1, 13)]
    with tenant_context(sandbox.id):
        # No row of history, status or effect of anyone who is gone.
        gone = {customer.id for customer in customers}
        assert not LifecycleHistory.objects.filter(customer_id__in=gone).exists()
        assert not EffectRun.objects.filter(customer_id__in=gone).exists()
    assert "12 customers" in (said := verify(sandbox)) and "rows, unbroken; no seals\n" in said


# --- the record -----------------------------------------------------------------------------------------------------


def verify(tenant: TenantRef, *arguments: str) -> str:
    out = StringIO()
    call_command("verify_audit", "--tenant", tenant.slug, *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_seals_go_on_over_a_reset_and_what_was_published_still_holds(
    sandbox: TenantRef, people: People, tenant: TenantRef
) -> None:
    with override_settings(AUDIT_SIGNING_KEY=KEY):
        reset(sandbox)
        seal("--tenant", sandbox.slug)
        published = [describe_seal(one) for one in seals_of(sandbox)]
        reset(sandbox)
        assert errors_of(sandbox, published=published) == []
        seal("--tenant", sandbox.slug)
        assert [one.number for one in seals_of(sandbox)] == [1, 2]
        assert errors_of(sandbox, published=published) == []
        with tenant_context(sandbox.id):
            left = Departure.objects.order_by("decided_at")
            assert [(one.seals_to, one.to_server, one.deleted_at is not None) for one in left] == [
                (0, "", True),
                (1, "", True),
            ]
        said = verify(sandbox)
        assert "12 customers" in said and "2 seals, 0 broken" in said
        assert "a sandbox: emptied 2 times, last at" in said and "seals up to 1 have no rows" in said
        # A seal that was published and is gone is still missed.
        with tenant_context(sandbox.id):
            third = sign(facts_of(seals_of(sandbox)[0]), KEY, number=3)
        assert errors_of(sandbox, published=[*published, third]) == [(3, "seal_withdrawn")]


def sign(facts: SealFacts, key: bytes, *, number: int) -> dict[str, Any]:
    """A seal of another number, as it would have been published."""
    signed = _sign(dataclasses.replace(facts, number=number), key, complete_to=utc_now())
    return describe_seal(signed)


def test_of_a_tenant_that_is_no_sandbox_no_emptying_is_believed(
    tenant: TenantRef, superuser: Any, sandbox: TenantRef
) -> None:
    superuser.execute(
        "INSERT INTO audit_departure (id, tenant_id, slug, to_server, compared, decided_at, deleted_at, seals_to)"
        " VALUES (uuidv7(), %s, 'x', '', '{}', now(), now(), 5)",
        [tenant.id],
    )
    superuser.commit()
    assert read_emptied(tenant) is None
    assert read_emptied(sandbox) is None


def test_a_cursor_of_the_feed_that_was_kept_goes_on_with_the_new_story(sandbox: TenantRef, people: People) -> None:
    def page(after: int) -> Any:
        with tenant_context(sandbox.id):
            return read_feed(tenant=sandbox, after=after, limit=1000, now=utc_now())

    reset(sandbox)
    first = page(0)
    kept = first.next_after
    assert [row["position"] for row in first.rows] == list(range(1, kept + 1))
    reset(sandbox)
    second = page(kept)
    assert second.rows[0]["position"] == kept + 1
    assert {row["external_id"] for row in second.rows} == set(external_ids(sandbox))
    assert page(second.next_after).rows == []


# --- what is kept elsewhere, and what is on its way -------------------------------------------------------------------


def test_nothing_that_was_kept_in_redis_is_shown_of_a_customer_that_is_gone(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = Customer.objects.get(external_id="SB-000001").id
    for _ in range(2):
        assert read_profile(former, tenant=sandbox, now=utc_now()) is not None
    reset(sandbox)
    assert read_profile(former, tenant=sandbox, now=utc_now()) is None


def test_the_relay_drops_it_for_a_run_that_died_right_after_its_commit(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    with tenant_context(sandbox.id):
        former = Customer.objects.get(external_id="SB-000001").id
    assert read_profile(former, tenant=sandbox, now=utc_now()) is not None
    with patch("django.db.transaction.on_commit"):
        reset(sandbox)
    StaleCopies().look_back()
    StaleCopies().look()
    assert read_profile(former, tenant=sandbox, now=utc_now()) is None


def test_an_event_that_was_sent_before_the_reset_is_not_applied_after_it(sandbox: TenantRef, people: People) -> None:
    reset(sandbox)
    speaker = Speaker(sandbox)
    sent_before = utc_now()
    reset(sandbox)
    name = speaker.customer("SB-000003").name

    def say(name: str, sent_at: dt.datetime | None) -> Any:
        document = speaker.document("customer.updated", "SB-000003", name=name)
        document["time"] = utc_now().isoformat()
        message = as_message(document, topic="customer.updated")
        return receive(dataclasses.replace(message, sent_at=sent_at))

    (result,) = speaker.hear(say("Of yesterday", sent_before))
    assert (result.outcome, speaker.customer("SB-000003").name) == ("stale", name)
    assert set(speaker.inbox().values()) == {"stale"}
    assert [one.outcome for one in speaker.hear(say("Of today", utc_now()))] == ["applied"]
    assert speaker.customer("SB-000003").name == "Of today"
    # What came another way than the log has no such time.
    assert [one.outcome for one in speaker.hear(say("By file", None))] == ["applied"]


def test_an_event_that_is_sent_while_the_sandbox_is_emptied_is_not_applied_after_it(
    sandbox: TenantRef, people: People
) -> None:
    reset(sandbox)
    speaker, sent = Speaker(sandbox), []
    written = sandboxes.record_administration

    def record(**facts: Any) -> None:
        # Of what waits for a reset nothing is later than this.
        written(**facts)
        sent.append(utc_now())

    with patch.object(sandboxes, "record_administration", record):
        reset(sandbox)
    name = speaker.customer("SB-000003").name
    document = speaker.document("customer.updated", "SB-000003", name="Of yesterday") | {"time": utc_now().isoformat()}
    message = dataclasses.replace(as_message(document, topic="customer.updated"), sent_at=sent[0])
    (result,) = speaker.hear(receive(message))
    assert (result.outcome, speaker.customer("SB-000003").name) == ("stale", name)


EFFECTS = [
    {"name": "To customers", "kind": "email", "to": ["contacts", "boss@acme.example"]},
    {"name": "To us", "kind": "email", "to": ["managers"]},
    {"name": "Campaign", "kind": "event", "topic": "renewal.campaign.requested"},
    {"name": "Alert", "kind": "alert", "to": ["managers"]},
]


def test_nothing_leaves_a_sandbox_for_customers(sandbox: TenantRef, people: People, mailbox: Any) -> None:
    document = {
        **sandboxes.STORY.document,
        "effects": [{"on": "enter", "stages": ["Churned"], "hold_minutes": 0, **one} for one in EFFECTS],
    }
    reset(sandbox)
    with tenant_context(sandbox.id):
        publish_configuration(document, tenant=sandbox, actor=ADMIN_ACTOR, now=utc_now())
        customer = Customer.objects.exclude(status__stage="Churned").order_by("external_id").first()
    assert customer is not None
    with tenant_context(sandbox.id):
        (moved,) = apply(
            Call(sandbox, ADMIN_ACTOR, "API", utc_now(), None, starts_effects=True),
            [Change(customer.id, "Churned", "Price")],
        )
    assert moved.refused is None
    became = {}
    for job in claim_all(sandbox):
        result = deliver(job)
        became[job.effect, job.recipient.partition(":")[0]] = (result.state, result.reason)
    assert became == {
        ("To customers", "contact"): ("suppressed", "sandbox"),
        ("To customers", "boss@acme.example"): ("suppressed", "sandbox"),
        ("To us", "user"): ("done", ""),
        ("Campaign", "renewal.campaign.requested"): ("suppressed", "sandbox"),
        ("Alert", "user"): ("done", ""),
    }
    assert len(runs(sandbox)) == len(became)


def test_every_answer_about_a_sandbox_and_every_page_of_it_says_so(
    sandbox: TenantRef, people: People, tenant: TenantRef, users: People, api_client: Any, page_client: Any
) -> None:
    reset(sandbox)
    there, here = api_client(people.viewer, tenant=sandbox), api_client(users.viewer)
    assert there.get("/api/v1/customers").headers["Customer360-Sandbox"] == "resets=daily"
    assert there.get("/api/v1/customers/nothing").headers["Customer360-Sandbox"] == "resets=daily"
    assert "Customer360-Sandbox" not in here.get("/api/v1/customers").headers
    words = "This is a sandbox. Every night, just after midnight (UTC)"
    assert words in page_client(people.viewer).get("/customers").content.decode()
    assert words not in page_client(users.viewer).get("/customers").content.decode()


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("reset_sandboxes", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_resets_what_was_not_reset_today(sandbox: TenantRef, people: People, tenant: TenantRef) -> None:
    assert run("--tenant", sandbox.slug) == (
        f"{sandbox.slug}: 0 customers and 0 history rows emptied, 12 customers filled in\n"
    )
    assert run("--tenant", sandbox.slug) == f"{sandbox.slug}: reset today, or at this moment by another run\n"
    assert "12 customers and " in run("--tenant", sandbox.slug, "--again")
    with pytest.raises(CommandError, match="is no sandbox: nothing of it is ever deleted"):
        run("--tenant", tenant.slug)
    with pytest.raises(CommandError, match="'nowhere' is no active tenant"):
        run("--tenant", "nowhere")
    with pytest.raises(CommandError, match="number of seconds above 0"):
        run("--every", "0")
    with pytest.raises(CommandError, match="single run"):
        run("--every", "5", "--again")


def test_a_tenant_without_account_managers_has_customers_of_a_made_up_owner(sandbox: TenantRef) -> None:
    UserFactory(tenant=sandbox, role=Role.VIEWER)
    assert reset(sandbox).customers == 12
    with tenant_context(sandbox.id):
        assert set(Customer.objects.values_list("owner", flat=True)) == {sandboxes.NO_ONE}


def test_create_tenant_makes_a_sandbox(db: None) -> None:
    out = StringIO()
    slug = f"s-{utc_now().timestamp():.6f}".replace(".", "-")
    call_command("create_tenant", slug, "Try", "--sandbox", stdout=out)
    assert out.getvalue() == f"{slug}: made, a sandbox; `manage.py reset_sandboxes --tenant {slug}` fills it now\n"
    assert Tenant.objects.using("platform").get(slug=slug).is_sandbox
