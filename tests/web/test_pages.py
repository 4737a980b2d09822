"""Who may open which page, and what every page promises."""

import datetime as dt
import re
from html import unescape
from urllib.parse import unquote
from uuid import uuid4

import pytest

from audit.models import AdministrationEntry
from lifecycle.services.configuration import stage_migrations
from lifecycle.services.customers.recording import ContactFacts, CustomerFacts, record_customers
from tenants.actors import system_actor
from tenants.authentication import Impersonation
from tenants.context import tenant_context
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.services.publishing import SHORTER, publish
from tests.statements import statements_of
from tests.web.conftest import HTMX, markup_of, text_of

ROLES = ("viewer", "account_manager", "tenant_admin")


def addresses(customer):
    return ("/", "/customers", f"/customers/{customer.id}")


@pytest.mark.parametrize("role", ROLES)
def test_everybody_of_the_tenant_sees_overview_list_and_customer(page_client, customer, role):
    client = page_client(role)
    for address in addresses(customer):
        response = client.get(address)
        assert response.status_code == 200, address
        assert "Prospect" in text_of(response)


def test_who_is_not_logged_in_is_sent_to_the_login_and_comes_back(page_client, customer):
    client = page_client(None)
    for address in addresses(customer):
        response = client.get(address)
        assert response.status_code == 302
        assert response["Location"] == f"/login?next={address}"


def test_a_fragment_sends_the_whole_page_to_the_login_when_the_session_is_over(page_client, customer):
    headers = HTMX | {"HX-Current-URL": f"https://testserver/customers/{customer.id}"}
    response = page_client(None).get(f"/customers/{customer.id}/live?version=1", headers=headers)
    assert response["HX-Redirect"] == f"/login?next=/customers/{customer.id}"
    assert b"<" not in response.content


def test_a_viewer_sees_neither_the_button_nor_the_history(page_client, customer, move):
    move(customer, "Active", note="said in confidence")
    page = page_client("viewer").get(f"/customers/{customer.id}")
    assert "Change stage" not in text_of(page)
    assert "said in confidence" not in text_of(page)
    assert "History is not available to your role" in text_of(page)
    assert not [tag for tag in markup_of(page).all("ol") if tag.get("id") == "history"]


def with_contact(tenant):
    facts = CustomerFacts(
        external_id="acme-1",
        source="/crm",
        occurred_at=utc_now(),
        company={"name": "Acme"},
        contacts=[ContactFacts(name="Zoë Beispiel", email="zoe@acme.example", phone="+49 30 123456")],
    )
    with tenant_context(tenant.id):
        (recorded,) = record_customers(
            [facts], tenant=tenant, actor=system_actor("tests"), source="Import", now=utc_now(), create=True
        )
    return recorded.customer_id


@pytest.mark.parametrize(("role", "is_clear"), [("viewer", False), ("account_manager", True), ("tenant_admin", True)])
def test_only_those_with_the_right_see_how_to_reach_its_people_and_on_the_page_when_they_ask_for_it(
    page_client, api_client, tenant, users, role, is_clear
):
    customer_id = with_contact(tenant)
    page = page_client(role).get(f"/customers/{customer_id}")
    whole = api_client(role).get(f"/api/v1/customers/{customer_id}").content.decode()
    for shown, clear in ((page.content.decode(), False), (whole, is_clear)):
        assert "Zoë Beispiel" in shown
        assert ("zoe@acme.example" in shown, "123456" in shown) == (clear, clear)
        assert ("z•••@acme.example" in shown, "••• 56" in shown) == (not clear, not clear)
    asked = [one for one in (form.get("action", "") for form in markup_of(page).all("form")) if "/contacts/" in one]
    assert len(asked) == is_clear


@pytest.mark.parametrize("role", ["account_manager", "tenant_admin"])
def test_who_may_move_customers_sees_the_button_and_the_history(page_client, customer, move, role):
    move(customer, "Active", note="said in confidence")
    page = page_client(role).get(f"/customers/{customer.id}")
    assert "Change stage" in text_of(page)
    assert "said in confidence" in text_of(page)


def test_a_viewer_is_refused_the_dialog_and_the_history_with_the_reason(page_client, customer):
    client = page_client("viewer")
    for address, sentence in (
        ("move", "You have view-only access. Ask an account manager."),
        ("history", "History is not available to your role. Ask an account manager."),
    ):
        response = client.get(f"/customers/{customer.id}/{address}")
        assert response.status_code == 403
        assert sentence in text_of(response)


