"""An admin writes event rules and effects: what is accepted of them, and where an error is named."""

from typing import Any

import pytest

from tenants.rules.configuration.document import Escalation, parse_configuration
from tenants.rules.configuration.effect_reader import EFFECT_KEYS
from tenants.rules.configuration.effects import write_effect
from tenants.rules.effect_texts import FIELDS
from tenants.sentences import describe_finding
from tests.rules.documents import FULL, check
from tests.rules.test_parse_configuration import errors_of, only_error_of


def full_with(**changed: Any) -> dict[str, Any]:
    return {**FULL, **changed}


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (7, "/event_rules/0", "wrong_type"),
        ({"event": "contract.renewed"}, "/event_rules/0/to", "missing_key"),
        ({"to": "Active"}, "/event_rules/0/event", "missing_key"),
        ({"event": "contract.renewed", "to": "Gone"}, "/event_rules/0/to", "unknown_stage"),
        ({"event": "contract.renewed", "to": "Active", "from": []}, "/event_rules/0/from", "empty"),
        ({"event": "contract.renewed", "to": "Active", "from": ["x"]}, "/event_rules/0/from/0", "unknown_stage"),
        ({"event": "contract.renewed", "to": "Active", "reason_code": "a\x07"}, "/event_rules/0/reason_code",
         "control_character"),
        ({"event": "contract.renewed", "to": "Active", "when": {}}, "/event_rules/0/when", "wrong_type"),
    ],
)  # fmt: skip
def test_a_bad_event_rule_is_named_at_its_place(rule: object, path: str, code: str) -> None:
    error = only_error_of(full_with(event_rules=[rule]))

    assert (error.path, error.code) == (path, code)


@pytest.mark.parametrize(
    ("condition", "path", "code"),
    [
        ("open_issues = 0", "", "wrong_type"),
        ({"field": "csat", "op": "is", "value": 1}, "/op", "unknown_value"),
        ({"field": "csat", "op": "eq"}, "/value", "missing_key"),
        ({"field": "csat", "op": "eq", "value": {}}, "/value", "wrong_type"),
        ({"field": "csat", "op": "eq", "value": float("nan")}, "/value", "out_of_range"),
        ({"field": "csat", "op": "eq", "value": float("inf")}, "/value", "out_of_range"),
        ({"field": "csat", "op": "eq", "value": 10**400}, "/value", "out_of_range"),
        ({"field": "csat", "op": "eq", "value": None}, "/value", "wrong_type"),
        ({"field": "csat", "op": "lt", "value": True}, "/value", "wrong_type"),
        ({"field": "csat", "op": "in", "value": 1}, "/value", "wrong_type"),
        ({"field": "csat", "op": "in", "value": [1, []]}, "/value/1", "wrong_type"),
        ({"field": "csat", "op": "exists", "value": 1}, "/value", "wrong_type"),
        ({"field": "csat.", "op": "exists"}, "/field", "invalid_field"),
        ({"field": "csat", "op": "exists", "not": 1}, "/not", "unknown_key"),
    ],
)
def test_a_bad_condition_is_named_at_its_place(condition: object, path: str, code: str) -> None:
    rule = {"event": "support.issue.closed", "to": "Active", "when": [condition]}

    error = only_error_of(full_with(event_rules=[rule]))

    assert (error.path, error.code) == (f"/event_rules/0/when/0{path}", code)


