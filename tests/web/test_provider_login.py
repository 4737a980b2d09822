"""Signing in through a company's identity provider: one that we did not write (oidc-provider-mock, by Authlib)."""

import io
import json
import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.core import signing
from django.core.management import CommandError, call_command
from django.test import Client

from local.processes import find_free_port
from tenants.context import tenant_context
from tenants.models import Tenant, TokenIssuer, User
from tenants.roles import Role
from tenants.services.accounts import jwks, provider_fetching, provider_login
from tenants.services.accounts.people import deactivate_user
from tenants.services.accounts.provider_login import GRANTED
from tests.admin.test_trail import actor_of
from tests.factories import utc_now
from tests.web.conftest import text_of

SECRET = "s%cret:+ of/ours"


@pytest.fixture(scope="module")
def provider():
    """The provider as a program of its own, with a manager, and somebody without a role."""
    port = find_free_port()
    people = [{"sub": "idp|mia", "roles": ["csm"]}, {"sub": "idp|nina", "roles": ["guest"]}, {"sub": "idp|else"}]
    claims = [word for person in people for word in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "-n", "true", *claims]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as client:
            assert client.get(f"{url}/.well-known/openid-configuration").json()["issuer"] == url
        yield url
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def company(provider, tenant, users, settings, tmp_path, monkeypatch):
    """The tenant, whose people sign in there; its account manager is Mia."""
    # A provider that has to wait for a processor is not away.
    monkeypatch.setattr(jwks, "PATIENCE_SECONDS", 60.0)
    monkeypatch.setattr(provider_fetching, "STEP_SECONDS", 60.0)
    monkeypatch.setattr(provider_fetching, "WHOLE_SECONDS", 120.0)
    settings.LOOPBACK_ISSUERS = True
    with tenant_context(tenant.id):
        for user, subject in ((users.account_manager, "idp|mia"), (users.viewer, "idp|nina")):
            User.objects.filter(id=user.id).update(external_subject=subject)
    (tmp_path / "secret").write_text(SECRET + "\n")
    call_command(
        "configure_issuer",
        "--client-secret-file",
        str(tmp_path / "secret"),
        tenant=tenant.slug,
        issuer=provider,
        audience="customer360",
        client_id="c360-pages",
        role=["csm=ROLE_ACCOUNT_MANAGER"],
        stdout=io.StringIO(),
    )
    return tenant


@pytest.fixture
def browser():
    return Client(raise_request_exception=False)


def go(browser, company, **sent):
    """To the provider: its address, as the page names it."""
    page = browser.post("/login/company", {"company": company.slug, **sent})
    assert page.status_code == 200
    (address,) = set(re.findall(r'href="(http://127[^"]+)"', page.content.decode()))
    return address.replace("&amp;", "&")


def sign_in_there(address, subject):
    """What the provider sends the browser back with, after the person chose who they are."""
    # Not within the five seconds of the library: the provider may have to wait for a processor.
    answer = httpx.post(address, data={"sub": subject} if subject else {"action": "deny"}, timeout=60)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    assert (back.hostname, back.path) == ("testserver", "/login/return")
    return f"{back.path}?{back.query}"


def test_a_person_signs_in_through_their_company_and_is_where_they_wanted_to_be(browser, company, users, monkeypatch):
    posted = []
    real = provider_login.fetch_json
    monkeypatch.setattr(provider_login, "fetch_json", lambda *a, **k: posted.append((a, k)) or real(*a, **k))
    address = go(browser, company, next="/customers?stage=Active")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    back = sign_in_there(address, "idp|mia")
    answer = browser.get(back)
    assert (answer.status_code, answer.get("Location", text_of(answer))) == (302, "/customers?stage=Active")
    page = browser.get("/account")
    assert users.account_manager.full_name in text_of(page) and "Account Manager" in text_of(page)
    ((_, form), given) = posted[0]
    assert asked["code_challenge"] == create_s256_code_challenge(form["code_verifier"])
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    basic = httpx.BasicAuth("c360-pages", "s%25cret%3A%2B%20of%2Fours")
    assert given["authorization"] == next(basic.auth_flow(httpx.Request("POST", "http://x"))).headers["Authorization"]
    # Once: who sees the address later cannot use it again.
    again = browser.get(back)
    assert again.status_code == 403 and "This sign-in has expired" in text_of(again)


def test_the_roles_of_the_provider_narrow_what_the_membership_allows(browser, company, users, customer):
    with tenant_context(company.id):
        User.objects.filter(id=users.tenant_admin.id).update(external_subject="idp|mia-admin")
        User.objects.filter(id=users.account_manager.id).update(external_subject="")
        User.objects.filter(id=users.tenant_admin.id).update(external_subject="idp|mia")
    browser.get(sign_in_there(go(browser, company), "idp|mia"))
    assert browser.get(f"/customers/{customer.id}/move").status_code == 200
    # A tenant admin here whom the provider calls a manager: a manager today.
    assert browser.get("/admin/").status_code in (302, 403)