@pytest.mark.parametrize("role", ROLES)
def test_a_customer_of_another_tenant_is_not_there(page_client, other_customer, role):
    client = page_client(role)
    for address in ("", "/live?version=1", "/move", "/history"):
        theirs = client.get(f"/customers/{other_customer.id}{address}")
        nobodys = client.get(f"/customers/{uuid4()}{address}")
        refused = role == "viewer" and address in ("/move", "/history")
        assert theirs.status_code == (403 if refused else 404), address
        without_nonce = [re.sub(rb"(nonce|X-CSRFToken)[^>]*", b"", page.content) for page in (theirs, nobodys)]
        assert without_nonce[0] == without_nonce[1]
        assert other_customer.name.encode() not in theirs.content


def test_lists_show_no_one_of_another_tenant(page_client, customer, other_customer):
    client = page_client("account_manager")
    for address in ("/", "/customers", f"/customers?search={other_customer.name}", "/customers?stage=Trial"):
        assert other_customer.external_id not in text_of(client.get(address))


def test_a_super_admin_chooses_a_tenant_and_may_choose_another(page_client, users, tenant, customer, other_tenant):
    client = page_client("super_admin")
    response = client.get(f"/customers/{customer.id}")
    assert unquote(response["Location"]) == f"/tenants?next=/customers/{customer.id}"
    page = client.get("/tenants?next=/customers")
    assert tenant.slug in text_of(page)
    response = client.post("/tenants", {"tenant": tenant.slug, "next": "/customers", "reason": "Ticket 7"})
    assert response["Location"] == "/customers"
    assert client.get(f"/customers/{customer.id}").status_code == 200
    # The page that is being looked at belongs to the tenant before.
    response = client.post(
        "/tenants", {"tenant": other_tenant.slug, "next": f"/customers/{customer.id}", "reason": "Ticket 8"}
    )
    assert response["Location"] == "/"
    assert client.get(f"/customers/{customer.id}").status_code == 404


def test_who_chooses_a_tenant_goes_back_to_what_there_is_in_it(page_client, users, tenant, customer, other_tenant):
    """The same tenant, as its hour was over, led away from the customer; another one to a page that was not found."""
    client = page_client("super_admin")

    def choose(slug, target):
        return client.post("/tenants", {"tenant": slug, "next": target, "reason": "Ticket 7"})["Location"]

    page = f"/customers/{customer.id}/move?stage=Active"
    choose(tenant.slug, "/")
    assert choose(tenant.slug, page) == page
    assert client.get(page).status_code == 200
    for of_one in (f"/bulk/{customer.id}", f"/undo/{customer.id}", f"/views/{customer.id}/edit"):
        assert choose(other_tenant.slug, of_one) == "/"
        assert choose(tenant.slug, of_one) == "/"
    assert choose(other_tenant.slug, "/customers/as-of?day=2026-03-31") == "/customers/as-of?day=2026-03-31"


def test_a_super_admin_learns_when_there_is_no_such_tenant(page_client, users):
    response = page_client("super_admin").post("/tenants", {"tenant": "nowhere", "reason": "Ticket 7"})
    assert response.status_code == 404
    assert "There is no tenant “nowhere”" in text_of(response)


def test_a_tenant_admin_cannot_choose_another_tenant(page_client, other_tenant, customer):
    client = page_client("tenant_admin")
    assert client.post("/tenants", {"tenant": other_tenant.slug}).status_code == 404
    assert client.get(f"/customers/{customer.id}").status_code == 200
    assert other_tenant.slug not in text_of(client.get("/tenants"))


def test_the_choice_of_a_tenant_never_leads_to_another_site(page_client, users, tenant):
    client = page_client("super_admin")
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        sent = {"tenant": tenant.slug, "next": target, "reason": "Ticket 7"}
        assert client.post("/tenants", sent)["Location"] == "/"


def test_a_super_admin_says_why_they_look_and_the_tenant_has_it_on_record(page_client, users, tenant):
    client = page_client("super_admin")
    for reason in ("", "   ", "x" * 501):
        refused = client.post("/tenants", {"tenant": tenant.slug, "reason": reason})
        assert refused.status_code == 400
        assert client.get("/customers").status_code == 302
    assert "The reason is 501 characters long; at most 500 fit." in text_of(refused)
    assert client.post("/tenants", {"tenant": tenant.slug, "reason": " Ticket 7 "}).status_code == 302
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(action="impersonate")
        assert list(entries.values_list("actor", "reason")) == [(str(users.super_admin.id), "Ticket 7")]
        until = dt.datetime.fromisoformat(entries.get().detail["until"])
    assert dt.timedelta(minutes=59) < until - utc_now() <= dt.timedelta(minutes=60)
    page = text_of(client.get("/customers"))
    assert f"{tenant.slug} until {until:%H:%M} UTC" in page


