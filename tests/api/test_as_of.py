"""Where a customer was at the end of a past day, over the API."""

import pytest

from tests.services.test_insight import at, tell


@pytest.fixture
def ann(tenant):
    return tell(tenant)["ann"]


def test_the_stage_of_a_day_is_the_one_of_then_with_who_set_it_and_why(api_client, ann):
    client = api_client("account_manager")
    answer = client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(55).date()}")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["stage"], body["reason_code"], body["version"]) == ("At-Risk", "At-Risk!", 4)
    assert body["stage_entered_at"].startswith("2026-04-20T00:00:00") and body["transitions"] == []
    # It was loaded today: no one knew it then.
    assert client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(55).date()}&known=recorded").status_code == 404
    today = client.get(f"/api/v1/customers/{ann.id}/lifecycle?as_of=9999-12-31&known=recorded").json()
    assert (today["stage"], today["version"]) == ("Active", 5)


def test_before_it_came_the_customer_is_not_found(api_client, ann):
    answer = api_client("account_manager").get(f"/api/v1/customers/{ann.id}/lifecycle?as_of={at(-1).date()}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "The customer was not here yet at the end of that day."


def test_who_sees_no_history_sees_no_past(api_client, ann):
    address = f"/api/v1/customers/{ann.id}/lifecycle"
    assert api_client("viewer").get(f"{address}?as_of={at(55).date()}").status_code == 403
    assert api_client("viewer").get(address).status_code == 200


@pytest.mark.parametrize(
    "asked", ["as_of=", "as_of=20260101", "as_of=2026-02-30", "as_of=2026-01-01&known=x", "known=recorded"]
)
def test_what_is_no_day_is_refused(api_client, ann, asked):
    answer = api_client("account_manager").get(f"/api/v1/customers/{ann.id}/lifecycle?{asked}")
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_request"
