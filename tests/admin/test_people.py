"""Tenant admins invite, demote and shut out their people and make keys; no one raises themselves."""

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.models import AdministrationEntry
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ApiKey, Tenant, User
from tenants.roles import Role
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.starters import STARTERS
from tenants.services.accounts.api_keys import create_key, verify_key
from tenants.services.accounts.invitations import find_invited
from tenants.services.accounts.people import deactivate_user, set_role
from tenants.services.configuration.policies import live_policy
from tenants.services.directory import PLATFORM
from tests.admin.test_walk import browser, choose
from tests.factories import ADMIN_ACTOR, UserFactory, utc_now

LOOKUPS = [
    "password__startswith=argon2",
    "secret_hash__startswith=a",
    "user__password__startswith=a",
    "username__regex=(",
    "created_at__year=99999999999999999",
    "tenant__slug=acme",
    "is_active__exact=%00",
]


def stages_of_starter(key: str) -> tuple[str, ...]:
    return parse_configuration(STARTERS[key].document).stages


def actions_of(tenant: TenantRef) -> list[str]:
    with tenant_context(tenant.id):
        return list(AdministrationEntry.objects.order_by("id").values_list("action", flat=True))


def act(client: Client, page: str, action: str, *rows: Any, **fields: str) -> Any:
    """Do an action of a list, and confirm it where it asks."""
    chosen = [str(row) for row in rows]
    sent = {"action": action, "confirmed": action, "_selected_action": chosen, **fields}
    return client.post(reverse(f"admin:tenants_{page}_changelist"), sent, follow=True)


