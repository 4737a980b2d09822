"""Many programs at once through the API: nothing lost, nothing twice, the loser hears of it [AC-2]."""

from itertools import pairwise

import pytest

from audit.models import LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus
from tenants.context import tenant_context
from tests.factories import CustomerFactory
from tests.services.threads import run_together

BATCH = "/api/v1/lifecycle/transitions"
WRITERS = 24


@pytest.fixture(autouse=True)
def warm(api_client):
    """The middleware registers its metrics with the first request of a process, and not in a race for it."""
    api_client("viewer").get(BATCH)


def address(customer):
    return f"/api/v1/customers/{customer.id}/lifecycle"


def check_chain(tenant, customer, length):
    """The customer's history is one chain of this length, and the status stands at its end."""
    with tenant_context(tenant.id):
        rows = list(LifecycleHistory.objects.filter(customer_id=customer.id).order_by("sequence"))
        status = CustomerLifecycleStatus.objects.get(customer_id=customer.id)
    assert [row.sequence for row in rows] == list(range(1, length + 1))
    assert all(later.from_stage == earlier.to_stage for earlier, later in pairwise(rows))
    assert all(bytes(later.previous_hash) == bytes(earlier.hash) for earlier, later in pairwise(rows))
    assert (status.version, status.stage, bytes(status.head_hash)) == (length, rows[-1].to_stage, bytes(rows[-1].hash))


def test_of_many_who_have_seen_the_same_version_exactly_one_wins(api_client, tenant, customer):
    clients = [api_client("account_manager") for _ in range(WRITERS)]
    stages = ["Active", "Onboarded"]

    def write(number, client):
        return client.patch(address(customer), {"stage": stages[number % 2]}, headers={"If-Match": '"1"'})

    answers = run_together([lambda n=n, c=c: write(n, c) for n, c in enumerate(clients)])
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * (WRITERS - 1)
    losers = [answer.json() for answer in answers if answer.status_code == 412]
    assert {problem["current"]["version"] for problem in losers} == {2}
    check_chain(tenant, customer, 2)


def test_those_who_look_again_and_try_again_all_get_their_turn(api_client, tenant, customer):
    clients = [api_client("account_manager") for _ in range(8)]
    stages = ["Active", "Onboarded", "Prospect"]

    def insist(client):
        conflicts = 0
        while True:
            seen = client.get(address(customer))
            others = [stage for stage in stages if stage != seen.json()["stage"]]
            answer = client.patch(
                address(customer), {"stage": others[conflicts % 2]}, headers={"If-Match": seen.headers["ETag"]}
            )
            if answer.status_code == 200:
                return answer.headers["ETag"]
            assert answer.status_code == 412
            conflicts += 1

    won = run_together([lambda c=c: insist(c) for c in clients])
    assert sorted(won, key=len) and {int(tag.strip('"')) for tag in won} == set(range(2, 10))
    check_chain(tenant, customer, 9)


def test_without_a_version_each_is_judged_on_the_row_as_locked(api_client, tenant, customer):
    clients = [api_client("account_manager") for _ in range(WRITERS)]
    answers = run_together([lambda c=c: c.patch(address(customer), {"stage": "Active"}) for c in clients])
    # One moves the customer, the others find it there: the same answer for all, one history row.
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    check_chain(tenant, customer, 2)


def test_overlapping_batches_in_opposite_order_neither_deadlock_nor_lose_anything(api_client, tenant):
    customers = [CustomerFactory(tenant=tenant) for _ in range(20)]
    clients = [api_client("account_manager") for _ in range(6)]

    def send(number, client):
        order = customers if number % 2 else list(reversed(customers))
        stages = ["Active", "Onboarded"] if number % 2 else ["Onboarded", "Active"]
        items = [{"customer_id": str(customer.id), "stage": stage} for stage in stages for customer in order]
        return client.post(BATCH, {"items": items})

    answers = run_together([lambda n=n, c=c: send(n, c) for n, c in enumerate(clients)])
    assert {answer.status_code for answer in answers} == {200}
    made = sum(result["changed"] for answer in answers for result in answer.json()["results"])
    with tenant_context(tenant.id):
        assert LifecycleHistory.objects.filter(source="API").count() == made
        lengths = dict(CustomerLifecycleStatus.objects.values_list("customer_id", "version"))
    for customer in customers:
        check_chain(tenant, customer, lengths[customer.id])
