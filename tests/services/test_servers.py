"""Several PostgreSQL servers: where work for a tenant goes, and what refuses it elsewhere."""

import socket
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import orjson
import psycopg
import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.test import RequestFactory, override_settings
from rest_framework.test import APIClient

from config.choosing import ChooseServer, choose
from config.servers import ServersInvalid, choose_server, read_servers
from lifecycle.messaging.batch_processing import Batch, BatchProcessor
from lifecycle.models import Customer, InboxEvent
from lifecycle.services.events.processing import CONSUMER
from lifecycle.services.moving import moves, replication, sides, steps
from lifecycle.services.moving.companions import list_people
from lifecycle.services.moving.fences import fence, is_fenced, lift_fence, lift_quiet, quiet
from lifecycle.services.moving.leaving import count_rows, delete_rows, let_depart, note_deleted
from lifecycle.services.moving.moves import Move
from lifecycle.services.moving.sides import MoveRefused, Side
from storage import servers
from storage.servers import MAIN, ServerSwitchRefused, connection_to, current_server, on_server, server_names
from tenants import homes
from tenants.actors import TenantRef
from tenants.checks import refuse_unbound_roles
from tenants.context import tenant_context
from tenants.homes import AwayFromHome, at_any_server, find_server
from tenants.models import Tenant
from tenants.services.accounts.api_keys import create_key
from tenants.services.accounts.tokens import issue_access
from tenants.services.directory import PLATFORM, list_tenants_everywhere
from tenants.services.finding import find_tenant_of
from tests.conftest import People
from tests.factories import CustomerFactory, TenantFactory, utc_now
from tests.messaging.speaking import Speaker

URL = "postgres://c360_app:p@127.0.0.1:1/c360"


# --- the settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("b", "must be JSON"),
        ('{"b": "postgres://"}', "must be JSON"),
        ('{"main": {}}', "no name for a server"),
        ('{"B-1": {}}', "no name for a server"),
        ('{"b": {"web": "postgres://x"}}', "there are app, platform"),
        ('{"b": {"app": "http://x"}}', "must be postgres://"),
    ],
)
def test_servers_that_make_no_sense_stop_the_start(text: str, why: str) -> None:
    with pytest.raises(ServersInvalid, match=why):
        read_servers(text)


def test_a_process_of_one_server_has_its_addresses_and_no_others() -> None:
    environment = {"DATABASE_URL": "postgres://main", "DATABASE_RELAY_URL": "postgres://main"}
    assert choose_server("b", {"b": {"app": URL}}, environment) == ("b", {})
    assert environment["DATABASE_URL"] == URL
    assert environment["DATABASE_RELAY_URL"] == ""
    with pytest.raises(ServersInvalid, match="no such server"):
        choose_server("c", {"b": {"app": URL}}, environment)