def hidden_fields_of(body: str) -> dict[str, str]:
    """What the page that asks would send."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', body))


def messages_of(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_an_admin_invites_a_person_who_then_sets_a_password(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    name = f"new-{tenant.slug}@acme.example"
    answer = client.post(
        reverse("admin:tenants_user_add"),
        {"username": name, "full_name": "New Person", "role": "account_manager", "external_subject": ""},
        follow=True,
    )
    assert answer.status_code == 200
    link = re.search(r"https?://\S+/invitation/([^/\s]+)/(\S+)", messages_of(answer))
    assert link is not None, messages_of(answer)
    invited = find_invited(link[1], link[2])
    assert invited is not None
    assert (invited.username, invited.role, invited.tenant_id) == (name, "account_manager", tenant.id)
    assert not invited.has_usable_password()
    assert actions_of(tenant)[-2:] == ["invite_user", "show_invitation"]
    assert "No e-mail was sent. Send this link to" in messages_of(answer)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("muller", True),
        ("MU\u0308LLER jorg", True),
        ("zoe.strasse@", True),
        ("muller zoe smith", False),
        ("\u0301", False),
    ],
)
def test_people_are_found_whatever_the_case_and_the_accents(
    tenant: TenantRef, users: Any, text: str, found: bool
) -> None:
    person = UserFactory(tenant=tenant, full_name="Jörg Müller", username=f"zoë.straße@{tenant.slug}.example")
    answer = browser(users.tenant_admin).get(reverse("admin:tenants_user_changelist"), {"q": text})
    assert [one.pk for one in answer.context["cl"].result_list] == ([person.pk] if found else [])


def test_a_taken_user_name_is_refused_without_saying_where(tenant: TenantRef, users: Any, other_users: Any) -> None:
    client = browser(users.tenant_admin)
    before = actions_of(tenant)
    answer = client.post(
        reverse("admin:tenants_user_add"),
        {"username": other_users.viewer.username, "full_name": "X", "role": "viewer"},
        follow=True,
    )
    assert "cannot be used" in messages_of(answer) + answer.content.decode()
    assert actions_of(tenant) == before


def test_an_admin_demotes_and_shuts_out_their_people(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    address = reverse("admin:tenants_user_change", args=[users.account_manager.pk])
    client.post(address, {"role": "viewer", "is_active": "on"})
    with tenant_context(tenant.id):
        assert User.objects.get(pk=users.account_manager.pk).role == "viewer"
    client.post(address, {"role": "viewer"})
    with tenant_context(tenant.id):
        assert not User.objects.get(pk=users.account_manager.pk).is_active
    assert actions_of(tenant)[-2:] == ["set_role", "deactivate_user"]


def test_correcting_a_name_takes_back_nothing_that_another_admin_has_done_since(tenant: TenantRef, users: Any) -> None:
    """The page had been opened before: saved, it had let in again whom the other had shut out, with the role before."""
    client, person = browser(users.tenant_admin), users.account_manager
    address = reverse("admin:tenants_user_change", args=[person.pk])
    shown = client.get(address).content.decode()
    page = hidden_fields_of(shown) | {"role": "account_manager", "team": "", "is_active": "on"}
    arguments = {"tenant": tenant, "actor": ADMIN_ACTOR, "now": utc_now()}
    set_role(person.pk, Role.VIEWER, **arguments)
    deactivate_user(person.pk, **arguments)
    answer = client.post(address, page | {"full_name": "Grace Park"}, follow=True)
    assert answer.status_code == 200
    with tenant_context(tenant.id):
        after = User.objects.get(pk=person.pk)
    assert (after.full_name, after.role, after.is_active) == ("Grace Park", "viewer", False)
    client.post(address, page | {"full_name": "Grace Park", "role": "tenant_admin"})
    with tenant_context(tenant.id):
        assert User.objects.get(pk=person.pk).role == "tenant_admin", "what is changed on the page is changed"


def test_no_one_raises_themselves_or_a_super_admin(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    own = reverse("admin:tenants_user_change", args=[users.tenant_admin.pk])
    assert client.post(own, {"role": "viewer", "is_active": "on"}).status_code == 403
    staff = reverse("admin:tenants_user_change", args=[users.super_admin.pk])
    assert client.post(staff, {"role": "viewer", "is_active": "on"}).status_code in (302, 404)
    other = reverse("admin:tenants_user_change", args=[users.viewer.pk])
    answer = client.post(other, {"role": "super_admin", "is_active": "on"})
    assert answer.status_code == 200, "the form is shown again: there is no such choice"
    with tenant_context(tenant.id):
        assert User.objects.get(pk=users.viewer.pk).role == "viewer"


def test_the_secret_of_a_key_is_shown_once(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    answer = client.post(
        reverse("admin:tenants_apikey_add"),
        {"user": str(users.service.pk), "name": "sync", "scopes": ["view_lifecycle"], "valid_days": "30"},
        follow=True,
    )
    shown = re.search(r"c360_sk_\S+", messages_of(answer))
    assert shown is not None
    assert verify_key(shown[0], now=utc_now()).name == "sync"
    again = client.get(reverse("admin:tenants_apikey_changelist")).content.decode()
    assert "c360_sk_" not in again
    with tenant_context(tenant.id):
        key = ApiKey.objects.get()
    act(client, "apikey", "revoke", key.pk)
    with tenant_context(tenant.id):
        assert ApiKey.objects.get().revoked_at is not None


@pytest.fixture
def key(tenant: TenantRef, users: Any) -> ApiKey:
    """A live key of the service account."""
    with tenant_context(tenant.id):
        return create_key(
            account=users.service,
            name="nightly sync",
            scopes=["view_lifecycle"],
            expires_at=utc_now() + dt.timedelta(days=30),
            tenant=tenant,
            actor=ADMIN_ACTOR,
            now=utc_now(),
        ).key


def is_live(key: ApiKey) -> bool:
    with tenant_context(key.tenant_id):
        return ApiKey.objects.get(pk=key.pk).revoked_at is None


@pytest.mark.parametrize(("action", "question"), [("revoke", "Revoke 1 key?"), ("rotate", "Rotate 1 key?")])
def test_ending_a_key_asks_first_and_says_whose_it_is(
    tenant: TenantRef, users: Any, key: ApiKey, action: str, question: str
) -> None:
    client, before = browser(users.tenant_admin), actions_of(tenant)
    address = reverse("admin:tenants_apikey_changelist")
    page = client.post(address, {"action": action, "_selected_action": [str(key.pk)]})
    body = page.content.decode()
    assert page.status_code == 200
    for words in (question, "nightly sync", users.service.username, "Never used.", "This cannot be undone."):
        assert words in body
    assert is_live(key)
    assert actions_of(tenant) == before
    answer = client.post(address, hidden_fields_of(body), follow=True)
    assert ("1 key revoked" if action == "revoke" else "copy the new key now") in messages_of(answer)
    assert not is_live(key)


def test_when_a_key_was_last_used_is_said_in_the_reader_s_language(tenant: TenantRef, users: Any, key: ApiKey) -> None:
    with tenant_context(tenant.id):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=dt.datetime(2026, 11, 5, 9, 7, tzinfo=dt.UTC))
    client, address = browser(users.tenant_admin), reverse("admin:tenants_apikey_changelist")
    asked = {"action": "revoke", "_selected_action": [str(key.pk)]}
    german, english = (
        client.post(address, asked, headers={"accept-language": language}).content.decode() for language in ("de", "en")
    )
    assert "Zuletzt benutzt 5. Nov. 2026, 09:07 UTC." in german
    assert "Last used 5 Nov 2026, 09:07 UTC." in english


def test_the_answer_to_one_question_is_none_to_another(tenant: TenantRef, users: Any, key: ApiKey) -> None:
    client = browser(users.tenant_admin)
    sent = {"action": "revoke", "confirmed": "rotate", "_selected_action": [str(key.pk)]}
    assert "Revoke 1 key?" in client.post(reverse("admin:tenants_apikey_changelist"), sent).content.decode()
    assert is_live(key)


def test_the_key_of_another_tenant_is_neither_asked_about_nor_ended(
    tenant: TenantRef, other_users: Any, key: ApiKey
) -> None:
    answer = act(browser(other_users.tenant_admin), "apikey", "revoke", key.pk)
    assert "nightly sync" not in answer.content.decode()
    assert is_live(key)


def test_who_signs_in_by_the_company_s_provider_gets_no_link(tenant: TenantRef, users: Any) -> None:
    client, name = browser(users.tenant_admin), f"sso@{tenant.slug}.example"
    form = {"username": name, "full_name": "Sam", "role": "viewer", "external_subject": "sub-1"}
    answer = client.post(reverse("admin:tenants_user_add"), form, follow=True)
    assert "/invitation/" not in messages_of(answer)
    assert "signs in through your company's identity provider" in messages_of(answer)
    with tenant_context(tenant.id):
        person = User.objects.get(username=name)
    before = actions_of(tenant)
    assert before[-1] == "invite_user"
    for action in ("make_invitation", "send_again"):
        answer = act(client, "user", action, person.pk)
        assert "/invitation/" not in messages_of(answer) + answer.content.decode()
        assert "they have no password and no invitation" in messages_of(answer)
    assert actions_of(tenant) == before


def test_anyone_who_sees_a_link_is_in_the_log(tenant: TenantRef, users: Any) -> None:
    client, name = browser(users.tenant_admin), f"new@{tenant.slug}.example"
    client.post(reverse("admin:tenants_user_add"), {"username": name, "full_name": "New", "role": "viewer"})
    with tenant_context(tenant.id):
        person = User.objects.get(username=name)
    answer = act(client, "user", "make_invitation", person.pk)
    assert f"{name}: http" in messages_of(answer)
    with tenant_context(tenant.id):
        entries = AdministrationEntry.objects.filter(action="show_invitation", subject=str(person.pk))
        assert [entry.actor for entry in entries] == [str(users.tenant_admin.pk)] * 2
    before = actions_of(tenant)
    answer = act(client, "user", "make_invitation", users.viewer.pk)
    assert "needs no invitation" in messages_of(answer)
    assert actions_of(tenant) == before


def test_an_invitation_goes_by_e_mail_and_can_be_sent_again(tenant: TenantRef, users: Any, mailbox: Any) -> None:
    client, name = browser(users.tenant_admin), f"new@{tenant.slug}.example"
    form = {"username": name, "full_name": "New", "role": "viewer"}
    answer = client.post(reverse("admin:tenants_user_add"), form, follow=True)
    assert f"An invitation is on its way to {name}" in messages_of(answer)
    mailbox.deliver()
    assert mailbox.link_to(name).startswith("/invitation/")
    with tenant_context(tenant.id):
        person = User.objects.get(username=name)
    act(client, "user", "send_again", person.pk)
    mailbox.deliver()
    assert len(mailbox.to(name)) == 2
    assert actions_of(tenant)[-1] == "send_invitation"


def test_who_is_deactivated_is_sent_no_invitation_and_it_is_said(tenant: TenantRef, users: Any, mailbox: Any) -> None:
    """It was said that one is on its way, and nothing came; the link that was shown led nowhere."""
    client, name = browser(users.tenant_admin), f"new@{tenant.slug}.example"
    form = {"username": name, "full_name": "New", "role": "viewer"}
    client.post(reverse("admin:tenants_user_add"), form, follow=True)
    with tenant_context(tenant.id):
        person = User.objects.get(username=name)
        deactivate_user(person.pk, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    before = actions_of(tenant)
    for action in ("make_invitation", "send_again"):
        answer = act(client, "user", action, person.pk)
        assert f"{name} is deactivated" in messages_of(answer)
        assert "/invitation/" not in messages_of(answer)
    mailbox.deliver()
    assert (mailbox.to(name), actions_of(tenant)) == ([], before)


def test_without_a_mail_server_sending_again_says_so(tenant: TenantRef, users: Any) -> None:
    client, name = browser(users.tenant_admin), f"new@{tenant.slug}.example"
    client.post(reverse("admin:tenants_user_add"), {"username": name, "full_name": "New", "role": "viewer"})
    with tenant_context(tenant.id):
        person = User.objects.get(username=name)
    answer = act(client, "user", "send_again", person.pk)
    assert "This installation does not send e-mail" in messages_of(answer)
    assert actions_of(tenant)[-1] == "show_invitation"


def test_an_admin_corrects_a_name_and_erases_who_has_left(tenant: TenantRef, users: Any) -> None:
    client, person = browser(users.tenant_admin), users.account_manager
    address = reverse("admin:tenants_user_change", args=[person.pk])
    form = {"full_name": "  Mia   Newname ", "role": "account_manager", "is_active": "on"}
    assert client.post(address, form).status_code == 302
    with tenant_context(tenant.id):
        assert User.objects.get(pk=person.pk).full_name == "Mia Newname"
    assert actions_of(tenant)[-1] == "rename_user"
    assert "is active. Deactivate them first" in messages_of(act(client, "user", "erase", person.pk, reason="Left"))
    client.post(address, {"full_name": "Mia Newname", "role": "account_manager"})
    asked = client.post(
        reverse("admin:tenants_user_changelist"), {"action": "erase", "_selected_action": [str(person.pk)]}
    )
    assert "Erase these users?" in asked.content.decode()
    assert "Enter a reason" in messages_of(act(client, "user", "erase", person.pk))
    with tenant_context(tenant.id):
        assert User.objects.get(pk=person.pk).username == person.username
    assert "1 user erased." in messages_of(act(client, "user", "erase", person.pk, reason="Left in May"))
    with tenant_context(tenant.id):
        erased = User.objects.get(pk=person.pk)
        assert (erased.username, erased.full_name, erased.email) == (f"erased-{person.pk}", "Erased user", "")
        assert AdministrationEntry.objects.get(action="erase_user").reason == "Left in May"


def test_a_reason_is_asked_for_in_the_reader_s_language(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    said = messages_of(act(client, "user", "erase", users.viewer.pk))
    assert said == "Geben Sie einen Grund in höchstens 500 Zeichen an. Es wurde nichts geändert."


def test_of_several_users_all_are_erased_or_none(tenant: TenantRef, users: Any) -> None:
    client = browser(users.tenant_admin)
    with tenant_context(tenant.id):
        User.objects.filter(pk=users.viewer.pk).update(is_active=False)
    answer = act(client, "user", "erase", users.viewer.pk, users.account_manager.pk, reason="Left")
    assert "Nothing was erased" in messages_of(answer)
    with tenant_context(tenant.id):
        assert User.objects.get(pk=users.viewer.pk).username == users.viewer.username
    assert "erase_user" not in actions_of(tenant)


def test_without_a_tenant_staff_is_offered_what_can_be_done_about_staff(users: Any) -> None:
    """The others are about a tenant's people; of internal staff they had ended with an error page."""
    client, page = browser(users.super_admin), reverse("admin:tenants_user_changelist")
    body = client.get(page, {"q": users.super_admin.username}).content.decode()
    of_people = {"send_again", "make_invitation", "erase"}
    offered = {*of_people, "end_sessions"} & set(re.findall(r'<option value="(\w+)"', body))
    assert offered == {"end_sessions"}
    for action in sorted(of_people):
        assert act(client, "user", action, users.super_admin.pk, reason="Left").status_code == 200
    staff = User.objects.using(PLATFORM).get(pk=users.super_admin.pk)
    assert (staff.username, staff.is_active) == (users.super_admin.username, True)


