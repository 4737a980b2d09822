"""API keys: shown once, stored hashed, scoped, ended by time and by hand."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from audit.models import AdministrationEntry
from lifecycle.services.moving.fences import fence, lift_fence
from lifecycle.services.moving.sides import Side
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.models import ApiKey, User
from tenants.services.accounts.api_keys import ApiKeyRefused, create_key, revoke_key, rotate_key, verify_key
from tests.conftest import ApiClient
from tests.factories import utc_now

ADMIN = system_actor("tests")
YEAR = dt.timedelta(days=365)


def make_key(tenant: TenantRef, account: Any, **options: Any) -> Any:
    defaults = {
        "name": "billing sync",
        "scopes": ["view_lifecycle", "update_lifecycle"],
        "expires_at": utc_now() + dt.timedelta(days=30),
    }
    with tenant_context(tenant.id):
        return create_key(account=account, tenant=tenant, actor=ADMIN, now=utc_now(), **(defaults | options))


def test_a_new_key_opens_and_its_secret_is_nowhere_in_the_table(tenant: TenantRef, users: Any) -> None:
    new = make_key(tenant, users.service)
    verified = verify_key(new.secret, now=utc_now())
    assert (verified.id, verified.user_id) == (new.key.id, users.service.id)
    secret = new.secret.split("_", 3)[3]
    with tenant_context(tenant.id):
        row = ApiKey.objects.filter(id=new.key.id).values().get()
    assert secret[:43] not in repr(row)
    assert len(bytes(row["secret_hash"])) == 32


def test_a_mistyped_key_is_recognized_without_asking_the_database(tenant: TenantRef, users: Any) -> None:
    secret = make_key(tenant, users.service).secret
    with pytest.raises(ApiKeyRefused, match="mistyped"):
        verify_key(secret[:-1] + ("0" if secret[-1] != "0" else "1"), now=utc_now())


def test_a_revoked_key_is_dead_at_once(tenant: TenantRef, users: Any) -> None:
    new = make_key(tenant, users.service)
    with tenant_context(tenant.id):
        revoke_key(new.key.id, tenant=tenant, actor=ADMIN, now=utc_now(), reason="leaked")
        actions = list(AdministrationEntry.objects.order_by("id").values_list("action", "reason"))
    with pytest.raises(ApiKeyRefused, match="not valid"):
        verify_key(new.secret, now=utc_now())
    assert actions[-2:] == [("create_api_key", ""), ("revoke_api_key", "leaked")]


def test_a_key_ends_on_its_day(tenant: TenantRef, users: Any) -> None:
    new = make_key(tenant, users.service)
    verify_key(new.secret, now=new.key.expires_at - dt.timedelta(seconds=1))
    with pytest.raises(ApiKeyRefused, match="not valid"):
        verify_key(new.secret, now=new.key.expires_at)


def test_a_rotated_key_works_and_the_old_one_does_not(tenant: TenantRef, users: Any) -> None:
    old = make_key(tenant, users.service)
    with tenant_context(tenant.id):
        new = rotate_key(old.key.id, tenant=tenant, actor=ADMIN, now=utc_now())
    assert verify_key(new.secret, now=utc_now()).scopes == ["update_lifecycle", "view_lifecycle"]
    with pytest.raises(ApiKeyRefused):
        verify_key(old.secret, now=utc_now())


def test_a_revoked_key_is_not_rotated_and_a_deactivated_account_gets_none(tenant: TenantRef, users: Any) -> None:
    old = make_key(tenant, users.service)
    with tenant_context(tenant.id):
        revoke_key(old.key.id, tenant=tenant, actor=ADMIN, now=utc_now())
        with pytest.raises(ApiKeyRefused, match="was revoked"):
            rotate_key(old.key.id, tenant=tenant, actor=ADMIN, now=utc_now())
        assert ApiKey.objects.count() == 1
    live = make_key(tenant, users.service)
    with tenant_context(tenant.id):
        User.objects.filter(id=users.service.id).update(is_active=False)
        with pytest.raises(ApiKeyRefused, match="deactivated"):
            rotate_key(live.key.id, tenant=tenant, actor=ADMIN, now=utc_now())
        assert ApiKey.objects.get(id=live.key.id).revoked_at is None, "what is refused changes nothing"


@pytest.mark.parametrize(
    "options",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)},
        {"expires_at": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)},
    ],
)
def test_a_key_without_bounds_is_refused(tenant: TenantRef, users: Any, options: Any) -> None:
    with pytest.raises(ApiKeyRefused):
        make_key(tenant, users.service, **options)
    with tenant_context(tenant.id):
        assert not ApiKey.objects.exists()


def test_people_get_no_keys_and_neither_do_other_tenants_accounts(
    tenant: TenantRef, users: Any, other_users: Any
) -> None:
    for account in (users.tenant_admin, other_users.service):
        with pytest.raises(ApiKeyRefused):
            make_key(tenant, account)


def test_another_tenant_cannot_revoke_a_key(tenant: TenantRef, other_tenant: TenantRef, users: Any) -> None:
    new = make_key(tenant, users.service)
    with tenant_context(other_tenant.id), pytest.raises(ApiKeyRefused):
        revoke_key(new.key.id, tenant=other_tenant, actor=ADMIN, now=utc_now())
    verify_key(new.secret, now=utc_now())


def test_the_last_use_is_written_once_a_minute(tenant: TenantRef, users: Any) -> None:
    new = make_key(tenant, users.service)
    first = utc_now()
    verify_key(new.secret, now=first)
    verify_key(new.secret, now=first + dt.timedelta(seconds=30))
    with tenant_context(tenant.id):
        assert ApiKey.objects.get(id=new.key.id).last_used_at == first
    verify_key(new.secret, now=first + dt.timedelta(seconds=61))
    with tenant_context(tenant.id):
        assert ApiKey.objects.get(id=new.key.id).last_used_at == first + dt.timedelta(seconds=61)


def fence_in(tenant: TenantRef, side: Side) -> Callable[[], None]:
    fence(side, tenant.id)
    return lambda: lift_fence(side, tenant.id)


def make_read_only(tenant: TenantRef, side: Side) -> Callable[[], None]:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    return connection.close


@pytest.mark.parametrize("forbid_writes", [fence_in, make_read_only])
def test_while_nothing_can_be_written_a_program_with_a_key_reads(
    tenant: TenantRef, users: Any, admin: Side, forbid_writes: Callable[[TenantRef, Side], Callable[[], None]]
) -> None:
    secret = make_key(tenant, users.service).secret
    program = ApiClient(headers={"Authorization": f"Bearer {secret}"})
    allow_writes = forbid_writes(tenant, admin)
    try:
        assert program.get("/api/v1/customers").status_code == 200
    finally:
        allow_writes()
    with tenant_context(tenant.id):
        assert ApiKey.objects.get().last_used_at is None
    assert program.get("/api/v1/customers").status_code == 200
    with tenant_context(tenant.id):
        assert ApiKey.objects.get().last_used_at is not None
