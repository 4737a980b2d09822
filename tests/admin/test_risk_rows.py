"""An admin writes at-risk rules in the form: figures, comparisons and actions in words, errors at their condition."""

from django.urls import reverse

from lifecycle.admin.configuration.documents import write_document
from lifecycle.admin.configuration.layout import lay_out
from lifecycle.admin.configuration.places import file_findings
from lifecycle.admin.configuration.posted import change_rows
from tests.admin.drafts import new_draft
from tests.admin.test_walk import browser
from tests.rules.documents import check

RULE = {
    "name": "Deep in debt",
    "when": [{"field": "billing.overdue_percent", "op": "gt", "value": 10}],
    "for_days": 14,
    "stages": ["Active"],
    "action": "propose",
    "to": "At-Risk",
}
DOCUMENT = {
    "stages": ["Active", "At-Risk", "Churned"],
    "initial": "Active",
    "categories": {"Active": "engaged", "At-Risk": "risk", "Churned": "lost"},
    "required_reason_codes": [],
    "risk_rules": [RULE],
}


def laid_out(document):
    return lay_out(document, renamed={}, live_stages=())


def test_the_form_offers_figures_with_their_units_and_keeps_what_was_chosen(tenant, users):
    draft = new_draft(tenant, DOCUMENT)
    address = reverse("admin:tenants_configurationversion_change", args=[draft.pk])
    page = browser(users.tenant_admin).get(address).content.decode()
    words = "Overdue balance, share of the annual revenue"
    chosen = f'<option value="billing.overdue_percent" data-unit="%" selected>{words}</option>'
    assert chosen in page and '<option value="gt" selected>is more than</option>' in page
    assert '<option value="propose" selected>propose to move the customer</option>' in page
    assert '<option value="support.csat" data-unit="of 5">Satisfaction</option>' in page
    assert '<span class="unit">%</span>' in page


def test_what_is_wrong_with_a_condition_is_said_beside_it_and_with_a_rule_at_the_rule():
    document = {**DOCUMENT, "risk_rules": [{**RULE, "when": [{**RULE["when"][0], "value": "ten"}], "to": "Lost"}]}
    sheet = laid_out(document)
    file_findings(sheet, document, check(document))
    (row,) = sheet.risks
    assert [one.code for one in row.when[0].findings["value"]] == ["wrong_type"]
    assert [one.code for one in row.findings["to"]] == ["unknown_stage"]
    assert row.unknown_to == "Lost"


def test_rules_are_added_moved_and_removed_and_keep_the_name_of_a_stage_that_goes_away():
    sheet = laid_out({**DOCUMENT, "risk_rules": [RULE, {**RULE, "name": "Other"}]})
    change_rows(sheet, f"down_risk:{sheet.risks[0].key}")
    change_rows(sheet, "add_risk")
    assert [one["name"] for one in write_document(sheet)["risk_rules"]] == ["Other", "Deep in debt", ""]
    change_rows(sheet, f"remove_risk:{sheet.risks[2].key}")
    change_rows(sheet, f"remove_stage:{sheet.stages[0].key}")
    assert [one["stages"] for one in write_document(sheet)["risk_rules"]] == [["Active"], ["Active"]]
