"""The data of an event are held to the schema of its type; what no schema allows costs its own field."""

from decimal import Decimal
from typing import Any

import pytest

from lifecycle.rules.envelopes import Event
from lifecycle.rules.ownership import find_foreign_part
from tests.rules.envelopes import GOOD, code, read


@pytest.mark.parametrize(
    ("event_type", "data", "expected"),
    [
        ("customer.updated", {}, "valid"),
        ("customer.updated", {"name": ""}, "valid"),
        ("customer.updated", {"name": None}, "valid"),
        ("customer.updated", {"name": "x" * 201}, "valid"),
        ("customer.updated", {"industry": None}, "valid"),
        ("customer.updated", {"owner": 5}, "valid"),
        ("customer.updated", {"name": "a\x00b"}, "valid"),
        ("customer.updated", {"name": "a\\u0000b"}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann", "email": None}]}, "valid"),
        ("customer.updated", {"contacts": [{"email": "a@b.example"}]}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann", "email": "no one"}]}, "valid"),
        ("customer.updated", {"contacts": [{"name": "Ann"}] * 101}, "valid"),
        ("customer.updated", {"more": {"than": "known"}}, "valid"),
        ("contract.renewed", {}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": "12.50"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": "lots"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": -1}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": True}, "valid"),
        ("contract.renewed", {"contract_id": "K", "arr": 1e12}, "valid"),
        ("contract.renewed", {"contract_id": " "}, "invalid_data"),
        ("contract.renewed", {"contract_id": 5}, "invalid_data"),
        ("contract.cancelled", {"contract_id": "K", "cancelled_at": "2026-02-30T00:00:00Z"}, "invalid_data"),
        ("support.issue.closed", {"issue_id": None}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K", "ends_on": "2026-02-29"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "ends_on": "2028-02-29"}, "valid"),
        ("contract.renewed", {"contract_id": "K", "starts_on": "2026-03-02", "ends_on": "2026-03-01"}, "invalid_data"),
        ("contract.renewed", {"contract_id": "K", "starts_on": "2026-03-02", "ends_on": "2026-03-02"}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "csat": 5.1}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "csat": 5, "open_issues": 3.0}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "open_issues": 0.5}, "valid"),
        ("support.issue.closed", {"issue_id": "S", "closed_at": "yesterday"}, "valid"),
    ],
)
def test_data_are_held_to_the_schema_of_their_type(event_type: str, data: dict[str, Any], expected: str) -> None:
    sources = {"contract": "/billing", "support": "/support"}
    source = sources.get(event_type.partition(".")[0], "/crm")
    document = {**GOOD, "type": event_type, "source": source, "data": {"external_id": "c1", **data}}
    assert code(document) == expected


@pytest.mark.parametrize(
    ("source", "given", "part"),
    [("/crm", {"name": "Acme"}, "billing"), ("/billing", {"billing": {"arr": 5}}, "contacts")],
)
def test_a_part_of_another_source_that_is_null_costs_no_event(source: str, given: dict[str, Any], part: str) -> None:
    """As serializers write an object that is not set."""
    document = {**GOOD, "type": "customer.updated", "source": source}
    bare = {"external_id": "c1", **given}
    found = read({**document, "data": {**bare, part: None}})
    assert isinstance(found, Event)
    # As if it were not there: for event rules as well.
    assert found == read({**document, "data": bare})
    # What says something is refused as before, also where it cannot be kept.
    for value in ({}, [], "none", 0):
        assert code({**document, "data": {**bare, part: value}}) == "source_not_allowed"


@pytest.mark.parametrize(
    ("event_type", "source", "data", "kept", "rejected"),
    [
        ("customer.updated", "/crm", {"name": None, "industry": "Glass"}, {"industry": "Glass"}, "data.name is blank"),
        ("customer.updated", "/crm", {"owner": 5, "name": "A"}, {"name": "A"}, "data.owner must be text"),
        (
            "customer.updated",
            "/crm",
            {"contacts": [None, {"name": "Ann"}], "name": "A"},
            {"name": "A"},
            "data.contacts[0] must be an object",
        ),
        (
            "customer.updated",
            "/crm",
            {"contacts": [{}, {"name": "Ann"}]},
            {"contacts": [{"name": "Ann", "email": None, "phone": None}]},
            "data.contacts[0] has no name",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"currency": None, "arr": 5}},
            {"billing": {"currency": None, "arr": Decimal("5.00")}},
            None,
        ),
        ("customer.updated", "/crm", {"contacts": None, "name": "A"}, {"name": "A"}, "data.contacts must be a list"),
        (
            "customer.updated",
            "/crm",
            {"contacts": [{"name": "Ann"}] * 101, "name": "A"},
            {"name": "A"},
            "data.contacts has more than 100 people",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"arr": 10**12, "mrr": "5"}},
            {"billing": {"mrr": Decimal("5.00")}},
            "data.billing.arr must be less than 1,000,000,000,000",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"arr": "1e12", "currency": "EUR"}},
            {"billing": {"currency": "EUR"}},
            "data.billing.arr is not a number; write for example 1234.50",
        ),
        (
            "customer.updated",
            "/billing",
            {"billing": {"renewal_on": "2026-02-30", "currency": "EUR"}},
            {"billing": {"currency": "EUR"}},
            "data.billing.renewal_on is not a date such as 2026-03-31",
        ),
        ("customer.updated", "/billing", {"billing": "none"}, {}, "data.billing must be an object"),
        (
            "customer.updated",
            "/support",
            {"support": {"csat": "5", "open_issues": 2}},
            {"support": {"open_issues": 2}},
            "data.support.csat is not a number; write for example 1234.50",
        ),
        (
            "contract.renewed",
            "/billing",
            {"contract_id": "K", "arr": "1e3", "ends_on": "2028-02-29"},
            {"contract_id": "K", "ends_on": "2028-02-29"},
            "data.arr is not a number; write for example 1234.50",
        ),
        (
            "support.issue.closed",
            "/support",
            {"issue_id": "S", "csat": 9, "open_issues": 1},
            {"issue_id": "S", "open_issues": 1},
            "data.csat must be from 0 to 5",
        ),
    ],
)
def test_what_no_schema_allows_costs_its_own_field(
    event_type: str, source: str, data: dict[str, Any], kept: dict[str, Any], rejected: str | None
) -> None:
    found = read({**GOOD, "type": event_type, "source": source, "data": {"external_id": "c1", **data}})
    assert isinstance(found, Event), found
    assert (found.data, found.rejected) == ({"external_id": "c1", **kept}, (rejected,) if rejected else ())