def test_a_key_cannot_be_made_for_another_tenants_account(tenant: TenantRef, users: Any, other_users: Any) -> None:
    client = browser(users.tenant_admin)
    answer = client.post(
        reverse("admin:tenants_apikey_add"),
        {"user": str(other_users.service.pk), "name": "x", "scopes": ["view_lifecycle"], "valid_days": "30"},
    )
    assert answer.status_code == 200
    with tenant_context(tenant.id):
        assert not ApiKey.objects.exists()


def test_a_super_admin_opens_suspends_and_resumes_a_tenant(users: Any, other_tenant: TenantRef) -> None:
    client: Client = browser(users.super_admin)
    slug = f"n-{other_tenant.slug}"
    client.post(reverse("admin:tenants_tenant_add"), {"slug": slug, "name": "Newcomer", "starter": "saas-subscription"})
    made = Tenant.objects.using(PLATFORM).get(slug=slug)
    assert made.configuration_version == 1
    with tenant_context(made.pk):
        assert live_policy(made.pk).stages == stages_of_starter("saas-subscription")
    assert actions_of(TenantRef(made.pk, slug)) == ["create_tenant", "publish_configuration"]
    for action, suspended in (("suspend", True), ("resume", False)):
        page = act(client, "tenant", action, made.pk)
        assert "Enter a reason" in messages_of(page)
        assert Tenant.objects.using(PLATFORM).get(pk=made.pk).is_suspended is not suspended
        act(client, "tenant", action, made.pk, reason="Ticket 12")
        with tenant_context(made.pk):
            entry = AdministrationEntry.objects.get(action=f"{action}_tenant")
        assert (entry.reason, entry.actor) == ("Ticket 12", str(users.super_admin.id))
        assert Tenant.objects.using(PLATFORM).get(pk=made.pk).is_suspended is suspended


