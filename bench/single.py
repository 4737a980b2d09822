"""One transition, one transaction: ``apply`` with a budget, as PATCH and the page call it, beside two others.

django-fsm-2 with django-fsm-log, and the statements that ``apply`` runs, sent by psycopg alone, prepared, under the
same role and the same row-level security. All three write status, history and outbox on the same server. PATCH itself
is measured over HTTP (``bench.http``).
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from bench.measuring import take_turns
from bench.peers.models import INTO_RISK, OUT_OF_RISK, move_with_fsm
from bench.peers.rows import copy_to_peer
from bench.population import Populated
from bench.report import Figure, at_least
from bench.world import read_size
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions import statements
from lifecycle.services.transitions.apply import Call, apply
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.actors import USER, Actor, TenantRef
from tenants.context import tenant_context
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, Role
from tenants.services.accounts.people import create_user

REASON = "Low Engagement"
# Where LOCK has the version.
VERSION = 8
MORE_THAN_ANYBODY_NEEDS = 100_000_000


def measure(populated: Populated) -> list[Figure]:
    """Rates of the three, in turns."""
    tenant = populated.tenant
    user = create_user(
        username="single@bench.example", password=None, role=Role.ACCOUNT_MANAGER, tenant=tenant, now=timezone.now()
    )
    ours, bare, fsm = _share_out(populated.customers[OUT_OF_RISK])
    copy_to_peer(tenant.id, fsm)
    with bare_connection(tenant) as connection:
        rates = take_turns(
            {
                "apply": apply_operation(tenant, user, ours),
                "bare": _bare_operation(connection, tenant, user, bare),
                "fsm": _fsm_operation(user, fsm),
            },
            rounds=read_size("BENCH_ROUNDS", 9),
            seconds=read_size("BENCH_SLICE_MS", 1500) / 1000,
        )
    value = f"{rates.median('apply'):,.0f}/s"
    return [
        Figure(
            "single",
            "transitions through apply with a budget, one a transaction",
            value,
            f"django-fsm-2 + django-fsm-log {rates.median('fsm'):,.0f}/s",
            **at_least(rates.ratio("apply", "fsm"), 2.5, " x"),
        ),
        Figure(
            "single",
            "the same",
            value,
            f"its statements by psycopg alone {rates.median('bare'):,.0f}/s",
            **at_least(rates.ratio("apply", "bare"), 0.5, " x"),
        ),
    ]


def _share_out(customers: list[UUID]) -> tuple[list[UUID], list[UUID], list[UUID]]:
    third = len(customers) // 3
    return customers[:third], customers[third : 2 * third], customers[2 * third :]


def _in_turn(customers: list[UUID]) -> Iterator[tuple[UUID, str, str | None]]:
    """Each customer, the stage to move it to, and the reason: all of them into risk, then all of them out of it."""
    for stage, reason in itertools.cycle([(INTO_RISK, REASON), (OUT_OF_RISK, None)]):
        for customer_id in customers:
            yield customer_id, stage, reason


def apply_operation(tenant: TenantRef, user: User, customers: list[UUID]) -> Callable[[], None]:
    """What moves the next of the customers into risk, or out of it, as this user by the API."""
    actor = Actor(
        kind=USER,
        name=str(user.pk),
        permissions=ROLE_PERMISSIONS[Role.ACCOUNT_MANAGER],
        updates_per_hour=MORE_THAN_ANYBODY_NEEDS,
    )
    turns = _in_turn(customers)

    def move() -> None:
        customer_id, stage, reason = next(turns)
        with tenant_context(tenant.id):
            (outcome,) = apply(
                Call(tenant, actor, "API", timezone.now()),
                [Change(customer_id=customer_id, stage=stage, reason_code=reason)],
                budget=UpdateBudget(actor),
            )
        assert outcome.moved, outcome

    return move


def bare_connection(tenant: TenantRef) -> psycopg.Connection[Any]:
    """Psycopg alone, under the application's role and the row-level security of one tenant."""
    connection: psycopg.Connection[Any] = psycopg.connect(
        settings.DATABASE_URL, autocommit=True, prepare_threshold=0, cursor_factory=psycopg.Cursor
    )
    # For the session, once: the least that row-level security can cost.
    connection.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant.id)])
    return connection


def _bare_operation(
    connection: psycopg.Connection[Any], tenant: TenantRef, user: User, customers: list[UUID]
) -> Callable[[], None]:
    turns = _in_turn(customers)
    cursor = connection.cursor()
    fixed = {
        "tenant_id": tenant.id,
        "configuration_version": 1,
        "changed_by": str(user.pk),
        "actor_kind": USER,
        "source": "API",
        "headers": None,
        **dict.fromkeys(("effective_at", "on_behalf_of", "request_ids", "event_ids", "notes", "depths"), "{}"),
    }

    def move() -> None:
        customer_id, stage, reason = next(turns)
        now = timezone.now()
        with connection.transaction():
            cursor.execute(statements.LOCK, {"tenant_id": tenant.id, "customer_ids": [customer_id]})
            locked = cursor.fetchone()
            assert locked is not None
            parameters = {
                **fixed,
                "customer_ids": [customer_id],
                "versions": [locked[VERSION]],
                "history_ids": [uuid7()],
                "to_stages": [stage],
                "reason_codes": [reason or ""],
                "now": now,
                "request_id": uuid7(),
            }
            cursor.execute(statements.move(), parameters)
            assert cursor.fetchone() == (1,)

    return move


def _fsm_operation(user: User, customers: list[UUID]) -> Callable[[], None]:
    turns = _in_turn(customers)

    def move() -> None:
        customer_id, _, _ = next(turns)
        move_with_fsm(customer_id, user=user, reason=REASON)

    return move
