"""Conditions, moments, kinds and sources are chosen in words: nothing that can be chosen is without any."""

from typing import Any

import pytest
from django.http import QueryDict

from lifecycle.admin.configuration.documents import write_document
from lifecycle.admin.configuration.layout import lay_out
from lifecycle.admin.configuration.rows import CannotLayOut, ConditionRow
from lifecycle.admin.configuration.source_rows import (
    SourceRow,
    change_sources,
    lay_out_sources,
    read_sources,
    write_sources,
)
from lifecycle.admin.configuration.words import (
    COMPARISONS,
    MOMENTS,
    offer_fields,
    offer_figures,
    offer_paths,
    say_conditions,
)
from lifecycle.rules.fields import FIELDS
from lifecycle.sentences.configuration import EVENTS, FIGURE_NAMES, KIND_WORDS, SOURCE_WORDS
from lifecycle.sentences.fields import FIELD_NAMES
from tenants.rules.configuration.conditions import OPERATORS
from tenants.rules.configuration.definitions import EFFECT_KINDS, EFFECT_MOMENTS, EFFECT_SOURCES
from tenants.rules.configuration.events import event_fields, event_types
from tenants.rules.configuration.source_priority import sourced_paths
from tests.factories import MINIMAL
from tests.rules.documents import check

COMPANY_FIELDS = {field.name for field in FIELDS if field.path == field.name}


def test_all_that_can_be_chosen_has_words() -> None:
    assert tuple(EVENTS) == event_types()
    assert set(COMPARISONS) == {*OPERATORS, "missing"}
    assert set(MOMENTS) == set(EFFECT_MOMENTS)
    assert set(KIND_WORDS) == set(EFFECT_KINDS)
    assert set(SOURCE_WORDS) == set(EFFECT_SOURCES)
    assert [path for path, _ in offer_paths() if path not in sourced_paths()] == []
    assert len(offer_paths()) == len(sourced_paths())


@pytest.mark.parametrize(
    "event", ["customer.created", "contract.renewed", "contract.cancelled", "support.issue.closed"]
)
def test_what_an_event_has_is_offered_by_name_and_with_its_unit(event: str) -> None:
    offered = offer_fields(event)
    assert {one.path for one in offered} == event_fields(event)
    named = {*FIGURE_NAMES, *FIELD_NAMES, *COMPANY_FIELDS}
    assert [one.path for one in offered if one.path not in named] == []
    assert len({one.name for one in offered}) == len(offered), "no two look the same"
    assert [one.name for one in offered] == sorted((one.name for one in offered), key=str.casefold)
    assert offer_fields("") == []


def test_a_condition_reads_as_a_sentence() -> None:
    rows = [
        ConditionRow("support.open_issues", "ge", "3"),
        ConditionRow("support.csat", "lt", "2"),
        ConditionRow("segment", "missing"),
        ConditionRow(),
    ]
    assert say_conditions(rows, offer_figures()) == (
        "Open issues is at least 3 and Satisfaction is less than 2 of 5 and Segment is not known"
    )


@pytest.mark.parametrize(
    ("condition", "op"),
    [
        ({"field": "segment", "op": "exists"}, "exists"),
        ({"field": "segment", "op": "exists", "value": True}, "exists"),
        ({"field": "segment", "op": "exists", "value": False}, "missing"),
    ],
)
def test_whether_something_is_known_is_asked_without_a_value(condition: Any, op: str) -> None:
    rule = {"name": "R", "when": [condition], "action": "propose", "to": "Active"}
    sheet = lay_out({**MINIMAL, "risk_rules": [rule]}, renamed={}, live_stages=())
    assert (sheet.risks[0].when[0].op, sheet.risks[0].when[0].value) == (op, "")
    assert write_document(sheet)["risk_rules"][0]["when"] == [
        {"field": "segment", "op": "exists", "value": op == "exists"}
    ]