def test_suspending_a_tenant_asks_first(users: Any, other_tenant: TenantRef) -> None:
    client = browser(users.super_admin)
    sent = {"action": "suspend", "_selected_action": [str(other_tenant.id)]}
    page = client.post(reverse("admin:tenants_tenant_changelist"), sent)
    assert "Suspend these tenants?" in page.content.decode()
    assert not Tenant.objects.using(PLATFORM).get(pk=other_tenant.id).is_suspended


def test_what_a_new_tenant_may_begin_with_is_said_in_the_reader_s_language(users: Any) -> None:
    client = browser(users.super_admin)
    address = reverse("admin:tenants_tenant_add")
    german, english = (
        client.get(address, headers={"accept-language": language}).content.decode() for language in ("de", "en")
    )
    assert "SaaS-Abonnement: Jahres- oder Monatsverträge" in german and "Yearly or monthly" not in german
    assert "SaaS subscription: Yearly or monthly contracts" in english


def test_a_tenant_may_begin_without_a_configuration(users: Any, other_tenant: TenantRef) -> None:
    slug = f"e-{other_tenant.slug}"
    browser(users.super_admin).post(reverse("admin:tenants_tenant_add"), {"slug": slug, "name": "Empty", "starter": ""})
    assert Tenant.objects.using(PLATFORM).get(slug=slug).configuration_version == 0