@pytest.mark.parametrize(
    ("people", "rejected"),
    [
        (["ann@x.example"], "data.contacts[0] must be an object"),
        ([None], "data.contacts[0] must be an object"),
        ([[{"name": "Ann"}]], "data.contacts[0] must be an object"),
        ([{"name": "Ann"}, "ben@x.example"], "data.contacts[1] must be an object"),
        ([{}], "data.contacts[0] has no name"),
        (
            [{"name": "Ann"}, {"email": "no one"}],
            "data.contacts[1].email is not an e-mail address such as name@company.example",
        ),
        ([{"name": "Ann", "email": {"home": "ann@x.example"}}], "data.contacts[0].email must be text"),
        ([{"name": {"first": "Ann"}, "email": "ann@x.example"}], "data.contacts[0].name must be text"),
        ([{"name": "Ann", "phone": 493012345}], "data.contacts[0].phone must be text"),
    ],
)
def test_a_list_of_people_that_cannot_be_read_whole_replaces_no_one(people: list[Any], rejected: str) -> None:
    """What is left of it would take everyone else away."""
    found = read(
        {**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "owner": "eva", "contacts": people}}
    )
    assert isinstance(found, Event), found
    assert (found.data, found.rejected) == ({"external_id": "c1", "owner": "eva"}, (rejected,))
    assert "contacts" in found.unread


def test_an_empty_list_of_people_says_that_there_is_no_one() -> None:
    found = read({**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "contacts": []}})
    assert isinstance(found, Event)
    assert (found.data, found.rejected, found.unread) == ({"external_id": "c1", "contacts": []}, (), frozenset())


@pytest.mark.parametrize("currency", [5, "Euros", ["EUR"]])
def test_an_amount_in_a_currency_that_cannot_be_read_is_none(currency: Any) -> None:
    """In the currency that is known it would be another sum."""
    data = {"external_id": "c1", "billing": {"currency": currency, "arr": 1_000_000, "renewal_on": "2026-05-01"}}
    found = read({**GOOD, "type": "customer.updated", "source": "/billing", "data": data})
    assert isinstance(found, Event), found
    assert found.data["billing"] == {"renewal_on": "2026-05-01"}
    assert found.rejected[1] == "data.billing.arr is in a currency that cannot be read"
    assert found.unread == {"billing.currency", "billing.arr"}


def test_what_is_left_out_has_an_owner_all_the_same() -> None:
    assert code({**GOOD, "type": "customer.updated", "data": {"external_id": "c1", "billing": 5}}) == (
        "source_not_allowed"
    )


@pytest.mark.parametrize("key", [b"c2", b"", b"C1", b"c1\xff", b"c1\x07"])
def test_a_key_that_differs_from_the_external_id_is_refused(key: bytes) -> None:
    assert code(GOOD, key=key) == "key_mismatch"


@pytest.mark.parametrize(
    ("source", "event_type", "data", "field"),
    [
        ("/crm", "customer.updated", {"name": "A", "contacts": []}, None),
        ("/crm", "customer.updated", {"billing": {}}, "data.billing belongs to /billing"),
        ("/crm", "customer.created", {"support": {}}, "data.support belongs to /support"),
        ("/billing", "customer.updated", {"billing": {"arr": 1}}, None),
        ("/billing", "customer.updated", {"owner": "x"}, "data.owner belongs to /crm"),
        ("/support", "customer.updated", {"support": {}}, None),
        ("/support", "customer.updated", {"contacts": []}, "data.contacts belongs to /crm"),
        ("/crm", "contract.renewed", {"contract_id": "K"}, "data.contract_id belongs to /billing"),
        ("/billing", "support.issue.closed", {"issue_id": "S"}, "data.issue_id belongs to /support"),
    ],
)
def test_a_source_may_write_only_its_own_part(
    source: str, event_type: str, data: dict[str, Any], field: str | None
) -> None:
    found = find_foreign_part(source, event_type, data)
    named = f"{found.params['field']} belongs to {found.params['owner']}" if found else None
    assert named == field
