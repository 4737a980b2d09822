"""Configurations that the tests of the rules share, and hypothesis strategies for arbitrary ones."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lifecycle.rules.event_types import EVENT_TYPES
from tenants.rules.configuration.document import CATEGORIES, EFFECT_KINDS, EFFECT_SOURCES, Finding, read_configuration
from tenants.rules.configuration.effect_kinds import TOPICS

SMALLEST = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
    "required_reason_codes": ["At-Risk", "Churned"],
}

FULL: dict[str, Any] = {
    "stages": ["Prospect", "Onboarded", "Active", "At-Risk", "Churned"],
    "initial": "Prospect",
    "transitions": {
        "Prospect": ["Onboarded", "Churned"],
        "Onboarded": ["Active"],
        "Active": ["At-Risk", "Churned"],
        "At-Risk": ["Active", "Churned"],
    },
    "categories": {
        "Prospect": "acquisition",
        "Onboarded": "onboarding",
        "Active": "engaged",
        "At-Risk": "risk",
        "Churned": "lost",
    },
    "required_reason_codes": ["At-Risk", "Churned"],
    "reason_codes": {"At-Risk": ["Low Engagement", "Support Escalation"], "Churned": ["Price", "Competitor"]},
    "max_days": {"Onboarded": 30},
    "colors": {"At-Risk": "#b54708"},
    "guidance": {"At-Risk": "Call within a day.\nWrite down what was said."},
    "event_rules": [
        {"event": "contract.renewed", "from": ["Active", "At-Risk"], "to": "Active", "reason_code": "Contract Renewed"},
        {
            "event": "support.issue.closed",
            "from": ["At-Risk"],
            "to": "Active",
            "when": [{"field": "open_issues", "op": "eq", "value": 0}, {"field": "csat", "op": "ge", "value": 4}],
        },
    ],
    "effects": [
        {
            "name": "Escalate",
            "on": "enter",
            "categories": ["risk"],
            "kind": "alert",
            "to": ["owner"],
            "escalate": [{"to": ["managers", "user:Ada"], "after_minutes": 1440}],
        },
        {
            "name": "Win back",
            "on": "enter",
            "stages": ["Churned"],
            "sources": ["UI", "API"],
            "kind": "email",
            "to": ["contacts:Sponsor", "contacts"],
            "template": "bye",
            "subject": "Come back, {{ customer.name }}",
            "body": "Dear {{ recipient.name }},\n\nwe miss you.",
            "delay_minutes": 4320,
            "hold_minutes": 30,
            "cap_per_hour": 50,
        },
        {"name": "Forecast", "on": "leave", "categories": ["risk"], "from": ["At-Risk"], "kind": "forecast"},
    ],
    "currency": "EUR",
    "rates": {"JPY": 0.006, "USD": 0.92},
    "source_priority": {"billing.arr": ["/billing", "/import"], "company": ["/crm/eu-1", "/crm"]},
    "health": {
        "start": 95,
        "good_from": 75,
        "watch_from": 45,
        "parts": [
            {"name": "Stage", "measure": "category", "categories": {"risk": 25, "lost": 70}, "weight": 30},
            {"name": "Satisfaction", "measure": "csat", "points": 30, "from": 4.5, "to": 2, "if_missing": 5},
            {"name": "Silence", "measure": "days_since_note", "steps": [{"at_least": 60, "points": 20}]},
        ],
    },
}


def check(document: object) -> list[Finding]:
    """What is to be said about a document, errors first."""
    return read_configuration(document)[1]


relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from(["A", "B", "", " A", "\x00", "\ud800", "email", "enter", "contract.renewed", "risk", "#12345g"]),
)
keys = st.one_of(
    st.text(st.characters(), max_size=5),
    st.sampled_from([*FULL, "event", "from", "to", "reason_code", "when", "field", "op", "value"]),
    st.sampled_from(["name", "on", "kind", "template", "A", "B"]),
)
any_json = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A full configuration of which one place, at any depth, is replaced by arbitrary JSON."""
    return _damage(draw, FULL)


