"""At most 1,000 updates a user an hour [SEC-5], as the product is shipped: by every way in, counted together."""

import time

import pytest
from django.conf import settings

from audit.models import LifecycleHistory
from lifecycle.models import BulkChange, Customer, CustomerLifecycleStatus
from lifecycle.services.bulk.working import work_off_changes
from tenants.context import tenant_context
from tests.factories import CustomerFactory, utc_now
from tests.web.conftest import HTMX, text_of

LEFT = "0 of your 1,000 changes in any hour are left. Nothing was changed."


def said_of(number):
    return {"source": "/crm", "time": "2026-03-01T12:00:00Z", "name": f"Nimbus {number}"}


@pytest.fixture
def least_wait():
    """How long a change has to wait at the least that the limit refuses now: the first came in this test."""
    began = time.monotonic()
    # The clocks of this process and of the database need not go alike.
    return lambda: 3599 - (time.monotonic() - began)


@pytest.fixture
def manager(api_client):
    return api_client("account_manager")


@pytest.fixture
def customers(tenant, users):
    return CustomerFactory.create_batch(4, tenant=tenant)


@pytest.fixture
def used_up(manager, customers):
    """998 by one batch, the next by its external id, the thousandth by a move."""
    assert settings.UPDATES_PER_HOUR == 1000
    items = [{"external_id": f"n-{number}", **said_of(number)} for number in range(998)]
    written = manager.put("/api/v1/customers", {"items": items})
    assert (written.status_code, written["RateLimit-Policy"]) == (200, '"updates";q=1000;w=3600')
    assert written["RateLimit"].startswith('"updates";r=2;t=')
    assert manager.put("/api/v1/customers", {"items": items}).status_code == 200, "said again: nothing is changed"
    too_many = {"items": [{"external_id": f"n-{number}", **said_of(number)} for number in range(998, 1001)]}
    assert manager.put("/api/v1/customers", too_many).status_code == 429
    one = manager.put("/api/v1/customers/by-external-id/n-998", said_of(998))
    assert (one.status_code, one["RateLimit"].split(";")[1]) == (201, "r=1")
    last = manager.patch(f"/api/v1/customers/{customers[0].id}/lifecycle", {"stage": "Active"})
    assert (last.status_code, last["RateLimit"].split(";")[1]) == (200, "r=0")


def state_of(tenant):
    with tenant_context(tenant.id):
        stages = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id).order_by("customer_id")
        return (
            list(stages.values_list("customer_id", "stage", "version")),
            LifecycleHistory.objects.filter(tenant_id=tenant.id).count(),
            sorted(Customer.objects.filter(tenant_id=tenant.id).values_list("name", flat=True)),
        )


def test_a_thousand_by_the_api_and_not_one_more_by_any_way_in(
    tenant, users, customers, manager, least_wait, used_up, page_client, api_client
):
    moved, second, third, _ = customers
    before = state_of(tenant)
    move = {"stage": "Active"}
    refused = [
        manager.patch(f"/api/v1/customers/{second.id}/lifecycle", move),
        manager.post("/api/v1/lifecycle/transitions", {"items": [{"customer_id": str(second.id), **move}]}),
        manager.put("/api/v1/customers/by-external-id/n-999", said_of(999)),
        manager.put("/api/v1/customers", {"items": [{"external_id": "n-0", **said_of(0), "name": "Other"}]}),
    ]
    assert [answer.status_code for answer in refused] == [429, 429, 429, 429]
    for answer in refused:
        assert LEFT in answer.json()["detail"]
        assert least_wait() < int(answer["Retry-After"]) <= 3660
        assert answer["RateLimit"].split(";")[1] == "r=0"
    page = {"stage": "Active", "version": 1, "configuration_version": 1, "note": ""}
    by_hand = page_client("account_manager").post(f"/customers/{second.id}/move", page, headers=HTMX)
    assert (by_hand.status_code, LEFT in text_of(by_hand)) == (429, True)
    assert state_of(tenant) == before
    # What changes nothing costs nothing, and colleagues have limits of their own.
    assert manager.patch(f"/api/v1/customers/{moved.id}/lifecycle", move).status_code == 200
    assert api_client("tenant_admin").patch(f"/api/v1/customers/{third.id}/lifecycle", move).status_code == 200


def test_of_a_change_of_many_on_the_pages_as_many_move_as_there_is_room_and_the_rest_follows_in_an_hour(
    tenant, users, customers, manager, least_wait, page_client
):
    items = [{"external_id": f"n-{number}", **said_of(number)} for number in range(998)]
    assert manager.put("/api/v1/customers", {"items": items}).status_code == 200
    browser = page_client("account_manager")
    chosen = {"customer": [str(one.id) for one in customers], "action": "move"}
    address = browser.post("/bulk", chosen)["Location"]
    begun = browser.post(address, {"stage": "Active", "configuration_version": "1", "effects": "0"})
    assert begun.status_code == 302
    list(work_off_changes(tenant, now=utc_now()))
    progress = text_of(browser.get(address))
    assert "2 of 4 customers so far. You have used your hourly limit of changes." in progress
    with tenant_context(tenant.id):
        (change,) = BulkChange.objects.filter(tenant_id=tenant.id)
        waits = change.waits_until - utc_now()
        assert (change.moved, change.refused, change.finished_at) == (2, 0, None)
        moved = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id, stage="Active")
        assert set(moved.values_list("customer_id", flat=True)) < {one.id for one in customers}
    assert least_wait() < waits.total_seconds() <= 3660
