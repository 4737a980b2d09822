"""What describes a response renders it: nothing undescribed is sent, and nothing described is left out."""

import pytest

from lifecycle.api import customer_responses, responses

HEALTH = {"score": 80, "band": "good"}


def test_what_is_not_described_is_not_sent():
    assert customer_responses.HealthResponse.render({**HEALTH, "secret": 1}) == HEALTH


def test_what_is_described_has_to_be_there():
    with pytest.raises(KeyError, match="band"):
        customer_responses.HealthResponse.render({"score": 80})


def test_what_may_be_absent_is_absent():
    result = {"customer_id": "x", "status": 200, "success": True, "changed": False}
    assert responses.ResultResponse.render(result) == result


def test_what_lies_inside_is_rendered_likewise_and_nothing_stays_nothing():
    total = {"customers": 1, "over_expected": 0, "money": [{"currency": "EUR", "arr": "1.00", "hidden": 2}]}
    rendered = responses.SumResponse.render(total)
    assert rendered["money"] == [{"currency": "EUR", "arr": "1.00"}]
    option = dict.fromkeys(("stage", "category", "color", "allowed", "reason_required", "reason_codes"), "x")
    assert responses.OptionResponse.render({**option, "refusal": None, "effects": []})["refusal"] is None


def test_a_profile_has_exactly_what_is_described(api_client, customer):
    body = api_client("viewer").get(f"/api/v1/customers/{customer.id}").json()
    assert set(body) == set(customer_responses.ProfileResponse._declared_fields)
    assert set(body["company"]) == set(customer_responses.CompanyResponse._declared_fields)
    assert set(body["lifecycle"]) == set(customer_responses.StayResponse._declared_fields)


@pytest.mark.parametrize(
    ("address", "response"),
    [
        ("/customers/{}/lifecycle", responses.LifecycleResponse),
        ("/customers/{}/lifecycle/summary", customer_responses.SummaryResponse),
        ("/customers/{}/lifecycle/history", responses.HistoryPageResponse),
        ("/customers", customer_responses.CustomerPageResponse),
        ("/lifecycle/summary", responses.TenantSummaryResponse),
    ],
)
def test_every_answer_has_exactly_what_is_described(api_client, customer, address, response):
    body = api_client("account_manager").get(f"/api/v1{address.format(customer.id)}").json()
    assert set(body) == {name for name, field in response._declared_fields.items() if field.required}


def test_a_past_day_has_all_that_is_described_of_a_stage(api_client, customer):
    body = api_client("account_manager").get(f"/api/v1/customers/{customer.id}/lifecycle?as_of=9999-12-31").json()
    assert set(body) == set(responses.LifecycleResponse._declared_fields)