@pytest.mark.parametrize("page", ["user", "apikey"])
@pytest.mark.parametrize("query", LOOKUPS)
def test_no_column_is_compared_but_those_of_the_filters(users: Any, tenant: TenantRef, page: str, query: str) -> None:
    address = reverse(f"admin:tenants_{page}_changelist")
    answer = browser(users.tenant_admin).get(f"{address}?{query}")
    assert answer.status_code in (302, 400), query


@pytest.mark.parametrize("chosen", ["x", "\x00", "5"])
@pytest.mark.parametrize(("page", "action"), [("apikey", "revoke"), ("apikey", "rotate"), ("user", "make_invitation")])
def test_what_is_no_row_is_said_and_nothing_is_done(
    users: Any, tenant: TenantRef, page: str, action: str, chosen: str
) -> None:
    before = actions_of(tenant)
    answer = browser(users.tenant_admin).post(
        reverse(f"admin:tenants_{page}_changelist"), {"action": action, "_selected_action": [chosen]}, follow=True
    )
    assert "Nothing was changed." in messages_of(answer)
    assert actions_of(tenant) == before


def test_a_tenant_admin_cannot_touch_tenants(users: Any, tenant: TenantRef) -> None:
    client = browser(users.tenant_admin)
    assert client.get(reverse("admin:tenants_tenant_add")).status_code == 403
    client.post(reverse("admin:tenants_tenant_changelist"), {"action": "suspend", "_selected_action": [str(tenant.id)]})
    assert not Tenant.objects.using(PLATFORM).get(pk=tenant.id).is_suspended


@pytest.mark.parametrize("good", [True, False])
def test_working_for_a_tenant_a_super_admin_invites_its_first_admin(
    users: Any, tenant: TenantRef, other_tenant: TenantRef, good: bool
) -> None:
    client = browser(users.super_admin)
    if good:
        choose(client, tenant)
    form = {"username": f"first-{tenant.slug}@acme.example", "full_name": "First", "role": "tenant_admin"}
    answer = client.post(reverse("admin:tenants_user_add"), form | {"change_reason": "A new customer"})
    assert answer.status_code == (302 if good else 403)
