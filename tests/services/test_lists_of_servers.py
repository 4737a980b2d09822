"""The admin's lists for internal staff, where there are several servers: they have the rows of all of them."""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connections
from django.urls import reverse

from lifecycle.admin import dead_letters
from lifecycle.admin.dead_letters import DeadLetterAdmin
from lifecycle.models import NO_TENANT, DeadLetter
from lifecycle.services.moving.sides import Side
from storage import servers
from storage.servers import current_server, on_server
from tenants.actors import TenantRef
from tenants.admin import everywhere
from tenants.admin.tenants import TenantModelAdmin
from tenants.context import tenant_context
from tenants.models import Tenant
from tests.conftest import Browser, People
from tests.factories import PASSWORD, utc_now

MoveHome = Callable[[TenantRef, str], None]


@pytest.fixture
def staff(second_server: None, users: People) -> Browser:
    """A super admin who has chosen no tenant."""
    client = Browser()
    assert client.post("/login", {"username": users.super_admin.username, "password": PASSWORD}).status_code == 302
    return client


def listed(client: Browser, **query: str) -> list[str]:
    """The slugs on the page of tenants, in its order."""
    page = client.get(reverse("admin:tenants_tenant_changelist"), query)
    assert page.status_code == 200
    return re.findall(r'class="field-slug">([^<]+)<', page.content.decode())


def name_alike(*tenants: TenantRef) -> str:
    """A word that their names have, and no other tenant's."""
    word = f"Alike{tenants[0].slug[-12:]}"
    for one in tenants:
        with tenant_context(one.id):
            Tenant.objects.filter(id=one.id).update(name=f"{word} {one.slug}")
    return word


