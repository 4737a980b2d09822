"""Seeing where a customer stands, and moving it, through the API."""


def test_an_account_manager_moves_a_customer(api_client, customer):
    client = api_client("account_manager")
    before = client.get(f"/api/v1/customers/{customer.id}/lifecycle")
    assert before.status_code == 200, before.content
    assert before.headers["ETag"] == '"1"'
    answer = client.patch(
        f"/api/v1/customers/{customer.id}/lifecycle",
        {"stage": "At-Risk", "reason_code": "Low Engagement"},
        format="json",
    )
    assert answer.status_code == 200, answer.content
    print(answer.headers, answer.content)
    print(client.get(f"/api/v1/customers/{customer.id}/lifecycle").content)
    print(client.get(f"/api/v1/customers/{customer.id}/lifecycle/summary").content)
    print(client.get(f"/api/v1/customers/{customer.id}/lifecycle/summary").content)
