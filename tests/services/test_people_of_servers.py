"""Several PostgreSQL servers: super admins, user names and identity providers, which belong to more than one."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.core.exceptions import ValidationError
from django.db import OperationalError
from django.test import RequestFactory, override_settings

from config.choosing import choose
from lifecycle.services.moving.companions import copy_companions, release_mail
from lifecycle.services.moving.fences import fence, is_fenced, lift_fence, lift_quiet, quiet
from lifecycle.services.moving.moves import Move
from lifecycle.services.moving.sides import MoveRefused, Side
from lifecycle.services.moving.steps import Limits, welcome
from storage import servers
from storage.servers import MAIN
from tenants import homes
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import QueuedMail, User
from tenants.roles import Role
from tenants.services.accounts import open_sessions
from tenants.services.accounts.invitations import invite_user
from tenants.services.accounts.issuers import configure_issuer
from tenants.services.accounts.mails import queue_mail
from tenants.services.accounts.people import PersonChangeRefused
from tenants.services.accounts.provisioning import NameTaken, describe_person, keep_person, provision_person
from tenants.services.finding import find_tenant_of, server_of_external
from tests.conftest import Browser, People
from tests.factories import PASSWORD, UserFactory, utc_now
from tests.mailing import Mailbox

NEW = "an altogether different staple"
ISSUER = "https://login.shared.example"
# What a server has of its own in these tests; the rest of its tables are those of the one database that there is.
APART = ("tenants_user", "tenants_opensession")
MoveHome = Callable[[TenantRef, str], None]
actor = system_actor("tests")


@pytest.fixture
def server_apart(admin: Side) -> Iterator[None]:
    """A server ``b`` whose people and sessions are other rows than main's: they are in a schema of its own."""
    admin.do("DROP SCHEMA IF EXISTS apart CASCADE")
    admin.do("CREATE SCHEMA apart")
    for table in APART:
        admin.do(f"CREATE TABLE apart.{table} (LIKE public.{table} INCLUDING ALL)")
    admin.do("GRANT USAGE ON SCHEMA apart TO c360_app, c360_platform")
    admin.do("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA apart TO c360_app, c360_platform")
    own = {}
    for alias, entry in settings.DATABASES.items():
        options = entry.get("OPTIONS", {})
        looked = f"{options.get('options', '')} -c search_path=apart,public".strip()
        own[alias] = {**servers.connections[alias].settings_dict, "OPTIONS": {**options, "options": looked}}
    servers._handler.cache_clear()
    middleware = list(settings.MIDDLEWARE)
    middleware.insert(middleware.index("config.page_middleware.PageSessions") + 1, "config.choosing.ChooseServer")
    with override_settings(
        DATABASE_SERVERS={"b": own}, DATABASE_ROUTERS=["storage.servers.StaysOnMain"], MIDDLEWARE=middleware
    ):
        homes.forget_homes()
        yield
        servers.close_others()
    servers._handler.cache_clear()
    servers._thread.__dict__.clear()
    homes.forget_homes()
    admin.do("DROP SCHEMA apart CASCADE")


def copy_to_b(admin: Side, user: User) -> None:
    admin.do("INSERT INTO apart.tenants_user SELECT * FROM public.tenants_user WHERE id = %s", [user.id])


def call_on_b(admin: Side, name: str, tenant: TenantRef) -> uuid.UUID:
    """Someone of that tenant has this user name, on b alone."""
    model = UserFactory(tenant=tenant)
    copy_to_b(admin, model)
    admin.do("UPDATE apart.tenants_user SET username = %s WHERE id = %s", [name, model.id])
    return model.id


# --- super admins -------------------------------------------------------------------------------------------------


