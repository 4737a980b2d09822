"""A contract is cancelled: the customer's contract ends, nothing is renewed, and the tenant's rules may move it."""

import datetime as dt
from typing import Any

import pytest

from lifecycle.rules.envelopes import Received
from tests.factories import TenantFactory
from tests.messaging.speaking import RULES, Speaker, at, outcomes

CHURNS: dict[str, Any] = {
    **RULES,
    "event_rules": [
        *RULES["event_rules"],
        {
            "event": "contract.cancelled",
            "from": ["Active"],
            "to": "Churned",
            "reason_code": "Too expensive",
            "when": [{"field": "reason", "op": "eq", "value": "Price"}],
        },
    ],
}


@pytest.fixture
def billing(db: None) -> Speaker:
    speaker = Speaker(TenantFactory(configuration=CHURNS))
    speaker.hear(speaker.created())
    term = {"starts_on": "2026-04-01", "ends_on": "2027-03-31", "arr": 1200}
    speaker.hear(speaker.renewed(minutes=1, **term))
    assert (speaker.stage(), speaker.customer().billing.renewal_on) == ("Active", dt.date(2027, 3, 31))
    return speaker


def cancelled(speaker: Speaker, *, minutes: float = 10, **data: Any) -> Received:
    given = {"contract_id": "K1", "cancelled_at": at(minutes).isoformat(), "source": "/billing", **data}
    return speaker.say("contract.cancelled", minutes=minutes, **given)


def test_the_contract_ends_on_the_day_of_the_cancellation_and_nothing_is_renewed(
    billing: Speaker, api_client: Any
) -> None:
    assert outcomes(billing.hear(cancelled(billing, id="e1", reason="Merger"))) == ["applied"]
    figures = billing.customer().billing
    assert (figures.contract_id, figures.contract_ends_on, figures.renewal_on) == ("K1", dt.date(2026, 3, 2), None)
    assert (figures.contract_starts_on, figures.arr) == (dt.date(2026, 4, 1), 1200)
    assert billing.inbox()["e1"] == "applied"
    assert outcomes(billing.hear(cancelled(billing, id="e1", reason="Merger"))) == ["duplicate"]
    # No rule asks for this reason.
    assert billing.stages() == ["Prospect", "Active"]


def test_a_term_that_goes_on_ends_when_billing_says(billing: Speaker) -> None:
    billing.hear(cancelled(billing, ends_on="2026-12-31"))
    assert billing.customer().billing.contract_ends_on == dt.date(2026, 12, 31)


@pytest.mark.parametrize("ends_on", ["31.12.2026", "2026-02-30", 20261231])
def test_an_end_that_cannot_be_read_is_not_the_day_of_the_cancellation(billing: Speaker, ends_on: Any) -> None:
    results = billing.hear(cancelled(billing, id="e4", ends_on=ends_on, reason="Price"))
    assert outcomes(results) == ["dead:invalid_data"]
    assert results[0].refusal is not None
    assert results[0].refusal.sentence.startswith("“Contract ends” (data.ends_on) ")
    figures = billing.customer().billing
    assert (figures.contract_ends_on, figures.renewal_on) == (dt.date(2027, 3, 31), dt.date(2027, 3, 31))
    assert billing.stages() == ["Prospect", "Active"]


def test_an_end_that_is_null_is_the_day_of_the_cancellation(billing: Speaker) -> None:
    billing.hear(cancelled(billing, ends_on=None))
    assert billing.customer().billing.contract_ends_on == dt.date(2026, 3, 2)


def test_a_rule_may_ask_for_the_reason_and_move_the_customer(billing: Speaker) -> None:
    billing.hear(cancelled(billing, id="e2", reason="Price"))
    last = billing.history()[-1]
    assert (last.to_stage, last.reason_code, last.source, last.event_id) == (
        "Churned",
        "Too expensive",
        "EventListener",
        "e2",
    )


def test_another_contract_than_the_one_that_is_known_changes_nothing(billing: Speaker) -> None:
    assert outcomes(billing.hear(cancelled(billing, contract_id="K0", id="e3", reason="Price"))) == ["stale"]
    figures = billing.customer().billing
    assert (figures.contract_id, figures.renewal_on) == ("K1", dt.date(2027, 3, 31))
    assert (billing.stages(), billing.inbox()["e3"]) == (["Prospect", "Active"], "stale")


def test_a_cancellation_from_before_the_renewal_changes_nothing(billing: Speaker) -> None:
    assert outcomes(billing.hear(cancelled(billing, minutes=0.5, reason="Price"))) == ["stale"]
    assert billing.customer().billing.renewal_on == dt.date(2027, 3, 31)
    assert billing.stages() == ["Prospect", "Active"]


def test_a_contract_that_is_signed_after_a_cancellation_is_renewed_again(billing: Speaker) -> None:
    billing.hear(cancelled(billing), billing.renewed(contract_id="K2", ends_on="2028-03-31", minutes=20))
    figures = billing.customer().billing
    assert (figures.contract_id, figures.renewal_on) == ("K2", dt.date(2028, 3, 31))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"source": "/crm"}, "source_not_allowed"),
        ({"cancelled_at": "yesterday"}, "invalid_data"),
        ({"cancelled_at": None}, "invalid_data"),
        ({"contract_id": ""}, "invalid_data"),
    ],
)
def test_a_cancellation_that_cannot_be_is_a_dead_letter(billing: Speaker, data: dict[str, Any], code: str) -> None:
    assert outcomes(billing.hear(cancelled(billing, reason="Price", **data))) == [f"dead:{code}"]
    assert [letter.code for letter in billing.dead_letters()] == [code]
    assert billing.customer().billing.renewal_on == dt.date(2027, 3, 31)
    assert billing.stages() == ["Prospect", "Active"]