def test_without_servers_nothing_is_routed_and_nothing_is_asked(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.DATABASE_SERVERS == {}
    assert settings.DATABASE_ROUTERS == []
    assert "config.choosing.ChooseServer" not in settings.MIDDLEWARE
    assert server_names() == (MAIN,)
    monkeypatch.setattr(homes, "_read", lambda: pytest.fail("the directory was asked"))
    with tenant_context(tenant.id):
        assert current_server() == MAIN


# --- the thread's connections -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("second_server")
def test_a_thread_works_on_one_server_at_a_time(tenant: TenantRef) -> None:
    here = connections["default"]
    with on_server("b"):
        assert current_server() == "b"
        assert connections["default"] is not here
        assert connections["default"].alias == "default"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert connections["default"].in_atomic_block
            assert not here.in_atomic_block
    assert connections["default"] is here
    assert current_server() == MAIN


@pytest.mark.usefixtures("second_server")
def test_no_one_changes_servers_in_the_middle_of_a_transaction() -> None:
    with transaction.atomic(), pytest.raises(ServerSwitchRefused, match="transaction is open"), on_server("b"):
        pass
    with pytest.raises(ServerSwitchRefused, match="There is no server c"), on_server("c"):
        pass
    assert current_server() == MAIN


@pytest.mark.usefixtures("second_server")
def test_of_several_servers_one_that_says_nothing_is_not_waited_for_and_the_others_are() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        own = dict(connections["default"].settings_dict)
        there = {**own, "HOST": "127.0.0.1", "PORT": mute.getsockname()[1]}
        there["OPTIONS"] = {**own["OPTIONS"], "connect_timeout": 2}
        servers._handler.cache_clear()
        with override_settings(DATABASE_SERVERS={"b": dict.fromkeys(settings.DATABASES, there)}):
            for why in ("timeout expired", "did not answer a moment ago"):
                with on_server("b"), pytest.raises(OperationalError, match=why):
                    connections["default"].ensure_connection()
            connections["default"].close()
            connections["default"].ensure_connection()


@pytest.mark.usefixtures("second_server")
def test_sessions_stay_on_main() -> None:
    with on_server("b"):
        assert Session.objects.all().db == "main"
        assert connections["main"] is not connections["default"]
        assert Customer.objects.all().db == "default"
    assert Session.objects.all().db == "default"


# --- the directory ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("second_server")
def test_work_for_a_tenant_is_refused_where_it_does_not_live(
    tenant: TenantRef, move_home: Callable[[TenantRef, str], None]
) -> None:
    assert find_server(tenant.id) == MAIN
    move_home(tenant, "b")
    with pytest.raises(AwayFromHome, match="lives on server b"), tenant_context(tenant.id):
        pass
    assert not connection.in_atomic_block
    with on_server("b"), tenant_context(tenant.id):
        assert Tenant.objects.get().id == tenant.id
    with at_any_server(), tenant_context(tenant.id):
        assert Tenant.objects.get().id == tenant.id


@pytest.mark.usefixtures("second_server")
def test_each_tenant_is_listed_once_over_all_servers(
    tenant: TenantRef, other_tenant: TenantRef, move_home: Callable[[TenantRef, str], None]
) -> None:
    move_home(tenant, "b")
    listed = [one.slug for one in list_tenants_everywhere()]
    assert listed.count(tenant.slug) == 1
    assert listed.count(other_tenant.slug) == 1


# --- requests and events ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("second_server")
def test_a_role_that_nothing_binds_is_refused_on_a_server_that_is_looked_at_from_elsewhere() -> None:
    owner = settings.DATABASES["owner"]
    settings.DATABASE_SERVERS["b"][PLATFORM] |= {name: owner[name] for name in ("USER", "PASSWORD")}
    servers._handler.cache_clear()
    refuse_unbound_roles()
    try:
        with pytest.raises(OperationalError, match="does not bind: it owns tables"):
            connection_to("b", PLATFORM).ensure_connection()
    finally:
        connection_created.disconnect(dispatch_uid="tenants.checks.refuse_unbound_roles")


@pytest.mark.usefixtures("second_server")
def test_a_look_at_a_server_that_has_restarted_fails_once(admin: Side) -> None:
    """The connection of a process that looks there and never goes there, because its look fails, had stayed lost."""
    with connection_to("b", PLATFORM).cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (session,) = cursor.fetchone()
    admin.do("SELECT pg_terminate_backend(%s, 10000)", [session])
    with pytest.raises(OperationalError):
        list_tenants_everywhere()
    list_tenants_everywhere()


@pytest.mark.usefixtures("second_server")
def test_a_request_goes_to_the_server_of_its_tenant(
    tenant: TenantRef, users: People, move_home: Callable[[TenantRef, str], None]
) -> None:
    move_home(tenant, "b")
    make = RequestFactory()
    token = issue_access(users.viewer).token
    assert choose(make.get("/api/v1/customers", HTTP_AUTHORIZATION=f"Bearer {token}")) == "b"
    with on_server("b"), tenant_context(tenant.id):
        key = create_key(
            account=users.service,
            name="k",
            scopes=["view_lifecycle"],
            **_key_options(tenant),
        )
    assert choose(make.get("/api/v1/customers", HTTP_AUTHORIZATION=f"Bearer {key.secret}")) == "b"
    form = {"username": users.viewer.username.upper(), "password": "wrong"}
    assert choose(make.post("/login", form)) == "b"
    named = {"username": users.viewer.username, "password": "wrong"}
    assert choose(make.post("/api/v1/auth/token", named, content_type="application/json")) == "b"
    # No one who is known, and nothing at all.
    assert choose(make.post("/login", {"username": "no-one@nowhere.example"})) == MAIN
    assert choose(make.get("/api/v1/customers", HTTP_AUTHORIZATION="Bearer x.y.z")) == MAIN
    assert choose(make.get("/api/v1/customers")) == MAIN


def _key_options(tenant: TenantRef) -> dict[str, Any]:
    import datetime as dt

    from django.utils import timezone

    from tenants.actors import system_actor

    now = timezone.now()
    return {"tenant": tenant, "actor": system_actor("test"), "now": now, "expires_at": now + dt.timedelta(days=1)}


@pytest.mark.usefixtures("second_server")
def test_a_forged_token_opens_nothing_on_the_server_that_it_names(
    tenant: TenantRef, other_users: People, move_home: Callable[[TenantRef, str], None]
) -> None:
    move_home(tenant, "b")
    import jwt

    forged = jwt.encode({"sub": str(other_users.viewer.id), "tenant_id": str(tenant.id)}, "x" * 32)
    seen: list[str] = []

    def answer(request: Any) -> Any:
        from django.http import HttpResponse

        seen.append(current_server())
        return HttpResponse()

    request = RequestFactory().get("/api/v1/customers", HTTP_AUTHORIZATION=f"Bearer {forged}")
    ChooseServer(answer)(request)
    assert seen == ["b"]
    client = APIClient()
    with on_server("b"):
        response = client.get("/api/v1/customers", HTTP_AUTHORIZATION=f"Bearer {forged}", secure=True)
    assert response.status_code == 401


@pytest.mark.usefixtures("second_server")
def test_an_id_that_names_a_person_is_looked_for_on_every_server(tenant: TenantRef, users: People) -> None:
    assert find_tenant_of("user", users.viewer.id) == tenant.id
    assert find_tenant_of("user", uuid.uuid4()) is None
    assert find_tenant_of("username", users.viewer.username) == tenant.id


@pytest.mark.usefixtures("second_server")
def test_a_batch_of_events_is_taken_apart_by_server(
    tenant: TenantRef, other_tenant: TenantRef, move_home: Callable[[TenantRef, str], None]
) -> None:
    move_home(tenant, "b")
    here, there = Speaker(other_tenant), Speaker(tenant)
    batch = Batch([there.created("c1"), here.created("c1"), there.updated("c1", segment="x")])
    processor = BatchProcessor(actor=CONSUMER)
    processor.step(batch)
    # The first server's are done, and nothing is committed past what is not.
    assert len(batch.done) == 2
    assert len(batch.parts) == 1
    processor.step(batch)
    assert len(batch.done) == 3
    with on_server("b"), tenant_context(tenant.id):
        assert InboxEvent.objects.count() == 2
    with tenant_context(other_tenant.id):
        assert InboxEvent.objects.count() == 1


def test_offsets_stop_before_what_another_server_still_has_to_do(tenant: TenantRef) -> None:
    speaker = Speaker(tenant)
    first, second = speaker.created("c1"), speaker.updated("c1", segment="x")
    assert first.message.partition == second.message.partition
    batch = Batch([first, second])
    batch.spread([[second], [first]])
    batch.finish()
    place = (first.message.topic, first.message.partition)
    if (second.message.topic, second.message.partition) == place:
        assert batch.offsets()[place] == first.message.offset


def test_offsets_go_on_after_the_last_message_whichever_server_was_done_last(tenant: TenantRef) -> None:
    speaker = Speaker(tenant)
    first, second, third = (speaker.updated("c1", segment=segment) for segment in "xyz")
    place = (first.message.topic, first.message.partition)
    offsets = [one.message.offset for one in (first, second, third)]
    assert offsets == sorted(offsets)
    batch = Batch([first, second, third])
    batch.spread([[first, third], [second]])
    batch.finish()
    assert batch.offsets() == {place: second.message.offset}
    batch.finish()
    assert batch.offsets() == {place: third.message.offset + 1}


# --- the fence ----------------------------------------------------------------------------------------------------


def test_a_tenant_behind_the_fence_can_be_read_and_not_written(
    admin: Side,
    tenant: TenantRef,
    other_tenant: TenantRef,
    customer: Customer,
    api_client: Callable[..., APIClient],
) -> None:
    client = api_client("account_manager")
    path = f"/api/v1/customers/{customer.id}/lifecycle"
    quiet(admin, tenant.id)
    fence(admin, tenant.id)
    try:
        assert is_fenced(admin, tenant.id)
        refused = client.patch(path, {"stage": "Active"})
        assert (refused.status_code, refused["Retry-After"]) == (503, "1")
        assert "read-only for a few seconds" in refused.json()["detail"]
        assert client.get(path).json()["stage"] == "Prospect"
        # The work of this tenant alone is hidden from workers, and the others are written as ever.
        assert not Customer.objects.using(PLATFORM).filter(tenant_id=tenant.id).exists()
        CustomerFactory(tenant=other_tenant, stage="Trial")
        assert Customer.objects.using(PLATFORM).filter(tenant_id=other_tenant.id).exists()
    finally:
        lift_fence(admin, tenant.id)
        lift_quiet(admin, tenant.id)
    assert not is_fenced(admin, tenant.id)
    assert client.patch(path, {"stage": "Active"}).status_code == 200
    assert Customer.objects.using(PLATFORM).filter(tenant_id=tenant.id).exists()


def test_history_leaves_only_when_its_tenant_may(admin: Side, customer: Customer, tenant: TenantRef) -> None:
    delete = "DELETE FROM customer_lifecycle_history WHERE tenant_id = %s"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        admin.do(delete, [tenant.id])
    let_depart(admin, tenant, to="b", compared={"customer_lifecycle_history": {"rows": 1, "digest": 7}})
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        admin.do("UPDATE customer_lifecycle_history SET note = NULL WHERE tenant_id = %s", [tenant.id])
    other = TenantFactory()
    CustomerFactory(tenant=other)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
        admin.do(delete, [other.id])
    assert count_rows(admin, tenant.id)["customer_lifecycle_history"] == 1
    assert delete_rows(admin, tenant, deleted=lambda _: None) > 1
    assert count_rows(admin, tenant.id) == {}
    note_deleted(admin, tenant.id)
    assert list_people(admin, tenant.id) == []
    ((open_, compared),) = admin.connection.execute(
        "SELECT deleted_at IS NULL, compared FROM audit_departure WHERE tenant_id = %s", [tenant.id]
    ).fetchall()
    assert (open_, compared["customer_lifecycle_history"]["rows"]) == (False, 1)


@pytest.mark.parametrize("statement", ["INSERT INTO audit_departure DEFAULT VALUES", "DELETE FROM audit_departure"])
def test_no_role_of_the_product_says_who_may_depart(db: None, statement: str) -> None:
    for alias in ("default", "owner"):
        with pytest.raises(Exception, match="permission denied"), connections[alias].cursor() as cursor:
            cursor.execute(statement)


def test_a_copy_that_stopped_because_a_server_was_away_goes_on_with_the_next_command(
    admin: Side, tenant: TenantRef
) -> None:
    name = replication.name_of(tenant.id)
    enabled = "SELECT subenabled FROM pg_subscription WHERE subname = %s"
    nowhere = "host=127.0.0.1 port=1 dbname=nowhere"
    admin.do(f"CREATE SUBSCRIPTION {name} CONNECTION '{nowhere}' PUBLICATION {name} WITH (connect = false)")
    try:
        assert admin.ask_one(enabled, [name]) is False
        replication.resume(admin, tenant.id)
        assert admin.ask_one(enabled, [name]) is True
        replication.resume(admin, tenant.id)
    finally:
        replication.unsubscribe(admin, tenant.id)
    replication.resume(admin, tenant.id)
    assert admin.ask_one(enabled, [name]) is None


def test_a_copy_whose_slot_is_gone_is_said_to_have_no_end(admin: Side, tenant: TenantRef) -> None:
    """The target crashed after it had the slot dropped, and before it had kept that the table is copied."""
    name = replication.name_of(tenant.id)
    nowhere = "host=127.0.0.1 port=1 dbname=nowhere"
    admin.do(f"CREATE SUBSCRIPTION {name} CONNECTION '{nowhere}' PUBLICATION {name} WITH (connect = false)")
    try:
        assert replication.find_lost(admin, admin, tenant.id) == []
        admin.do("SET allow_system_table_mods = on")
        for table, state in (("lifecycle_note", "f"), ("lifecycle_task", "d"), ("lifecycle_customer", "r")):
            admin.do(
                "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)"
                " SELECT oid, %s::regclass, %s FROM pg_subscription WHERE subname = %s",
                [table, state, name],
            )
        assert replication.find_lost(admin, admin, tenant.id) == ["lifecycle_note"]
    finally:
        admin.do("RESET allow_system_table_mods")
        replication.unsubscribe(admin, tenant.id)


def test_what_is_copied_is_kept_before_its_slot_is_dropped(tenant: TenantRef) -> None:
    said: list[str] = []
    side = Mock(address="host=a", **{"ask.return_value": [], "do.side_effect": lambda text, *_: said.append(str(text))})
    replication.subscribe(side, side, tenant.id)
    assert "synchronous_commit = on" in said[-1]
    replication.follow(side, tenant.id)
    assert "synchronous_commit = off" in said[-1]


def test_a_move_that_ends_as_it_opens_the_tenant_again_goes_on_with_being_calm(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then workers may have begun something: behind another fence what became of it could not be written."""

    def refuse(*_: Any) -> None:
        raise MoveRefused("Another transaction holds a table.")

    def end(*_: Any) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    plan = tuple(replace(step, do=refuse) if step.name == "fence" else step for step in steps.PLAN)
    monkeypatch.setattr(steps, "PLAN", plan)
    monkeypatch.setattr(steps, "lift_fence", lambda *_: None)
    monkeypatch.setattr(steps, "lift_quiet", end)
    source, target, directory = (Mock(ask=lambda *_: []) for _ in range(3))
    move = Move(tenant, directory, source, target, lambda _: None, "calm")
    with pytest.raises(psycopg.OperationalError, match="closed the connection"):
        steps.run_move(move, steps.Limits())
    assert move.step == "copy"
    assert directory.do.call_args.args[1]["step"] == "copy"


def test_a_server_that_there_is_not_is_not_recorded_as_the_target_of_a_move(
    admin: Side, tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That move could be neither gone on with nor taken back, and another one would be refused for it."""

    def open_side(name: str) -> AbstractContextManager[Side]:
        return nullcontext(admin) if name == MAIN else sides.open_side(name)

    monkeypatch.setattr(moves, "open_side", open_side)
    try:
        with (
            pytest.raises(MoveRefused, match="There is no server nowhere"),
            moves.open_move(tenant.slug, to="nowhere", report=lambda _: None),
        ):
            pytest.fail("it was begun")
        assert admin.ask("SELECT FROM tenants_home WHERE tenant_id = %s", [tenant.id]) == []
    finally:
        admin.do("DELETE FROM tenants_home WHERE tenant_id = %s", [tenant.id])


def test_a_move_that_is_being_taken_back_is_not_gone_on_with(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of its copy may be deleted, wherever that ended."""

    def end(*_: Any) -> None:
        raise psycopg.OperationalError("the server closed the connection")

    monkeypatch.setattr(steps, "lift_fence", lambda *_: None)
    monkeypatch.setattr(steps, "lift_quiet", end)
    source, target, directory = (Mock(ask=lambda *_: []) for _ in range(3))
    move = Move(tenant, directory, source, target, lambda _: None, "drain", fenced_at=utc_now())
    with pytest.raises(psycopg.OperationalError, match="closed the connection"):
        steps.abort_move(move)
    noted = directory.do.call_args.args[1]
    assert (noted["step"], noted["fenced_at"], orjson.loads(noted["facts"])) == ("drain", None, {"taken_back": True})
    with pytest.raises(MoveRefused, match="nothing was changed now: finish that with --abort"):
        steps.run_move(replace(move, facts=orjson.loads(noted["facts"])), steps.Limits())


@pytest.mark.parametrize("delivering", [0, 1])
def test_a_tenant_whose_effects_are_being_delivered_is_not_left_behind_the_fence(
    tenant: TenantRef, monkeypatch: pytest.MonkeyPatch, delivering: int
) -> None:
    """Begun by a worker that had looked for work before it was hidden: the next run waits for it."""
    began = utc_now()
    fenced: list[str] = []
    monkeypatch.setattr(steps, "fence", lambda *_, **__: fenced.append("fenced"))
    monkeypatch.setattr(steps, "lift_fence", lambda *_: fenced.append("open"))
    monkeypatch.setattr(steps, "lift_quiet", lambda *_: None)
    monkeypatch.setattr(steps, "quiet", lambda *_, **__: None)
    monkeypatch.setattr(steps, "PLAN", [step for step in steps.PLAN if step.name in ("check", "copy", "calm", "fence")])
    source = Mock(ask_one=lambda query, *_: delivering if "lifecycle_effect" in query else began)
    target, directory = (Mock(ask=lambda *_: [], ask_one=lambda *_: began) for _ in range(2))
    move = Move(tenant, directory, source, target, lambda _: None, "calm")
    if delivering:
        with pytest.raises(MoveRefused, match="being delivered"):
            steps.run_move(move, steps.Limits())
    else:
        steps.run_move(move, steps.Limits())
    assert fenced == (["fenced", "open"] if delivering else ["fenced"])
    assert move.step == ("copy" if delivering else "")
