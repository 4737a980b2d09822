"""Memberships as they are now, with Redis, against it, and without it."""

import time

import pytest
from django.db import IntegrityError, connections, transaction
from redis.exceptions import ConnectionError as RedisGone

import storage.copies
from storage import redis
from storage.copies import Copy
from storage.redis import get_client
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.services.accounts import membership as memberships
from tenants.services.accounts.membership import announce_change, read_membership
from tenants.services.accounts.people import (
    PersonChangeRefused,
    deactivate_user,
    reactivate_user,
    set_password,
    set_role,
    suspend_tenant,
)
from tests.factories import ADMIN_ACTOR, UserFactory, utc_now


@pytest.fixture(autouse=True)
def trust(db, monkeypatch):
    """An epoch is in force."""
    monkeypatch.setattr(redis, "RETRY_SECONDS", 0.05)
    storage.copies.keep([Copy("c360:tests:begin", 1, 1)])


@pytest.fixture
def cut_line(monkeypatch):
    """``cut_line()``: no one reaches Redis any more, until ``cut_line(False)``."""
    connection_class = get_client().connection_pool.connection_class
    send, cut = connection_class.send_packed_command, [False]

    def send_unless_cut(*args, **options):
        if cut[0]:
            raise RedisGone("connection refused")
        return send(*args, **options)

    monkeypatch.setattr(connection_class, "send_packed_command", send_unless_cut)

    def set_cut(value=True):
        cut[0] = value

    return set_cut


def raw(user):
    return get_client().get(memberships._key(user.id))


def is_tombstone(user):
    return raw(user).endswith(b"|1|")


def test_a_member_is_known_by_role_tenant_grants_and_names(tenant, users):
    member = read_membership(users.account_manager.id)
    assert member.role == Role.ACCOUNT_MANAGER
    assert member.tenant == tenant
    assert member.permissions == {"view_lifecycle", "update_lifecycle", "view_history", "reveal_contacts"}
    assert member.public_names == {str(users.account_manager.id), users.account_manager.username}
    assert (member.is_active, member.is_suspended, member.is_service_account) == (True, False, False)
    assert member.updates_per_hour == 1000


def test_the_second_look_costs_no_statement(users, django_assert_num_queries):
    first = read_membership(users.viewer.id)
    with django_assert_num_queries(0), django_assert_num_queries(0, using="platform"):
        assert read_membership(users.viewer.id) == first


def test_a_service_account_has_its_own_budget(tenant):
    service = UserFactory(tenant=tenant, is_service_account=True, updates_per_hour=20_000)
    person = UserFactory(tenant=tenant, updates_per_hour=20_000)
    assert read_membership(service.id).updates_per_hour == 20_000
    assert read_membership(person.id).updates_per_hour == 1000


def test_grants_are_what_guardian_says_and_not_what_the_role_is_called(tenant, users):
    from django.contrib.auth.models import Group

    with tenant_context(tenant.id):
        users.account_manager.groups.set([Group.objects.get(name=f"tenant:{tenant.id}:viewer")])
    assert read_membership(users.account_manager.id).permissions == ROLE_PERMISSIONS[Role.VIEWER]


def test_no_one_has_grants_on_another_tenant(tenant, other_tenant, users):
    from guardian.shortcuts import get_perms

    from tenants.models import Tenant

    with tenant_context(other_tenant.id):
        assert get_perms(users.tenant_admin, Tenant.objects.get(id=other_tenant.id)) == []


def test_an_unknown_user_has_no_membership(db):
    from uuid import uuid4

    assert read_membership(uuid4()) is None