@pytest.mark.parametrize(
    "condition", [{"op": "exists", "value": 5}, {"op": "missing"}, {"op": "missing", "value": True}]
)
def test_what_the_words_cannot_say_stays_json(condition: Any) -> None:
    rule = {"event": "contract.renewed", "to": "Active", "when": [{"field": "arr", **condition}]}
    with pytest.raises(CannotLayOut):
        lay_out({**MINIMAL, "event_rules": [rule]}, renamed={}, live_stages=())


def test_orders_of_sources_go_through_the_form_as_they_are() -> None:
    orders = {"billing.arr": ["/import", "/billing"], "owner": [], "nowhere": ["/crm"]}
    rows = lay_out_sources(orders)
    data = QueryDict(mutable=True)
    for row in rows:
        data.appendlist("source", row.key)
        data[f"source-{row.key}-path"] = row.path
        data.setlist(f"source-{row.key}-name", row.sources_shown)
    assert write_sources(read_sources(data)) == orders
    assert [row.is_unknown for row in rows] == [False, False, True]
    with pytest.raises(CannotLayOut):
        lay_out_sources({"billing.arr": "/import"})
    with pytest.raises(CannotLayOut):
        lay_out_sources({"billing.arr": ["/a", ""]})


def test_rows_of_sources_are_added_removed_and_put_in_order() -> None:
    rows: list[SourceRow] = []
    change_sources(rows, "add_source")
    assert write_sources(rows) == {}
    rows[0].path, rows[0].sources = "billing.arr", ["/a", "/b", "/c"]
    for button in ("raise_source:0:2", "raise_source:0:0", "raise_source:0:9", "raise_source:7:1", "raise_source:0:x"):
        change_sources(rows, button)
    assert write_sources(rows) == {"billing.arr": ["/a", "/c", "/b"]}
    change_sources(rows, "add_source")
    rows[1].path, rows[1].sources = "billing.arr", ["/d"]
    assert write_sources(rows) == {"billing.arr": ["/a", "/c", "/b", "/d"]}, "two rows of one field are one order"
    change_sources(rows, "remove_source:0")
    assert write_sources(rows) == {"billing.arr": ["/d"]}


def rule_about(condition: dict[str, Any]) -> dict[str, Any]:
    rule = {"name": "Small", "when": [condition], "action": "propose", "to": MINIMAL["stages"][-1]}
    return {**MINIMAL, "risk_rules": [rule]}


@pytest.mark.parametrize(
    ("op", "typed", "value"),
    [
        ("eq", "5", "5"),
        ("eq", '"5"', "5"),
        ("eq", "true", "true"),
        ("ne", "1e3", "1e3"),
        ("eq", '5" pipes', '5" pipes'),
        ("in", "5, 10, Gold", ["5", "10", "Gold"]),
        ("in", '["5", "a, b"]', ["5", "a, b"]),
    ],
)
def test_a_text_is_compared_with_what_was_typed_and_shown_as_it_is_typed(op: str, typed: str, value: Any) -> None:
    sheet = lay_out(rule_about({"field": "segment", "op": "eq", "value": "x"}), renamed={}, live_stages=())
    sheet.risks[0].when[0].op, sheet.risks[0].when[0].value = op, typed
    document = write_document(sheet)
    assert document["risk_rules"][0]["when"] == [{"field": "segment", "op": op, "value": value}]
    assert [one for one in check(document) if one.path.startswith("/risk_rules/0/when")] == []
    again = lay_out(document, renamed={}, live_stages=())
    assert again.risks[0].when[0].value == {'"5"': "5"}.get(typed, typed)
    assert write_document(again) == document


def test_a_number_is_still_compared_with_a_number() -> None:
    sheet = lay_out(rule_about({"field": "support.open_issues", "op": "ge", "value": 3}), renamed={}, live_stages=())
    assert sheet.risks[0].when[0].value == "3"
    assert write_document(sheet)["risk_rules"][0]["when"][0]["value"] == 3
