"""Many clients of several tenants behind a transaction-mode pooler with two server connections: no one sees a row of
another tenant. The control shows that the pooler would tell: a variable of the session reaches the next borrower.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings

from audit.models import LifecycleHistory
from lifecycle.models import Customer
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tests.factories import TenantFactory, utc_now
from tests.services.pooler import Pooler
from tests.services.test_orm_shapes import make_customers

CLIENTS, REQUESTS = 8, 3200


@pytest.fixture
def tenants(db: None) -> dict[TenantRef, list[Customer]]:
    """Four tenants, with one, two, three and four customers."""
    return {tenant: make_customers(tenant, number) for number, tenant in enumerate(TenantFactory.create_batch(4), 1)}


@pytest.fixture
def pooler(db: None) -> Iterator[Pooler]:
    """A pooler with two server connections, to which every new thread's connection goes."""
    direct = connections.settings["default"]
    parts = urlsplit(settings.DATABASE_URL)
    conninfo = (
        f"host={parts.hostname} port={parts.port} user={parts.username} password={parts.password}"
        f" dbname={connection.settings_dict['NAME']} sslmode=disable gssencmode=disable"
        " client_encoding=UTF8 options='-c TimeZone=UTC'"
    )
    with Pooler(conninfo, size=2) as running:
        connections.settings["default"] = {
            **direct,
            "NAME": connection.settings_dict["NAME"],
            "HOST": "127.0.0.1",
            "PORT": running.port,
            "DISABLE_SERVER_SIDE_CURSORS": True,
            "CONN_HEALTH_CHECKS": False,
        }
        with override_settings(DATABASE_POOLER=True):
            yield running
    connections.settings["default"] = direct


def run_clients(request: Callable[[random.Random], str], requests: int) -> Counter[str]:
    """Run requests from CLIENTS threads, each with its own connection to the pooler; how often each answer came."""
    answers: Counter[str] = Counter()
    failures: list[BaseException] = []

    def client(number: int) -> None:
        dice = random.Random(number)
        try:
            for _ in range(requests // CLIENTS):
                answers[request(dice)] += 1
        except BaseException as failure:  # reported by the main thread
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return answers


def judge(tenant: TenantRef, expected: int) -> str:
    """What a request sees that asks for all customers."""
    seen = list(Customer.objects.values_list("tenant_id", flat=True))
    if any(tenant_id != tenant.id for tenant_id in seen):
        return "another tenant's rows"
    return "its own rows" if len(seen) == expected else "too few rows"


def test_3200_interleaved_requests_see_their_own_rows_only(
    tenants: dict[TenantRef, list[Customer]], pooler: Pooler
) -> None:
    def request(dice: random.Random) -> str:
        tenant = dice.choice(list(tenants))
        with tenant_context(tenant.id):
            return judge(tenant, len(tenants[tenant]))

    assert run_clients(request, REQUESTS) == {"its own rows": REQUESTS}
    # Otherwise each client had a connection of its own and nothing was shown.
    assert pooler.handed_over > REQUESTS / 20


def test_transitions_through_the_pooler_land_in_their_own_tenant(
    tenants: dict[TenantRef, list[Customer]], pooler: Pooler
) -> None:
    actor = system_actor("tests")
    stages = ["Prospect", "Onboarded", "Active"]

    def request(dice: random.Random) -> str:
        tenant = dice.choice(list(tenants))
        change = Change(customer_id=dice.choice(tenants[tenant]).id, stage=dice.choice(stages))
        with tenant_context(tenant.id):
            (outcome,) = apply(Call(tenant, actor, "API", utc_now()), [change])
            return "moved" if outcome.moved else type(outcome.decision).__name__

    answers = run_clients(request, 400)
    assert set(answers) == {"moved", "Unchanged"}
    rows = 0
    for tenant, customers in tenants.items():
        with tenant_context(tenant.id):
            rows += LifecycleHistory.objects.filter(customer_id__in=[customer.id for customer in customers]).count()
    assert rows == answers["moved"] + 10


def test_a_session_variable_would_leak_through_the_same_pooler(
    tenants: dict[TenantRef, list[Customer]], pooler: Pooler
) -> None:
    def request(dice: random.Random) -> str:
        tenant = dice.choice(list(tenants))
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.tenant_id', %s, false)", [str(tenant.id)])
        return judge(tenant, len(tenants[tenant]))

    answers = run_clients(request, 800)
    assert answers["another tenant's rows"] > 0