@pytest.mark.parametrize(
    ("changed", "path", "code"),
    [
        ({"on": "sometimes"}, "/on", "unknown_value"),
        ({"stages": ["Nowhere"]}, "/stages/0", "unknown_stage"),
        ({"categories": ["at-risk"]}, "/categories/0", "unknown_value"),
        ({"categories": ["risk", "risk"]}, "/categories/1", "duplicate"),
        ({"kind": 5}, "/kind", "wrong_type"),
        ({"to": ["somebody@nowhere"]}, "/to/0", "invalid_recipient"),
        ({"kind": "webhook", "to": ["http://crm.example/hook"]}, "/to/0", "invalid_recipient"),
        ({"kind": "webhook", "to": ["https://[::1"]}, "/to/0", "invalid_recipient"),
        ({"kind": "webhook", "to": ["https://user:pw@crm.example"]}, "/to/0", "invalid_recipient"),
        ({"template": ""}, "/template", "blank"),
        ({"to": ["user:Ada", "a@b"]}, "/to/1", "invalid_recipient"),
        ({"from": []}, "/from", "empty"),
        ({"from": ["Gone"]}, "/from/0", "unknown_stage"),
        ({"sources": ["ui"]}, "/sources/0", "unknown_value"),
        ({"sources": ["UI", "UI"]}, "/sources/1", "duplicate"),
        ({"sources": "UI"}, "/sources", "wrong_type"),
        ({"delay_minutes": -1}, "/delay_minutes", "out_of_range"),
        ({"delay_minutes": 525_601}, "/delay_minutes", "out_of_range"),
        ({"delay_minutes": True}, "/delay_minutes", "wrong_type"),
        ({"hold_minutes": 10_081}, "/hold_minutes", "out_of_range"),
        ({"cap_per_hour": 0}, "/cap_per_hour", "out_of_range"),
        ({"cap_per_hour": "50"}, "/cap_per_hour", "wrong_type"),
        ({"enabled": "no"}, "/enabled", "wrong_type"),
        ({"subject": ""}, "/subject", "blank"),
        ({"subject": "x" * 256}, "/subject", "too_long"),
        ({"subject": "Hi\r\nBcc: all@acme.example"}, "/subject", "control_character"),
        ({"subject": "{{ customer.password }}"}, "/subject", "unknown_placeholder"),
        ({"body": "{{ customer.name | upper }}"}, "/body", "malformed_placeholder"),
        ({"body": "{{ customer.name"}, "/body", "malformed_placeholder"),
        ({"body": "{{}}"}, "/body", "malformed_placeholder"),
        ({"body": "x" * 5001}, "/body", "too_long"),
        ({"body": 7}, "/body", "wrong_type"),
        ({"topic": "orders.deleted"}, "/topic", "unknown_value"),
        ({"kind": "alert", "escalate": 5}, "/escalate", "wrong_type"),
        ({"kind": "alert", "escalate": {"to": ["managers"]}}, "/escalate/after_minutes", "missing_key"),
        ({"kind": "alert", "escalate": [{"to": [], "after_minutes": 5}]}, "/escalate/0/to", "empty"),
        (
            {"kind": "alert", "escalate": [{"to": ["managers"], "after_minutes": 0}]},
            "/escalate/0/after_minutes",
            "out_of_range",
        ),
        ({"kind": "alert", "escalate": [{"to": ["managers"], "after_minutes": 5}] * 6}, "/escalate", "too_many"),
        ({"colour": "red"}, "/colour", "unknown_key"),
        ({"name": "x" * 256}, "/name", "too_long"),
    ],
)
def test_a_bad_effect_is_named_at_its_place(changed: dict[str, Any], path: str, code: str) -> None:
    effect = {"name": "Escalate", "on": "enter", "kind": "email", "to": ["owner"], **changed}

    error = only_error_of(full_with(effects=[effect]))

    assert (error.path, error.code) == (f"/effects/0{path}", code)


def test_a_field_that_a_text_cannot_use_is_named_with_those_that_it_can() -> None:
    effect = {"name": "Mail", "on": "enter", "kind": "email", "to": ["owner"], "subject": "{{ customer.mail }}"}

    sentence = describe_finding(only_error_of(full_with(effects=[effect])))

    assert sentence.startswith("There is no field “customer.mail”. A text can use “customer.name”, ")
    assert all(f"“{name}”" in sentence for name in FIELDS)


@pytest.mark.parametrize("key", [key for key in EFFECT_KEYS if key not in ("name", "on", "kind")])
def test_what_an_effect_need_not_say_is_not_said_by_null(key: str) -> None:
    effect = {"name": "Tell", "on": "enter", "kind": "forecast"}
    if key in ("stages", "categories", "from", "sources", "to"):
        assert errors_of(full_with(effects=[{**effect, key: None}])) == [(f"/effects/0/{key}", "wrong_type")]
    else:
        assert parse_configuration(full_with(effects=[{**effect, key: None}])).effects == (
            parse_configuration(full_with(effects=[effect])).effects
        )


def test_one_step_of_an_escalation_need_not_be_in_a_list() -> None:
    step = {"to": ["managers"], "after_minutes": 60}
    effect = {"name": "Escalate", "on": "enter", "kind": "alert", "to": ["owner"], "escalate": step}

    (read,) = parse_configuration(full_with(effects=[effect])).effects

    assert read.escalate == (Escalation(("managers",), 60),)
    assert write_effect(read)["escalate"] == [step]


def test_an_effect_without_a_recipient_is_refused_unless_it_is_a_forecast() -> None:
    effect = {"name": "Escalate", "on": "enter", "kind": "alert"}

    error = only_error_of(full_with(effects=[effect]))

    assert error.path == "/effects/0/to"
    assert describe_finding(error) == "An automation of kind “alert” must say in “to” whom it is for."
    assert errors_of(full_with(effects=[{**effect, "kind": "forecast"}])) == []


def test_two_effects_cannot_have_the_same_name() -> None:
    effect = {"name": "Escalate", "on": "enter", "kind": "alert", "to": ["owner"]}

    assert errors_of(full_with(effects=[effect, {**effect, "name": "ESCALATE"}])) == [("/effects/1/name", "duplicate")]


def test_an_address_or_a_web_hook_is_accepted_as_recipient() -> None:
    effects = [
        {"name": "Mail", "on": "enter", "kind": "email", "to": ["success@acme.example", "managers"]},
        {"name": "Hook", "on": "leave", "kind": "webhook", "to": ["https://crm.example/hook?a=1", "CRM"]},
    ]

    assert check(full_with(effects=effects)) == []
