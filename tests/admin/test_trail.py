"""The audit trail in the admin: people read names, follow links and find what they look for."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import USER, Actor
from tenants.context import tenant_context
from tenants.roles import ROLE_PERMISSIONS, Role
from tests.factories import CustomerFactory, utc_now

HISTORY = "admin:audit_lifecyclehistory_changelist"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7")


def actor_of(user: Any) -> Actor:
    return Actor(kind=USER, name=str(user.id), permissions=ROLE_PERMISSIONS[Role(user.role)])


def move(tenant: Any, customer: Any, stage: str, user: Any, reason: str | None = None) -> None:
    with tenant_context(tenant.id):
        (outcome,) = apply(
            Call(tenant, actor_of(user), "UI", utc_now()),
            [Change(customer_id=customer.id, stage=stage, reason_code=reason)],
        )
    assert outcome.moved


def table_of(answer: Any) -> str:
    body = answer.content.decode()
    return body[body.index('id="result_list"') : body.index("</table>", body.index('id="result_list"'))]


def words_of(markup: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup))


@pytest.fixture
def aurora(tenant: Any, users: Any) -> Any:
    customer = CustomerFactory(tenant=tenant, name="Aurora Logistics", external_id="AUR-1")
    move(tenant, customer, "Active", users.account_manager)
    return customer


def test_history_shows_the_customer_and_the_person_by_name_with_links(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    table = table_of(page_client("tenant_admin").get(reverse(HISTORY)))
    words = words_of(table)
    assert "Aurora Logistics Prospect Active" in words
    assert users.account_manager.full_name in words
    assert "System (tests)" in words
    assert not UUID.search(words)
    assert f'href="/customers/{aurora.id}"' in table
    assert reverse("admin:tenants_user_change", args=[users.account_manager.id]) in table


@pytest.mark.parametrize("looked_for", ["aurora", "AURORA log", "AUR-1", "id"])
def test_history_is_searched_by_customer(
    page_client: Any, tenant: Any, users: Any, aurora: Any, looked_for: str
) -> None:
    other = CustomerFactory(tenant=tenant, name="Borealis Foods", external_id="BOR-1")
    text = str(aurora.id) if looked_for == "id" else looked_for
    words = words_of(table_of(page_client("tenant_admin").get(reverse(HISTORY), {"q": text})))
    assert words.count("Aurora Logistics") == 2
    assert other.name not in words


def test_history_is_searched_by_person(page_client: Any, tenant: Any, users: Any, aurora: Any) -> None:
    for text in (users.account_manager.full_name.upper(), users.account_manager.username):
        words = words_of(table_of(page_client("tenant_admin").get(reverse(HISTORY), {"q": text})))
        assert words.count("Aurora Logistics") == 1, text
        assert "System" not in words


def test_refused_attempts_and_administration_show_names_too(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("viewer")
    assert client.get(f"/customers/{aurora.id}/move").status_code == 403
    with tenant_context(tenant.id):
        erase_customer("AUR-1", tenant=tenant, actor=actor_of(users.tenant_admin), reason="Asked for", now=utc_now())
    admin = page_client("tenant_admin")
    refused = words_of(table_of(admin.get(reverse("admin:audit_refusedattempt_changelist"))))
    assert "Aurora Logistics" in refused
    assert users.viewer.full_name in refused
    entries = words_of(
        table_of(admin.get(reverse("admin:audit_administrationentry_changelist"), {"q": str(aurora.id)}))
    )
    assert f"Erase customer Aurora Logistics {users.tenant_admin.full_name} Asked for" in entries
    for words in (refused, entries):
        assert not UUID.search(words)


def test_one_row_is_shown_with_names_and_with_the_ids_behind_them(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("tenant_admin")
    table = table_of(client.get(reverse(HISTORY), {"q": users.account_manager.username}))
    (address,) = re.findall(r'href="(/admin/audit/lifecyclehistory/[^"]+/change/[^"]*)"', table)
    page = words_of(client.get(address).content.decode())
    assert "Aurora Logistics" in page
    assert users.account_manager.full_name in page
    assert str(aurora.id) in page


def test_a_page_of_history_takes_the_same_number_of_statements_for_one_row_and_for_forty(
    page_client: Any, tenant: Any, users: Any, aurora: Any
) -> None:
    client = page_client("tenant_admin")
    counts = []
    for more in (1, 20):
        for _ in range(more):
            move(tenant, CustomerFactory(tenant=tenant), "Active", users.account_manager)
        client.get(reverse(HISTORY))
        with CaptureQueriesContext(connection) as queries:
            assert client.get(reverse(HISTORY)).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] < 25