def test_a_super_admin_whose_hour_is_over_learns_so(page_client, users, tenant):
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = Impersonation(tenant.slug, utc_now() - dt.timedelta(seconds=1)).to_session()
    session.save()
    page = client.get("/customers", follow=True)
    assert f"Your access to {tenant.slug} has ended" in text_of(page)


def test_who_sends_a_form_as_their_hour_is_over_comes_back_to_the_page_that_it_was_on(page_client, tenant, customer):
    """What only takes forms answered the way back with 405, and an empty page."""
    client = page_client("super_admin")
    session = client.session
    session["tenant"] = Impersonation(tenant.slug, utc_now() - dt.timedelta(seconds=1)).to_session()
    session.save()
    page = f"/customers/{customer.id}?of=mine"
    form = f"/customers/{customer.id}/notes/{uuid4()}/delete"
    for sender, back in (
        (f"https://testserver{page}", page),
        (f"https://testserver{form}", "/"),
        (f"https://elsewhere.example{page}", "/"),
        ("", "/"),
    ):
        sent = client.post(form, headers={"Referer": sender})
        assert (sent.status_code, unquote(sent["Location"])) == (302, f"/tenants?next={back}"), sender
    chosen = client.post("/tenants", {"tenant": tenant.slug, "next": page, "reason": "Ticket 7"})
    assert chosen["Location"] == page and client.get(page).status_code == 200
    # What shows a form as well as takes it is a page.
    moved = f"/customers/{customer.id}/move"
    assert unquote(page_client("super_admin").post(moved)["Location"]) == f"/tenants?next={moved}"


def test_a_super_admin_leaves_a_tenant(page_client, users, tenant):
    client = page_client("super_admin")
    client.post("/tenants", {"tenant": tenant.slug, "reason": "Ticket 7"})
    assert client.get("/customers").status_code == 200
    assert client.post("/tenants", {"leave": "1"})["Location"] == "/tenants"
    assert client.get("/customers").status_code == 302


def test_a_tenant_without_a_lifecycle_learns_what_to_do(page_client, db):
    from tests.conftest import make_people

    people = make_people(TenantFactory(configuration=None))
    response = page_client(people.account_manager).get("/")
    assert response.status_code == 409
    assert "No lifecycle yet" in text_of(response) and "A tenant admin can publish one" in text_of(response)
    assert "Set up the lifecycle" not in text_of(response)
    for_admins = page_client(people.tenant_admin).get("/customers")
    assert (for_admins.status_code, "A tenant admin can" in text_of(for_admins)) == (409, False)
    assert 'href="/admin/tenants/configurationversion/">Set up the lifecycle</a>' in for_admins.content.decode()


def test_internal_staff_come_from_the_choice_of_a_tenant_to_the_tenants(page_client, tenant):
    page = page_client("super_admin").get("/tenants")
    assert 'href="/admin/tenants/tenant/">Open, suspend or resume tenants</a>' in page.content.decode()


def test_a_new_tenant_leads_on_to_its_first_admin(page_client, tenant):
    client = page_client("super_admin")
    made = {"slug": "initech", "name": "Initech", "starter": ""}
    page = client.post("/admin/tenants/tenant/add/", made, follow=True)
    said = page.content.decode()
    assert "They find starters for the lifecycle under “Lifecycle”." in said
    link = "/tenants?tenant=initech&amp;next=%2Fadmin%2Ftenants%2Fuser%2Fadd%2F"
    assert f'<a href="{link}">Work for “Initech” and invite its first admin</a>' in said
    choice = client.get(unescape(link)).content.decode()
    assert '<option value="initech" selected>' in choice
    assert 'name="next" value="/admin/tenants/user/add/"' in choice


def every_page(page_client, customer):
    client = page_client("account_manager")
    anonymous, staff = page_client(None), page_client("super_admin")
    yield anonymous.get("/login")
    yield anonymous.post("/login", {"username": "no one@nowhere.example", "password": "wrong"})
    yield staff.get("/tenants")
    for address in (*addresses(customer), f"/customers/{customer.id}/move", f"/customers/{customer.id}/history"):
        yield client.get(address)
    for address in (f"/customers/{uuid4()}", "/no/such/page", "/customers?cursor=broken"):
        yield client.get(address)
    yield page_client("viewer").get(f"/customers/{customer.id}/move")


def test_every_page_obeys_a_strict_content_security_policy(page_client, customer):
    for page in every_page(page_client, customer):
        policy = page["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        nonces = set(re.findall(r"'nonce-([^']+)'", policy))
        assert len(nonces) <= 1
        markup = markup_of(page)
        assert markup.all("html"), page.request["PATH_INFO"]
        for tag, attributes in markup.tags:
            if tag in ("script", "style"):
                assert attributes.get("nonce") in nonces, (page.request["PATH_INFO"], tag)
            assert "style" not in attributes, (page.request["PATH_INFO"], tag, attributes)
            assert not [name for name in attributes if name.startswith(("on", "hx-on"))], attributes
            for name in ("src", "href", "action"):
                assert not (attributes.get(name) or "").startswith(("http:", "https:", "javascript:", "//"))