def test_the_list_of_tenants_has_those_of_every_server_once(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    word = name_alike(tenant, other_tenant)
    move_home(tenant, "b")
    for one in (tenant, other_tenant):
        assert listed(staff, q=one.slug) == [one.slug]
    assert listed(staff, q=word, o="2") == sorted((tenant.slug, other_tenant.slug))


def test_the_pages_of_the_list_go_on_over_all_servers(
    staff: Browser,
    tenant: TenantRef,
    other_tenant: TenantRef,
    move_home: MoveHome,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    word = name_alike(tenant, other_tenant)
    move_home(tenant, "b")
    monkeypatch.setattr(TenantModelAdmin, "list_per_page", 1)
    first, second = sorted((tenant.slug, other_tenant.slug))
    assert [listed(staff, q=word, o="2", p=str(page)) for page in (1, 2)] == [[first], [second]]
    address = reverse("admin:tenants_tenant_changelist")
    assert staff.get(address, {"q": word, "p": "3"}).status_code == 302


def test_a_tenant_of_another_server_is_shown_suspended_and_resumed(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    move_home(tenant, "b")
    page = staff.get(reverse("admin:tenants_tenant_change", args=[tenant.id]))
    assert page.status_code == 200
    assert tenant.slug in page.content.decode()
    address = reverse("admin:tenants_tenant_changelist")
    for action, is_suspended in (("suspend", True), ("resume", False)):
        form = {"action": action, "_selected_action": [str(tenant.id), str(other_tenant.id)]}
        asked = staff.post(address, form)
        assert asked.status_code == 200
        assert tenant.slug in asked.content.decode()
        done = staff.post(address, {**form, "confirmed": action, "reason": "Ticket 12"}, follow=True)
        assert "Done for 2 tenants." in done.content.decode()
        with on_server("b"), tenant_context(tenant.id):
            assert Tenant.objects.get().is_suspended is is_suspended
        with tenant_context(other_tenant.id):
            assert Tenant.objects.get().is_suspended is is_suspended


def test_the_list_of_tenants_is_whole_while_staff_works_for_one(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    move_home(tenant, "b")
    chosen = staff.post("/tenants", {"tenant": other_tenant.slug, "next": "/customers", "reason": "Ticket 7"})
    assert chosen["Location"] == "/customers"
    assert listed(staff, q=tenant.slug) == [tenant.slug]
    assert listed(staff, q=other_tenant.slug) == [other_tenant.slug]
    assert staff.get(reverse("admin:tenants_tenant_change", args=[tenant.id])).status_code == 200


def test_staff_chooses_a_tenant_where_another_server_is_away(
    staff: Browser, tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    """The page on which they choose had been an error page for as long as that."""
    move_home(tenant, "b")
    for address in settings.DATABASE_SERVERS["b"].values():
        address["PORT"] = "1"
    servers.close_others()
    servers._handler.cache_clear()
    page = staff.get("/tenants")
    body = page.content.decode()
    offered = re.findall(r'<option value="([^"]+)"', body)
    assert (page.status_code, other_tenant.slug in offered, tenant.slug in offered) == (200, True, False)
    assert "which cannot be reached at the moment: b" in body
    chosen = staff.post("/tenants", {"tenant": other_tenant.slug, "next": "/customers", "reason": "Ticket 7"})
    assert chosen["Location"] == "/customers"


@pytest.fixture
def letters_apart(second_server: None, admin: Side) -> Iterator[None]:
    """The dead letters of server ``b`` are others than main's: they are in a schema of its own."""
    admin.do("DROP SCHEMA IF EXISTS apart CASCADE")
    admin.do("CREATE SCHEMA apart")
    admin.do("CREATE TABLE apart.lifecycle_deadletter (LIKE public.lifecycle_deadletter INCLUDING ALL)")
    admin.do("GRANT USAGE ON SCHEMA apart TO c360_app, c360_platform")
    admin.do("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA apart TO c360_app, c360_platform")
    for alias in ("default", "platform"):
        entry = settings.DATABASE_SERVERS["b"][alias]
        looked = f"{entry.get('OPTIONS', {}).get('options', '')} -c search_path=apart,public".strip()
        entry["OPTIONS"] = {**entry.get("OPTIONS", {}), "options": looked}
    yield
    servers.close_others()
    admin.do("DROP SCHEMA apart CASCADE")


def add_letter(server: str, **fields: Any) -> DeadLetter:
    given = {"tenant_slug": "gone", "type": "customer.updated", "code": "unknown_tenant", **fields}
    with on_server(server), tenant_context(NO_TENANT):
        return DeadLetter.objects.create(
            tenant_id=NO_TENANT,
            topic="customer.updated",
            partition=0,
            offset=1,
            sentence="There is no such tenant.",
            failed_at=utc_now(),
            **given,
        )


@pytest.mark.usefixtures("letters_apart")
def test_a_page_of_dead_letters_reads_the_messages_of_no_other_page(
    staff: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the pages before only keys are read, and of the page itself no message: each may have megabytes."""
    slug = uuid.uuid4().hex
    letters = [add_letter(server, tenant_slug=slug, value=b"x" * 100) for server in ("main", "b", "b", "main", "b")]
    monkeypatch.setattr(DeadLetterAdmin, "list_per_page", 2)
    read: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        read.append(sql)
        return execute(sql, params, many, context)

    seen = []
    for page in ("1", "2", "3"):
        with ExitStack() as watched:
            for alias in ("platform", "platform@b"):
                watched.enter_context(connections[alias].execute_wrapper(note))
            answer = staff.get(reverse("admin:lifecycle_deadletter_changelist"), {"q": slug, "p": page})
        seen.append(re.findall(r'_selected_action" value="([^"]+)"', answer.content.decode()))
    assert seen == [[str(one.id) for one in letters[start : start + 2]] for start in (0, 2, 4)]
    rows = [sql for sql in read if '"lifecycle_deadletter"."sentence"' in sql]
    assert 3 <= len(rows) <= 6
    assert not [sql for sql in read if '"lifecycle_deadletter"."value"' in sql]


@pytest.mark.usefixtures("letters_apart")
def test_the_pages_of_such_a_list_end_and_it_says_so(staff: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    slug = uuid.uuid4().hex
    for server in ("main", "b", "main", "b"):
        add_letter(server, tenant_slug=slug)
    monkeypatch.setattr(DeadLetterAdmin, "list_per_page", 2)
    monkeypatch.setattr(DeadLetterAdmin, "list_max_show_all", 1)
    monkeypatch.setattr(everywhere, "MOST_ROWS", 3)
    address, said = reverse("admin:lifecycle_deadletter_changelist"), "The list ends here, after 3 rows."
    pages = [staff.get(address, {"q": slug, "p": page}) for page in ("1", "2", "3")]
    assert [said in page.content.decode() for page in pages[:2]] == [False, True]
    assert len(re.findall("_selected_action", pages[1].content.decode())) == 1
    assert pages[2].status_code == 302


@pytest.mark.usefixtures("letters_apart")
def test_filters_offer_what_any_server_has(staff: Browser) -> None:
    slugs = {server: f"t-{uuid.uuid4().hex}" for server in ("main", "b")}
    add_letter("main", tenant_slug=slugs["main"], code="unreadable")
    add_letter("b", tenant_slug=slugs["b"], code="invalid_envelope", type="support.issue.closed")
    page = staff.get(reverse("admin:lifecycle_deadletter_changelist")).content.decode()
    for choice in (*(f"tenant_slug={one}" for one in slugs.values()), "code=invalid_envelope", "code=unreadable"):
        assert f'href="?{choice}"' in page
    assert 'href="?type=support.issue.closed"' in page
    found = staff.get(reverse("admin:lifecycle_deadletter_changelist"), {"tenant_slug": slugs["b"]}).content.decode()
    assert slugs["b"] in found and len(re.findall("_selected_action", found)) == 1


@pytest.mark.usefixtures("letters_apart")
def test_dead_letters_of_no_tenant_are_shown_and_discarded_on_every_server(staff: Browser) -> None:
    letters = [add_letter(server) for server in ("main", "b")]
    for letter in letters:
        assert staff.get(reverse("admin:lifecycle_deadletter_change", args=[letter.id])).status_code == 200
    form = {"_selected_action": [str(one.id) for one in letters], "reason": "Gone"}
    address = reverse("admin:lifecycle_deadletter_changelist")
    refused = staff.post(address, {**form, "action": "replay_starting"}, follow=True)
    assert "Choose failed events of one database server at a time." in refused.content.decode()
    order = []
    discard = dead_letters.discard_dead_letters
    with patch.object(dead_letters, "discard_dead_letters") as watched:
        watched.side_effect = lambda *args, **given: order.append(current_server()) or discard(*args, **given)
        answer = staff.post(address, {**form, "action": "discard"}, follow=True)
    # The request's own transaction is open from main's part on: no other server's is waited for in it.
    assert order == ["b", "main"]
    assert "2 discarded." in answer.content.decode()
    for server in ("main", "b"):
        with on_server(server), tenant_context(NO_TENANT):
            (letter,) = DeadLetter.objects.filter(id__in=form["_selected_action"])
            assert letter.state == DeadLetter.State.DISCARDED


def test_an_address_of_no_tenant_is_not_found(staff: Browser) -> None:
    for key in ("nonsense", str(NO_TENANT)):
        assert staff.get(reverse("admin:tenants_tenant_change", args=[key])).status_code == 302
