"""A tenant says which source goes before which; what it says wrongly is named at its place."""

import pytest

from tenants.rules.configuration.document import diff_configurations, parse_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.sentences import describe_change, describe_finding
from tests.rules.documents import SMALLEST, check

ORDER = {"company": ["/crm/eu-1", "/crm"], "billing.arr": ["/import", "/billing"]}


def parse(order=None):
    return parse_configuration({**SMALLEST, **({"source_priority": order} if order else {})})


def test_an_order_of_sources_is_kept_and_asked_for_by_field_or_by_its_part():
    configuration = parse(ORDER)
    policy = compile_policy(configuration, 1)
    assert policy.source_order("billing.arr") == ("/import", "/billing")
    assert policy.source_order("owner") == policy.source_order("contacts") == ("/crm/eu-1", "/crm")
    assert policy.source_order("billing.mrr") == ()
    assert configuration.to_document()["source_priority"] == ORDER
    assert parse_configuration(configuration.to_document()) == configuration


@pytest.mark.parametrize(
    ("order", "path", "code"),
    [
        ([], "/source_priority", "wrong_type"),
        ({"arr": ["/crm"]}, "/source_priority/arr", "unknown_value"),
        ({"owner": "/crm"}, "/source_priority/owner", "wrong_type"),
        ({"owner": []}, "/source_priority/owner", "empty"),
        ({"owner": ["crm"]}, "/source_priority/owner/0", "invalid_source"),
        ({"owner": ["/crm", "/crm"]}, "/source_priority/owner/1", "duplicate"),
        ({"owner": [f"/{number}" for number in range(21)]}, "/source_priority/owner", "too_many"),
    ],
)
def test_a_wrong_order_is_refused_at_its_place(order, path, code):
    errors = [one for one in check({**SMALLEST, "source_priority": order}) if one.severity == "error"]
    assert [(one.path, one.code) for one in errors] == [(path, code)]
    assert describe_finding(errors[0])


def test_a_source_under_which_nothing_is_reported_is_warned_of():
    found = check({**SMALLEST, "source_priority": {"owner": ["/crn", "/people"]}})
    (warning,) = [one for one in found if one.code == "unknown_source"]
    assert (warning.path, warning.severity) == ("/source_priority/owner/0", "warning")
    assert "“/crn”" in describe_finding(warning)


def test_what_an_order_changes_is_said():
    one, other = parse({"owner": ["/crm"], "support": ["/support"]}), parse({"owner": ["/import", "/crm"]})
    assert [describe_change(change) for change in diff_configurations(one, other)] == [
        "For “Owner” the sources go in this order: Import and CRM.",
        "For “All support data” no source goes before another: the newest report counts.",
    ]
