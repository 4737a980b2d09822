"""What events do to customers: data field by field, stages by the tenant's rules, each event once."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.services.chain import row_hash
from lifecycle.models import NO_TENANT, DeadLetter
from lifecycle.rules.envelopes import receive
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.factories import TenantFactory
from tests.messaging.speaking import NOON, Speaker, as_message, at, outcomes

LIFECYCLE = "audit.lifecycle.updated"


def test_a_created_customer_is_recorded_and_placed(acme: Speaker) -> None:
    event = acme.created(
        industry="Steel", owner="meg@acme.example", contacts=[{"name": "Ann", "email": "ann@x.example", "role": "CTO"}]
    )
    assert outcomes(acme.hear(event)) == ["applied"]
    customer = acme.customer()
    assert (customer.name, customer.industry, customer.owner) == ("Acme", "Steel", "meg@acme.example")
    assert (customer.source, customer.event_id, customer.occurred_at) == ("/crm", event.event.id, NOON)
    with tenant_context(acme.tenant.id):
        (contact,) = customer.contacts.all()
        assert (contact.name, contact.email, contact.phone, contact.role) == ("Ann", "ann@x.example", None, "CTO")
    (row,) = acme.history()
    assert (row.from_stage, row.to_stage, row.source) == (None, "Prospect", "EventListener")
    assert (row.changed_by, row.actor_kind) == ("system:consume_events", "system")
    assert (row.event_id, row.effective_at) == (event.event.id, NOON)


def test_a_renewed_contract_moves_a_customer_at_risk(acme: Speaker) -> None:
    acme.hear(acme.created(), acme.renewed(minutes=1), acme.closed(minutes=2, csat=1))
    assert acme.stage() == "At-Risk"
    event = acme.renewed(minutes=3, contract_id="K2", starts_on="2026-04-01", ends_on="2027-03-31", arr="1200.50")
    assert outcomes(acme.hear(event)) == ["applied+moved"]
    billing = acme.customer().billing
    assert (billing.contract_id, billing.arr, billing.source) == ("K2", Decimal("1200.50"), "/billing")
    assert billing.renewal_on == billing.contract_ends_on == dt.date(2027, 3, 31)
    assert billing.contract_starts_on == dt.date(2026, 4, 1)
    last = acme.history()[-1]
    assert (last.from_stage, last.to_stage, last.reason_code) == ("At-Risk", "Active", "Signed")
    assert (last.event_id, last.effective_at, last.sequence) == (event.event.id, at(3), 4)
    assert [bytes(row.hash) for row in acme.history()] == [row_hash(row.__dict__) for row in acme.history()]
    assert len(acme.outbox(LIFECYCLE)) == 4


def test_a_closed_issue_is_recorded(acme: Speaker) -> None:
    acme.hear(acme.created())
    event = acme.closed(issue_id="S9", severity="high", closed_at="2026-03-01T10:00:00Z", csat=3.5, open_issues=2.0)
    assert outcomes(acme.hear(event)) == ["applied"]
    support = acme.customer().support
    assert (support.last_issue_id, support.last_issue_severity, support.open_issues) == ("S9", "high", 2)
    assert support.last_issue_closed_at == dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
    assert support.csat == Decimal("3.50")


def test_an_event_that_changes_data_but_not_the_stage_writes_no_history(acme: Speaker) -> None:
    acme.hear(acme.created())
    assert outcomes(acme.hear(acme.updated(minutes=1, segment="SMB"))) == ["applied"]
    assert acme.stages() == ["Prospect"]
    assert len(acme.outbox(LIFECYCLE)) == 1


def test_an_event_without_anything_to_write_is_a_noop(acme: Speaker) -> None:
    acme.hear(acme.created())
    event = acme.updated(minutes=1)
    assert outcomes(acme.hear(event)) == ["noop"]
    assert acme.inbox()[event.event.id] == "noop"


def test_an_event_takes_effect_once_however_often_it_comes(acme: Speaker) -> None:
    created, renewed = acme.created(), acme.renewed(minutes=1)
    again = receive(renewed.message)
    assert outcomes(acme.hear(created, renewed, again)) == ["applied", "applied+moved", "duplicate"]
    acme.hear(acme.closed(minutes=1, csat=1))
    # Had the event been applied again, it would move the customer a second time.
    assert outcomes(acme.hear(renewed, created)) == ["duplicate", "duplicate"]
    assert acme.stages() == ["Prospect", "Active", "At-Risk"]


def test_the_same_id_from_another_source_is_another_event(acme: Speaker) -> None:
    acme.hear(acme.created(id="same"))
    assert outcomes(acme.hear(acme.renewed(minutes=1, id="same"))) == ["applied+moved"]


def test_the_same_event_of_another_tenant_is_another_event(acme: Speaker, globex: Speaker) -> None:
    tenants = {speaker.tenant.slug: speaker.tenant for speaker in (acme, globex)}
    batch = [acme.created(id="same", name="A"), globex.created(id="same", name="G")]
    assert outcomes(acme.hear(*batch, tenants=tenants)) == ["applied", "applied"]
    assert (acme.customer().name, globex.customer().name) == ("A", "G")
    assert acme.customer().id != globex.customer().id


def test_an_older_event_does_not_overwrite_newer_fields(acme: Speaker) -> None:
    acme.hear(acme.created(minutes=0), acme.updated(minutes=5, segment="SMB", owner="new"))
    late = acme.updated(minutes=3, segment="Enterprise", industry="Steel")
    assert outcomes(acme.hear(late)) == ["applied"]
    customer = acme.customer()
    assert (customer.segment, customer.industry, customer.owner) == ("SMB", "Steel", "new")
    later = acme.updated(minutes=4, segment="Enterprise")
    assert outcomes(acme.hear(later)) == ["stale"]
    assert acme.inbox()[later.event.id] == "stale"


def test_an_event_older_than_the_stage_does_not_move_it_back(acme: Speaker) -> None:
    acme.hear(acme.created(), acme.renewed(minutes=10))
    late = acme.closed(minutes=5, csat=1)
    assert outcomes(acme.hear(late)) == ["applied"]
    assert acme.stages() == ["Prospect", "Active"]
    assert acme.customer().support.csat == Decimal("1.00")
    assert acme.dead_letters() == []


def test_an_event_that_was_overtaken_moves_no_one_although_the_stage_is_older_still(acme: Speaker) -> None:
    acme.hear(acme.created(), acme.renewed(minutes=1))
    assert outcomes(acme.hear(acme.closed(minutes=9, csat=3))) == ["applied"]
    # Newer than the stage, but an issue closed later has reported a satisfied customer.
    assert outcomes(acme.hear(acme.closed(minutes=5, csat=1))) == ["stale"]
    assert acme.stage() == "Active"


def test_events_of_one_batch_build_upon_each_other(acme: Speaker) -> None:
    batch = [
        acme.created(),
        acme.renewed(minutes=1),
        acme.closed(minutes=2, csat=1),
        acme.closed(minutes=3, csat=5),
        acme.closed(minutes=4, csat=1),
    ]
    assert outcomes(acme.hear(*batch)) == ["applied"] + ["applied+moved"] * 4
    assert acme.stages() == ["Prospect", "Active", "At-Risk", "Active", "At-Risk"]
    assert [row.sequence for row in acme.history()] == [1, 2, 3, 4, 5]
    assert [row.event_id for row in acme.history()] == [received.event.id for received in batch]


def test_what_the_rules_refuse_is_dead_and_its_data_are_kept(acme: Speaker) -> None:
    acme.hear(acme.created(), acme.renewed(minutes=1))
    with tenant_context(acme.tenant.id):
        change = Change(acme.customer().id, "Churned", reason_code="Price", effective_at=at(2))
        apply(Call(acme.tenant, system_actor("tests"), "API", at(2)), [change])
    event = acme.renewed(minutes=3, arr=99)
    (result,) = acme.hear(event)
    assert outcomes([result]) == ["dead:transition_not_allowed"]
    assert result.refusal is not None
    assert result.refusal.sentence.startswith("A customer in “Churned” cannot be moved to “Active”")
    assert acme.customer().billing.arr == Decimal("99.00")
    assert acme.stages() == ["Prospect", "Active", "Churned"]
    (dead_letter,) = acme.dead_letters()
    assert (dead_letter.code, dead_letter.event_id, dead_letter.state) == (
        "transition_not_allowed",
        event.event.id,
        "open",
    )
    assert acme.inbox()[event.event.id] == "dead"
    assert outcomes(acme.hear(event)) == ["duplicate"]
    assert len(acme.dead_letters()) == 1


def test_a_dead_letter_goes_out_as_it_came_with_the_error_in_headers(acme: Speaker) -> None:
    from lifecycle.services.events.outbox import _as_pending

    value = b'{"broken": "\xc3\xa4"'
    message = as_message(value, topic="customer.updated", key=b"\x00\xff", headers=[("h", b"\x01"), ("h", None)])
    now = at(60)
    (result,) = acme.hear(receive(message), now=now)
    assert outcomes([result]) == ["dead:unreadable"]
    with tenant_context(NO_TENANT):
        from audit.models import OutboxMessage

        dead_letter = DeadLetter.objects.get(topic="customer.updated", offset=message.offset)
        row = OutboxMessage.objects.order_by("-id").values_list(
            "id", "period", "tenant_id", "topic", "key", "payload", "headers", "created_at"
        )[0]
    assert value not in bytes(row[5]), "the outbox holds the message in clear"
    assert value not in bytes(dead_letter.value or b""), "the table holds the message in clear"
    pending = _as_pending((*row, *[None] * 16))
    assert (pending.topic, pending.key, pending.value) == ("lifecycle.dead-letter", b"\x00\xff", value)
    assert pending.headers[:2] == (("h", b"\x01"), ("h", None))
    assert dict(pending.headers[2:]) == {
        "dead-letter-id": str(dead_letter.id).encode(),
        "dead-letter-code": b"unreadable",
        "dead-letter-sentence": dead_letter.sentence.encode(),
        "dead-letter-topic": b"customer.updated",
        "dead-letter-partition": b"0",
        "dead-letter-offset": str(message.offset).encode(),
        "dead-letter-attempt": b"1",
        "dead-letter-time": now.isoformat().encode(),
    }


def test_one_bad_message_does_not_hold_up_the_good_ones_beside_it(acme: Speaker) -> None:
    invalid = [receive(as_message(b"junk", topic="customer.created", key=b"x")), acme.created("c\0")]
    assert outcomes(acme.hear(acme.created("c1"), *invalid, acme.created("c3"))) == [
        "applied",
        "dead:unreadable",
        "dead:invalid_data",
        "applied",
    ]
    assert acme.stage("c3") == "Prospect"
    # The error that names its tenant is the tenant's; the other one is no one's.
    assert [dead_letter.code for dead_letter in acme.dead_letters()] == ["invalid_data"]


def test_a_corrected_event_may_come_under_the_id_of_an_invalid_one(acme: Speaker) -> None:
    assert outcomes(acme.hear(acme.created("c\0", id="e1"))) == ["dead:invalid_data"]
    assert outcomes(acme.hear(acme.created(id="e1", name="Right"))) == ["applied"]
    assert acme.customer().name == "Right"


def test_an_invalid_message_that_is_delivered_twice_becomes_a_dead_letter_once(acme: Speaker) -> None:
    invalid = acme.created("c\0")
    assert outcomes(acme.hear(invalid)) == ["dead:invalid_data"]
    assert outcomes(acme.hear(invalid)) == ["duplicate"]
    assert len(acme.dead_letters()) == 1
    assert len(acme.outbox("lifecycle.dead-letter")) == 1


@pytest.mark.parametrize("slug", ["", "no one-here"])
def test_an_event_of_an_unknown_tenant_is_dead_and_nobodys(acme: Speaker, slug: str) -> None:
    document = acme.document("customer.created", "c1", name="A") | {"tenantid": slug}
    message = as_message(document, topic="customer.created")
    assert outcomes(acme.hear(receive(message))) == ["dead:unknown_tenant"]
    assert acme.dead_letters() == []
    with tenant_context(NO_TENANT):
        dead_letter = DeadLetter.objects.get(offset=message.offset)
        assert (dead_letter.tenant_id, dead_letter.tenant_slug) == (NO_TENANT, slug)


def test_an_event_of_a_suspended_tenant_is_dead(acme: Speaker) -> None:
    from lifecycle.messaging.batch_processing import KnownTenants

    with tenant_context(acme.tenant.id):
        Tenant.objects.filter(id=acme.tenant.id).update(is_suspended=True)
    tenants = KnownTenants().find({acme.tenant.slug})
    assert outcomes(acme.hear(acme.created(), tenants=tenants)) == ["dead:unknown_tenant"]


def test_an_event_from_the_future_is_dead_beyond_ten_minutes(acme: Speaker) -> None:
    assert outcomes(acme.hear(acme.created(minutes=11), now=at(0))) == ["dead:time_in_future"]
    assert outcomes(acme.hear(acme.created("c2", minutes=9), now=at(0))) == ["applied"]
    assert acme.history("c2")[0].effective_at == at(0), "no one enters a stage tomorrow"


def test_a_tenant_without_configuration_buries_its_events_until_it_has_one(db: None) -> None:
    speaker = Speaker(TenantFactory(configuration=None))
    assert outcomes(speaker.hear(speaker.created())) == ["dead:no_configuration"]


def test_a_source_that_writes_anothers_field_is_refused_whole(acme: Speaker) -> None:
    acme.hear(acme.created())
    event = acme.updated(minutes=1, name="Mine now", billing={"arr": 1})
    (result,) = acme.hear(event)
    assert outcomes([result]) == ["dead:source_not_allowed"]
    assert result.refusal is not None
    assert result.refusal.sentence == (
        "“All billing data” (data.billing) belongs to /billing: /crm may not write it. Have /billing send it, or leave"
        " it out."
    )
    assert acme.customer().name == "Acme"
    assert not hasattr(acme.customer(), "billing")


def test_each_source_writes_its_own_part_and_leaves_the_others_untouched(acme: Speaker) -> None:
    acme.hear(acme.created(owner="meg"))
    acme.hear(acme.updated(minutes=1, source="/billing", billing={"arr": 10, "currency": "EUR"}))
    acme.hear(acme.updated(minutes=2, source="/support", support={"open_issues": 4}))
    acme.hear(acme.renewed(minutes=3, arr=20))
    customer = acme.customer()
    assert (customer.name, customer.owner, customer.source) == ("Acme", "meg", "/crm")
    assert (customer.billing.currency, customer.billing.arr, customer.billing.source) == ("EUR", 20, "/billing")
    assert (customer.support.open_issues, customer.support.source) == (4, "/support")


def test_of_two_events_of_the_same_moment_the_later_to_come_counts_where_another_source_speaks_too(
    acme: Speaker,
) -> None:
    """Many systems have no more than seconds, and write twice in one."""
    acme.hear(acme.created(industry="Glass"))
    acme.hear(acme.updated(minutes=1, source="/crm/eu", industry="Steel"))
    acme.hear(acme.updated(minutes=2, industry="Paper"))
    assert outcomes(acme.hear(acme.updated(minutes=2, industry="Media"))) == ["applied"]
    assert acme.customer().industry == "Media"
    assert outcomes(acme.hear(acme.updated(minutes=1, industry="Glass"))) == ["stale"]
    assert acme.customer().industry == "Media"


def test_what_an_event_does_not_say_of_its_issue_or_contract_clears_no_figure_of_the_customer(acme: Speaker) -> None:
    """Most issues are closed without a rating, and systems write that as null."""
    acme.hear(acme.created())
    acme.hear(acme.updated(minutes=1, source="/billing", billing={"arr": 10, "currency": "EUR"}))
    acme.hear(acme.updated(minutes=2, source="/support", support={"open_issues": 4, "csat": 4.5}))
    acme.hear(acme.closed(minutes=3, issue_id="S2", severity=None, csat=None, open_issues=None))
    acme.hear(acme.renewed(minutes=4, ends_on="2027-03-31", arr=None))
    customer = acme.customer()
    assert (customer.support.open_issues, customer.support.csat) == (4, Decimal("4.5"))
    assert (customer.support.last_issue_id, customer.support.last_issue_severity) == ("S2", "")
    assert (customer.billing.arr, customer.billing.contract_id) == (10, "K1")
    assert str(customer.billing.renewal_on) == "2027-03-31"
    # Null clears where an event is about the figures themselves, and a contract without an end is not to be renewed.
    acme.hear(acme.updated(minutes=5, source="/support", support={"csat": None}))
    acme.hear(acme.renewed(minutes=6, ends_on=None))
    customer = acme.customer()
    assert (customer.support.csat, customer.billing.renewal_on) == (None, None)


def test_moving_a_customer_leaves_its_data_untouched(acme: Speaker) -> None:
    """AC-7: nothing but the status changes when a person moves a customer."""
    acme.hear(acme.created(), acme.updated(minutes=1, source="/billing", billing={"arr": 10}))
    before = acme.customer()
    with tenant_context(acme.tenant.id):
        change = Change(before.id, "Onboarded")
        apply(Call(acme.tenant, system_actor("tests"), "UI", at(5)), [change])
    after = acme.customer()
    assert acme.stage() == "Onboarded"
    assert (after.updated_at, after.field_times) == (before.updated_at, before.field_times)
    assert (after.billing.arr, after.billing.field_times) == (before.billing.arr, before.billing.field_times)


def test_a_second_creation_is_an_update(acme: Speaker) -> None:
    acme.hear(acme.created(name="First"))
    assert outcomes(acme.hear(acme.created(minutes=1, name="Second"))) == ["applied"]
    assert acme.customer().name == "Second"
    assert acme.stages() == ["Prospect"]