def test_a_demotion_acts_on_the_next_look(tenant, users):
    assert read_membership(users.account_manager.id).role == Role.ACCOUNT_MANAGER
    set_role(users.account_manager.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    member = read_membership(users.account_manager.id)
    assert member.role == Role.VIEWER
    assert member.permissions == {"view_lifecycle"}


def test_every_change_of_a_person_is_seen_at_once(tenant, users):
    def now(user=users.viewer):
        return read_membership(user.id)

    stamp = now().stamp
    set_password(users.viewer.id, "another", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert now().stamp != stamp
    deactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert not now().is_active
    reactivate_user(users.viewer.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert now().is_active
    suspend_tenant(tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert now().is_suspended
    assert now(users.tenant_admin).is_suspended


def test_a_reader_who_began_before_the_change_does_not_bring_the_old_back(tenant, users, monkeypatch):
    """The reader has read PostgreSQL; the demotion commits; only then does the reader fill the cache."""
    user = users.account_manager
    load = memberships._load

    def slow_load(user_id):
        old = load(user_id)
        monkeypatch.setattr(memberships, "_load", load)
        set_role(user.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        return old

    monkeypatch.setattr(memberships, "_load", slow_load)
    assert read_membership(user.id).role == Role.ACCOUNT_MANAGER
    assert is_tombstone(user)
    assert read_membership(user.id).role == Role.VIEWER
    # The tombstone stays: it is never deleted, and no one fills its place.
    assert is_tombstone(user)


def test_a_reader_does_not_bring_the_old_back_after_two_changes_in_a_row(tenant, users, monkeypatch):
    """When the second change commits, the tombstone of the first has little time left: less than the reader takes."""
    user, load = users.account_manager, memberships._load
    announce_change([user.id])

    def slow_load(user_id):
        old = load(user_id)
        monkeypatch.setattr(memberships, "_load", load)
        get_client().pexpire(memberships._key(user.id), 500)
        set_role(user.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        time.sleep(0.6)
        return old

    monkeypatch.setattr(memberships, "_load", slow_load)
    assert read_membership(user.id).role == Role.ACCOUNT_MANAGER
    assert read_membership(user.id).role == Role.VIEWER


def test_a_reader_who_was_very_slow_does_not_fill_at_all(users, monkeypatch):
    monkeypatch.setattr(storage.copies, "OFFER_WITHIN_SECONDS", 0.0)
    assert read_membership(users.viewer.id) is not None
    assert raw(users.viewer) is None


def test_the_old_value_is_gone_before_the_commit_and_again_after_it(tenant, users, monkeypatch, in_threads):
    monkeypatch.setattr(memberships, "LIFETIME_SECONDS", 10)
    read_membership(users.viewer.id)
    client = get_client()
    with tenant_context(tenant.id), transaction.atomic():
        announce_change([users.viewer.id])
        assert is_tombstone(users.viewer)
        # The transaction takes longer than the tombstone lives, and a reader fills what was true.
        client.delete(memberships._key(users.viewer.id))
        in_threads(1, lambda _: read_membership(users.viewer.id))
        assert not is_tombstone(users.viewer)
    assert is_tombstone(users.viewer)
    assert 1 <= client.ttl(memberships._key(users.viewer.id)) <= 10


def test_records_and_tombstones_end_by_themselves(users, monkeypatch):
    monkeypatch.setattr(memberships, "LIFETIME_SECONDS", 10)
    read_membership(users.viewer.id)
    assert 1 <= get_client().ttl(memberships._key(users.viewer.id)) <= 10


@pytest.mark.parametrize(
    "garbage", [b"", b"[]", b"{}", b"null", b"[1,2,3]", b"[1" + b",1" * 10 + b"]", b"\xff", b'["x"' + b",1" * 10 + b"]"]
)
def test_a_record_that_cannot_be_read_is_no_error(users, garbage):
    get_client().set(memberships._key(users.viewer.id), garbage, ex=30)
    assert read_membership(users.viewer.id).role == Role.VIEWER


def test_without_redis_postgresql_is_asked_each_time(tenant, users, cut_line):
    read_membership(users.account_manager.id)
    cut_line()
    assert read_membership(users.account_manager.id).role == Role.ACCOUNT_MANAGER
    set_role(users.account_manager.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert read_membership(users.account_manager.id).role == Role.VIEWER


def test_a_record_from_before_an_outage_is_not_believed_after_it(tenant, users, cut_line):
    user = users.account_manager
    read_membership(user.id)
    before = raw(user)
    cut_line()
    set_role(user.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    cut_line(False)
    # Redis is back and still holds the manager's record; this process knows that it was away.
    assert raw(user) == before
    assert read_membership(user.id).role == Role.VIEWER
    # Processes that did not notice learn it as soon as this one asks again.
    redis._away_until = 0.0
    assert read_membership(user.id).role == Role.VIEWER
    key = memberships._key(user.id)
    assert memberships._decode(storage.copies.read([key]).found[key].body).role == Role.VIEWER


def test_the_last_admin_of_a_tenant_stays(tenant, users):
    for change in (
        lambda: set_role(users.tenant_admin.id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now()),
        lambda: deactivate_user(users.tenant_admin.id, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now()),
    ):
        with pytest.raises(PersonChangeRefused, match="last admin"):
            change()
    with tenant_context(tenant.id):
        user = User.objects.get(id=users.tenant_admin.id)
        assert (user.role, user.is_active) == (Role.TENANT_ADMIN, True)


def test_two_admins_who_demote_each_other_leave_one(tenant, users, in_threads):
    pair = [users.tenant_admin, UserFactory(tenant=tenant, role=Role.TENANT_ADMIN)]
    results = in_threads(
        2, lambda n: set_role(pair[n].id, Role.VIEWER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    )
    assert sum(isinstance(result, PersonChangeRefused) for result in results) == 1
    with tenant_context(tenant.id):
        assert User.objects.filter(tenant_id=tenant.id, role=Role.TENANT_ADMIN).count() == 1


def test_a_person_of_another_tenant_cannot_be_changed(tenant, users, other_users):
    with pytest.raises(PersonChangeRefused, match="no such user"):
        set_role(other_users.viewer.id, Role.TENANT_ADMIN, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with pytest.raises(PersonChangeRefused, match="no such user"):
        set_password(users.super_admin.id, "mine now", tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())


def test_no_one_of_a_tenant_becomes_a_super_admin(tenant, users):
    with pytest.raises(PersonChangeRefused, match="internal staff"):
        set_role(users.viewer.id, Role.SUPER_ADMIN, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())


def test_changes_of_people_are_on_record(tenant, users):
    from audit.models import AdministrationEntry

    set_role(users.viewer.id, Role.ACCOUNT_MANAGER, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    with tenant_context(tenant.id):
        entry = AdministrationEntry.objects.get(subject=str(users.viewer.id))
    assert (entry.action, entry.actor) == ("set_role", "system:tests")
    assert entry.detail == {"from": "viewer", "to": "account_manager"}


def test_a_changed_role_is_rolled_back_with_its_group(tenant, users):
    with pytest.raises(ZeroDivisionError), tenant_context(tenant.id):
        set_role(users.viewer.id, Role.TENANT_ADMIN, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        raise ZeroDivisionError
    member = read_membership(users.viewer.id)
    assert (member.role, member.permissions) == (Role.VIEWER, {"view_lifecycle"})
    assert not connections["default"].in_atomic_block


def test_grants_that_outlived_a_role_grant_nothing(tenant, users):
    """Anyone who changes a role past the services, in SQL say, takes rights away and cannot give any."""
    with tenant_context(tenant.id):
        User.objects.filter(id=users.tenant_admin.id).update(role=Role.VIEWER)
        User.objects.filter(id=users.viewer.id).update(role=Role.TENANT_ADMIN)
    assert read_membership(users.tenant_admin.id).permissions == {"view_lifecycle"}
    assert read_membership(users.viewer.id).permissions == {"view_lifecycle"}


def test_no_one_of_a_tenant_can_be_made_a_superuser_even_through_sql(tenant, users):
    with tenant_context(tenant.id), pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(id=users.viewer.id).update(is_superuser=True)