@pytest.fixture
def staff(
    server_apart: None, admin: Side, users: People, tenant: TenantRef, move_home: MoveHome
) -> Callable[[], Browser]:
    """A browser in which a super admin works for the tenant, which lives on ``b``."""
    move_home(tenant, "b")
    copy_to_b(admin, users.super_admin)

    def log_in() -> Browser:
        client = Browser()
        log = {"username": users.super_admin.username, "password": PASSWORD}
        assert client.post("/login", log).status_code == 302
        chosen = client.post("/tenants", {"tenant": tenant.slug, "next": "/customers", "reason": "Ticket 7"})
        assert chosen["Location"] == "/customers"
        return client

    return log_in


def password_at(admin: Side, schema: str, user: User) -> str:
    found: str = admin.ask_one(f"SELECT password FROM {schema}.tenants_user WHERE id = %s", [user.id])
    return found


def test_a_super_admin_changes_their_password_on_main_wherever_they_look(
    staff: Callable[[], Browser], admin: Side, users: People, tenant: TenantRef
) -> None:
    here = staff()
    changed = here.post("/account/password", {"present": PASSWORD, "password": NEW, "again": NEW})
    assert (changed.status_code, changed["Location"]) == (302, "/account")
    assert check_password(NEW, password_at(admin, "public", users.super_admin))
    assert Browser().post("/login", {"username": users.super_admin.username, "password": PASSWORD}).status_code == 200
    # And the session that it was changed in goes on for the tenant, though b's copy of them is the old one.
    assert check_password(PASSWORD, password_at(admin, "apart", users.super_admin))
    assert here.get("/customers").status_code == 200
    assert here.session["tenant"]["slug"] == tenant.slug


def test_a_super_admin_ends_their_other_sessions_wherever_they_look(staff: Callable[[], Browser]) -> None:
    here, elsewhere = staff(), staff()
    page = here.get("/account").content.decode()
    assert page.count('/end"') >= 2
    assert here.post("/account/sessions/others/end")["Location"] == "/account"
    assert here.get("/customers").status_code == 200
    assert elsewhere.get("/customers")["Location"].startswith("/login")
    assert here.post("/account/log-out-everywhere")["Location"] == "/login"
    assert here.get("/customers")["Location"].startswith("/login")


def test_a_super_admin_who_logs_out_leaves_no_session_behind(
    staff: Callable[[], Browser], admin: Side, users: People
) -> None:
    here = staff()
    query = "SELECT count(*) FROM public.tenants_opensession WHERE user_id = %s"
    assert admin.ask_one(query, [users.super_admin.id]) == 1
    here.post("/logout")
    assert admin.ask_one(query, [users.super_admin.id]) == 0