def test_who_may_less_by_the_provider_than_here_learns_why(page_client, customer):
    """It was said to come from the age of a token, and that logging in again helps."""
    client = page_client("account_manager")
    session = client.session
    session[GRANTED] = [Role.VIEWER.claim]
    session.save()
    refused = client.get(f"/customers/{customer.id}/move")
    assert refused.status_code == 403
    assert "Your identity provider gives you a role that may not do this, although you are Account" in text_of(refused)


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ("idp|nina", "Your identity provider gives you no role here. Ask your administrator."),
        ("idp|else", "No user of this tenant has the token's subject."),
        ("", "Your identity provider did not sign you in."),
    ],
)
def test_people_who_may_not_enter_learn_why_and_stay_outside(browser, company, subject, sentence):
    page = browser.get(sign_in_there(go(browser, company), subject))
    assert page.status_code == 403 and sentence in text_of(page)
    assert browser.get("/").status_code == 302


def test_who_was_deactivated_or_whose_company_is_suspended_stays_outside(browser, company, users):
    back = sign_in_there(go(browser, company), "idp|mia")
    with tenant_context(company.id):
        Tenant.objects.filter(id=company.id).update(is_suspended=True)
    page = browser.get(back)
    assert page.status_code == 403 and "access is suspended" in text_of(page)
    with tenant_context(company.id):
        Tenant.objects.filter(id=company.id).update(is_suspended=False)
    deactivate_user(users.account_manager.id, tenant=company, actor=actor_of(users.tenant_admin), now=utc_now())
    page = browser.get(sign_in_there(go(browser, company), "idp|mia"))
    assert page.status_code == 403 and "deactivated" in text_of(page)


def change_kept(browser, **changes):
    """The browser's cookie as if it had been made for another sign-in."""
    kept = signing.loads(browser.cookies["sign-in"].value, salt="provider-login")
    browser.cookies["sign-in"] = signing.dumps({**kept, **changes}, salt="provider-login", compress=True)


@pytest.mark.parametrize("other", ["state", "nonce", "code"])
def test_an_answer_to_another_sign_in_is_refused(browser, company, other):
    back = sign_in_there(go(browser, company), "idp|mia")
    if other == "state":
        page = Client().get(back)
    else:
        change_kept(browser, **({"nonce": "another"} if other == "nonce" else {}))
        page = browser.get(back.replace("code=", "code=x") if other == "code" else back)
    assert page.status_code == 403
    assert browser.get("/").status_code == 302


def test_another_providers_answer_is_refused(browser, company):
    back = sign_in_there(go(browser, company), "idp|mia")
    page = browser.get(f"{back}&iss=https%3A%2F%2Fevil.example")
    assert page.status_code == 403 and "no longer accepted" in text_of(page)


def test_a_company_without_a_provider_and_one_that_there_is_not_are_answered_alike(browser, tenant):
    pages = [browser.post("/login/company", {"company": name}) for name in (tenant.slug, "nowhere", "", "x\x00")]
    assert [page.status_code for page in pages] == [400] * 4
    assert len({re.sub(r"value=\"[^\"]*\"", "", text_of(page)) for page in pages[:2]}) == 1
    assert "No company of this name signs in through an identity provider." in text_of(pages[0])


def test_a_silent_provider_holds_no_more_than_two_at_once_and_leaves_turns_to_others(browser, company, provider):
    silent, own = "https://silent.example/token", f"{provider}/oauth2/token"
    taken = [provider_login._take_turn(url) for url in (silent, silent, silent, own, own, "https://third.example")]
    try:
        assert taken == [True, True, False, True, True, False]
        page = browser.get(sign_in_there(go(browser, company), "idp|mia"))
        assert page.status_code == 403 and "Too many people are signing in" in text_of(page)
        for url in (own, own):
            provider_login._give_turn_back(url)
        assert browser.get(sign_in_there(go(browser, company), "idp|mia")).status_code == 302
    finally:
        for url in (silent, silent):
            provider_login._give_turn_back(url)
    assert not provider_login._running


def test_the_secret_is_encrypted_and_a_provider_that_describes_another_is_refused(company, provider, settings):
    with tenant_context(company.id):
        row = TokenIssuer.objects.get(tenant_id=company.id)
    assert SECRET.encode() not in bytes(row.client_secret)
    assert (row.token_url, row.jwks_url) == (f"{provider}/oauth2/token", f"{provider}/jwks")
    with pytest.raises(CommandError, match="which is not"):
        call_command(
            "configure_issuer",
            tenant=company.slug,
            issuer=f"{provider}/",
            audience="a",
            client_id="c",
            role=["csm=ROLE_ACCOUNT_MANAGER"],
        )
    settings.LOOPBACK_ISSUERS = False
    assert jwks.check_url(f"{provider}/oauth2/token", "The token endpoint").startswith("The token endpoint must be")