def _damage(draw: st.DrawFn, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _damage(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _damage(draw, value[index]), *value[index + 1 :]]
    return draw(any_json)


def _key(name: str) -> str:
    return name.strip().casefold()


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    """A valid configuration, of any size from one stage up."""
    letters = st.text(st.sampled_from("ABCDEFGHäß-1 "), min_size=1, max_size=6).filter(lambda t: t.strip() == t)
    stages = draw(st.lists(letters, min_size=1, max_size=6, unique_by=_key))
    stage = st.sampled_from(stages)
    some = st.lists(stage, min_size=1, max_size=4, unique=True)
    document: dict[str, Any] = {"stages": stages}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "initial": stage,
        "required_reason_codes": st.lists(stage, unique=True),
        "transitions": st.dictionaries(stage, st.lists(stage, unique=True)).map(
            lambda given: {a: [b for b in to if b != a] for a, to in given.items()}
        ),
        "categories": st.dictionaries(stage, st.sampled_from(CATEGORIES)),
        "reason_codes": st.dictionaries(
            stage,
            st.lists(
                st.text(st.sampled_from("abcdefß"), min_size=1, max_size=5), min_size=1, max_size=3, unique_by=_key
            ),
        ),
        "max_days": st.dictionaries(stage, st.integers(1, 3650)),
        "colors": st.dictionaries(stage, st.sampled_from(["#000000", "#Ff00aa"])),
        "guidance": st.dictionaries(stage, st.sampled_from(["", "Call.\nThen write."])),
        "event_rules": st.lists(_rules(stage, some), max_size=4),
        "effects": st.lists(_effects(some), max_size=4, unique_by=lambda effect: _key(effect["name"])),
    }
    for key, strategy in optional.items():
        if draw(st.booleans()):
            document[key] = draw(strategy)
    if draw(st.booleans()):
        document["currency"] = draw(st.sampled_from(["EUR", "usd", "XAU"]))
        rates = st.integers(1, 10**9) | st.floats(1e-9, 1e9)
        document["rates"] = draw(st.dictionaries(st.sampled_from(["JPY", "gbp", "CHF"]), rates))
    return document


def _rules(stage: st.SearchStrategy[str], some: st.SearchStrategy[list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.integers(-5, 5) | st.booleans() | st.sampled_from(["x", "0"])
    condition = st.one_of(
        st.fixed_dictionaries(
            {"field": st.sampled_from(["csat", "billing.arr"]), "op": st.sampled_from(["eq", "ne"]), "value": values}
        ),
        st.fixed_dictionaries(
            {"field": st.just("open_issues"), "op": st.sampled_from(["lt", "ge"]), "value": st.integers(-5, 5)}
        ),
        st.fixed_dictionaries(
            {"field": st.just("csat"), "op": st.just("in"), "value": st.lists(values, min_size=1, max_size=3)}
        ),
        st.fixed_dictionaries({"field": st.just("csat"), "op": st.just("exists")}, optional={"value": st.booleans()}),
    )
    return st.fixed_dictionaries(
        {"event": st.sampled_from(list(EVENT_TYPES)), "to": stage},
        optional={"from": some, "reason_code": st.sampled_from(["a", "b"]), "when": st.lists(condition, max_size=2)},
    )


def _effects(some: st.SearchStrategy[list[str]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "name": st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=4),
            "on": st.sampled_from(["enter", "leave"]),
            "kind": st.sampled_from(EFFECT_KINDS),
            "to": st.just(["owner"]),
            "topic": st.sampled_from(list(TOPICS)),
        },
        optional={
            "stages": some,
            "categories": st.lists(st.sampled_from(CATEGORIES), min_size=1, unique=True),
            "template": st.just("letter"),
            "from": some,
            "sources": st.lists(st.sampled_from(EFFECT_SOURCES), min_size=1, unique=True),
            "subject": st.sampled_from(["{{ stage }}", "100 % {{{{ x"]),
            "body": st.just("a\n\n{{ link }}"),
            "delay_minutes": st.integers(0, 525_600),
            "hold_minutes": st.integers(0, 10_080),
            "cap_per_hour": st.integers(1, 100_000),
            "escalate": st.lists(
                st.fixed_dictionaries({"to": st.just(["managers"]), "after_minutes": st.integers(1, 9)}), max_size=2
            ),
            "enabled": st.booleans(),
        },
    )