def test_a_super_admin_at_work_elsewhere_is_seen_in_their_list_of_sessions(
    staff: Callable[[], Browser], admin: Side, users: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = staff()
    update = "UPDATE public.tenants_opensession SET seen_at = seen_at - interval '1 hour' WHERE user_id = %s"
    admin.do(update, [users.super_admin.id])
    monkeypatch.setattr(open_sessions, "_seen", {})
    assert here.get("/customers").status_code == 200
    query = "SELECT now() - seen_at < interval '5 minutes' FROM public.tenants_opensession WHERE user_id = %s"
    assert admin.ask_one(query, [users.super_admin.id]) is True


def test_a_super_admin_deactivated_on_main_may_not_work_elsewhere(
    staff: Callable[[], Browser], admin: Side, users: People
) -> None:
    here = staff()
    admin.do("UPDATE public.tenants_user SET is_active = false WHERE id = %s", [users.super_admin.id])
    assert here.get("/customers")["Location"].startswith("/login")


def test_a_super_admin_chooses_another_tenant_while_the_server_of_theirs_is_away(
    staff: Callable[[], Browser], other_tenant: TenantRef
) -> None:
    """The page on which they choose was away with it."""
    here = staff()
    for entry in settings.DATABASE_SERVERS["b"].values():
        entry["PORT"] = "1"
    servers.close_others()
    servers._handler.cache_clear()
    page = here.get("/tenants")
    assert (page.status_code, other_tenant.slug in page.content.decode()) == (200, True)
    chosen = here.post("/tenants", {"tenant": other_tenant.slug, "next": "/customers", "reason": "Ticket 7"})
    assert chosen["Location"] == "/customers"
    assert here.session["tenant"]["slug"] == other_tenant.slug


# --- user names ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("server_apart")
def test_a_user_name_of_another_server_is_taken(
    admin: Side, tenant: TenantRef, other_tenant: TenantRef, users: People, move_home: MoveHome
) -> None:
    name = f"{uuid.uuid4().hex}@elsewhere.example"
    call_on_b(admin, name, other_tenant)
    move_home(other_tenant, "b")
    about: dict[str, Any] = {"tenant": tenant, "actor": actor, "now": utc_now()}
    neutral = "This user name cannot be used: choose another."
    with tenant_context(tenant.id):
        with pytest.raises(PersonChangeRefused, match=neutral):
            invite_user(username=name, full_name="", role=Role.VIEWER, **about)
        person = describe_person(users.viewer)
        wanted = type(person)(name, "", "", Role.VIEWER, True)
        with pytest.raises(NameTaken, match=neutral):
            provision_person(wanted, **about)
        with pytest.raises(NameTaken, match=neutral):
            keep_person(users.viewer.id, lambda _: wanted, **about)
        assert User.objects.get(id=users.viewer.id).username == person.username
    with pytest.raises(ValidationError, match="already"):
        User.objects.create_superuser(name, NEW)
    assert admin.ask_one("SELECT count(*) FROM public.tenants_user WHERE username = %s", [name]) == 0


@pytest.mark.usefixtures("server_apart")
def test_a_user_name_that_a_tenant_left_behind_on_another_server_is_free(
    admin: Side, tenant: TenantRef, other_tenant: TenantRef
) -> None:
    # It lives on main: what is on b are its old rows.
    name = f"{uuid.uuid4().hex}@elsewhere.example"
    call_on_b(admin, name, other_tenant)
    with tenant_context(tenant.id):
        made = invite_user(username=name, full_name="", role=Role.VIEWER, tenant=tenant, actor=actor, now=utc_now())
    assert made.username == name


@pytest.mark.usefixtures("server_apart")
def test_who_lives_behind_a_server_that_is_away_is_found(
    admin: Side, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    """Those of ``b`` could not log in while ``a``, which is asked before, was away."""
    name = f"{uuid.uuid4().hex}@elsewhere.example"
    call_on_b(admin, name, other_tenant)
    move_home(other_tenant, "b")
    away = {alias: {**entry, "PORT": "1"} for alias, entry in settings.DATABASE_SERVERS["b"].items()}
    with override_settings(DATABASE_SERVERS={"a": away, **settings.DATABASE_SERVERS}):
        assert find_tenant_of("username", name) == other_tenant.id
        # Who is on none of the others may be there.
        with pytest.raises(OperationalError):
            find_tenant_of("username", f"no-{name}")


def test_with_one_server_no_other_is_asked_for_a_user_name(tenant: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homes, "connection_to", lambda *_: pytest.fail("a server was asked"))
    assert UserFactory(tenant=tenant).tenant_id == tenant.id


# --- identity providers -------------------------------------------------------------------------------------------


def share_issuer(tenant: TenantRef, *, audience: str, claim: str) -> None:
    with tenant_context(tenant.id):
        configure_issuer(
            issuer=ISSUER,
            audience=audience,
            jwks_url=f"{ISSUER}/keys",
            algorithms=["RS256"],
            role_map={"csm": "ROLE_ACCOUNT_MANAGER"},
            tenant=tenant,
            actor=actor,
            now=utc_now(),
            tenant_claim=claim,
        )


def server_for(**claims: Any) -> str:
    token = jwt.encode({"iss": ISSUER, "sub": str(uuid.uuid4()), **claims}, "x" * 32)
    return choose(RequestFactory().get("/api/v1/customers", HTTP_AUTHORIZATION=f"Bearer {token}"))


@pytest.mark.usefixtures("second_server")
def test_tenants_on_two_servers_share_an_identity_provider(
    tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    audience = uuid.uuid4().hex
    for one in (other_tenant, tenant):
        share_issuer(one, audience=audience, claim="org")
    move_home(tenant, "b")
    assert server_for(aud=audience, org=tenant.slug) == "b"
    assert server_for(aud=[audience, "more"], org=str(tenant.id)) == "b"
    assert server_for(aud=audience, org=other_tenant.slug) == MAIN
    # What the provider itself calls tenant_id is no tenant of ours.
    assert server_for(aud=audience, org=tenant.slug, tenant_id=str(uuid.uuid4())) == "b"
    assert server_for(aud=audience, org=other_tenant.slug, tenant_id=str(tenant.id)) == MAIN


@pytest.mark.usefixtures("second_server")
def test_the_audience_says_for_which_of_two_servers_a_token_is(
    tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    share_issuer(other_tenant, audience=f"of-{other_tenant.slug}", claim="org")
    share_issuer(tenant, audience=f"of-{tenant.slug}", claim="org")
    move_home(tenant, "b")
    assert server_for(aud=f"of-{tenant.slug}") == "b"
    assert server_for(aud=f"of-{other_tenant.slug}") == MAIN


@pytest.mark.usefixtures("second_server")
def test_a_token_is_taken_while_a_server_of_other_tenants_is_away(
    tenant: TenantRef, other_tenant: TenantRef, move_home: MoveHome
) -> None:
    """One server that was away refused the tokens of all identity providers, for whomever they were."""
    for one in (other_tenant, tenant):
        share_issuer(one, audience=f"of-{one.slug}", claim="org")
    move_home(tenant, "b")
    away = {alias: {**entry, "PORT": "1"} for alias, entry in settings.DATABASE_SERVERS["b"].items()}
    with override_settings(DATABASE_SERVERS={"a": away, **settings.DATABASE_SERVERS}):
        assert server_for(aud=f"of-{tenant.slug}") == "b"
        assert server_for(aud=f"of-{other_tenant.slug}", org=other_tenant.slug) == MAIN
        # What is for none of those that are there may be for one that is away.
        for claims in ({"aud": "of-another"}, {"aud": f"of-{tenant.slug}", "org": "another"}):
            with pytest.raises(OperationalError):
                server_of_external(ISSUER, claims)


# --- moving -------------------------------------------------------------------------------------------------------


def test_a_tenant_is_not_opened_before_its_new_server_has_what_the_old_one_took(admin: Side, tenant: TenantRef) -> None:
    fence(admin, tenant.id)
    # Nothing follows here, so nothing says that the target has caught up.
    move = Move(tenant, directory=admin, source=admin, target=admin, report=lambda _: None, step="switch")
    try:
        with pytest.raises(MoveRefused, match="subscription"):
            welcome(move, Limits(pause_seconds=0.1))
        assert is_fenced(admin, tenant.id)
    finally:
        lift_fence(admin, tenant.id)
        lift_quiet(admin, tenant.id)


def test_mail_that_waits_while_its_tenant_moves_is_sent_from_the_new_server(
    admin: Side, tenant: TenantRef, users: People, mailbox: Mailbox
) -> None:
    """Its senders come by before the tenant is shown to them: mail for a person that there is not they forget."""
    queue_mail(QueuedMail.CHANGED, users.viewer.id, now=utc_now())
    quiet(admin, tenant.id, entirely=True)
    try:
        copy_companions(admin, admin, tenant.id)
        mailbox.deliver()
        assert QueuedMail.objects.filter(user_id=users.viewer.id).count() == 1
    finally:
        lift_quiet(admin, tenant.id)
    mailbox.deliver()
    assert mailbox.messages == [], "the tenant is not welcomed there yet"
    release_mail(admin, tenant.id)
    mailbox.deliver()
    assert len(mailbox.to(users.viewer.email)) == 1