def test_the_page_may_connect_to_the_stream_of_development_and_to_nothing_else(page_client, customer, settings):
    response = page_client("viewer").get(f"/customers/{customer.id}")
    sources = re.search(r"connect-src ([^;]*)", response["Content-Security-Policy"])[1].split()
    assert sources[0] == "'self'"
    assert len(sources) <= 2
    (stream,) = [tag["sse-connect"] for tag in markup_of(response).all("div") if "sse-connect" in tag]
    assert f"/live/customers/{customer.id}?ticket=" in stream


def test_pages_are_never_cached_and_fragments_are_distinguished_from_pages(page_client, customer):
    client = page_client("account_manager")
    for address in addresses(customer):
        response = client.get(address)
        assert "no-store" in response["Cache-Control"]
        assert "HX-Request" in response["Vary"]


def test_without_a_csrf_token_nothing_is_accepted(page_client, customer, users):
    client = page_client("account_manager", enforce_csrf_checks=True)
    for address in (f"/customers/{customer.id}/move", "/logout", "/tenants"):
        response = client.post(address, {"stage": "Active", "version": 1, "configuration_version": 1})
        assert response.status_code == 403, address
        assert "The form has expired" in text_of(response)
    assert "Prospect" in text_of(client.get(f"/customers/{customer.id}"))


def count_statements(client, address):
    return len(statements_of(client, address))


def test_overview_and_list_take_the_same_number_of_statements_for_3_and_for_40_customers(page_client, tenant):
    client = page_client("account_manager")
    CustomerFactory.create_batch(3, tenant=tenant)
    before = [count_statements(client, address) for address in ("/", "/customers")]
    CustomerFactory.create_batch(37, tenant=tenant)
    assert [count_statements(client, address) for address in ("/", "/customers")] == before
    assert max(before) < 15


def test_a_customers_page_takes_the_same_number_of_statements_however_long_its_history(page_client, customer, move):
    client = page_client("account_manager")
    move(customer, "Active", note="first")
    before = count_statements(client, f"/customers/{customer.id}")
    for stage in ("Onboarded", "Active") * 10:
        move(customer, stage, note="again")
    assert count_statements(client, f"/customers/{customer.id}") == before
    assert before < 15


def test_the_path_shows_where_a_customer_has_been_to_those_who_may_see_its_history(page_client, customer, move):
    move(customer, "Onboarded")
    move(customer, "Active")
    address = f"/customers/{customer.id}"

    def been(client):
        steps = re.findall(r'<li class="([^"]*)"[^>]*><span>([^<]+)', client.get(address).content.decode())
        return [name for classes, name in steps if "been" in classes.split()]

    assert been(page_client("account_manager")) == ["Prospect", "Onboarded"]
    assert been(page_client("viewer")) == []


def test_the_error_page_of_last_resort_needs_no_request(client):
    from django.template.loader import render_to_string

    assert "Something went wrong" in render_to_string("500.html")


def test_the_overview_says_that_customers_are_being_moved(page_client, tenant, monkeypatch):
    monkeypatch.setattr(stage_migrations, "AT_ONCE", 0)
    for _ in range(2):
        CustomerFactory(tenant=tenant, stage="At-Risk", reason_code="Late")
    publish(
        tenant, SHORTER, renamed={"Prospect": "Lead"}, mapping={"At-Risk": {"to": "Churned", "reason_code": "Removed"}}
    )
    shown = text_of(page_client("viewer").get("/"))
    assert "customers in At-Risk are being moved to Churned, 0 of 2 so far" in shown


def test_a_viewer_learns_why_they_cannot_change_the_stage(page_client, customer):
    page = text_of(page_client("viewer").get(f"/customers/{customer.id}"))
    assert "You have view-only access. Ask an account manager." in page
    assert "view-only access" not in text_of(page_client("account_manager").get(f"/customers/{customer.id}"))


@pytest.mark.parametrize("address", ["/nowhere", "/customers/00000000-0000-4000-8000-000000000000", "/admin/nowhere"])
@pytest.mark.parametrize("is_development", [True, False])
def test_what_does_not_exist_is_our_own_page_in_development_too(page_client, settings, address, is_development):
    settings.DEBUG = is_development
    answer = page_client("tenant_admin").get(address)
    assert answer.status_code == 404
    assert "Error 404" in text_of(answer)
    assert b"URLconf" not in answer.content
