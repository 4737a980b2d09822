"""Help says what this tenant's stages are, what each role may do, and what the words on the pages mean."""

from tests.conftest import make_people
from tests.factories import TenantFactory
from tests.web.conftest import markup_of, text_of


def test_help_speaks_of_the_tenant_s_own_stages_and_of_the_reader_s_role(page_client, users, tenant):
    shown = text_of(page_client("viewer").get("/help"))
    for part in ("At-Risk At risk", "May lead to", "You are: Customer Viewer"):
        assert part in shown, shown
    assert "You are: Tenant Admin" in text_of(page_client("tenant_admin").get("/help"))


def test_help_says_the_rights_and_the_numbers_as_they_are(page_client, users, tenant):
    page = page_client("viewer").get("/help")
    shown = text_of(page)
    assert "Change a stage without starting its automations No No Yes" in shown
    assert "Change stages and owners, write notes and tasks, share views No Yes Yes" in shown
    assert "See e-mail addresses and phone numbers of contacts, which is recorded No Yes Yes" in shown
    assert "an overdue balance up to 25" in shown
    assert next(link for link in markup_of(page).all("a") if link.get("aria-current") == "page")["href"] == "/help"


def test_help_and_what_is_about_oneself_open_before_the_first_lifecycle_is_published(db, page_client):
    people = make_people(TenantFactory(configuration=None))
    viewer, admin = page_client(people.viewer), page_client(people.tenant_admin)
    for address in ("/help", "/account", "/notifications", "/palette?q=help"):
        assert (viewer.get(address).status_code, admin.get(address).status_code) == (200, 200), address
    shown = text_of(viewer.get("/help"))
    assert "Your company has not published a lifecycle yet: there are no stages" in shown
    assert "an overdue balance up to 25" in shown and "You are: Customer Viewer" in shown
    assert "Set up the lifecycle" not in shown
    assert "Set up the lifecycle" in text_of(admin.get("/help"))
