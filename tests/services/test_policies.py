"""A configuration is compiled once a version and process, costs nothing afterwards, and a new one is seen at once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from uuid_utils.compat import uuid7

from lifecycle.models import CustomerLifecycleStatus
from lifecycle.rules.transitions import Change
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion, Stage, Tenant
from tenants.services.configuration import policies
from tests.factories import ADMIN_ACTOR, MINIMAL, CustomerFactory, TenantFactory, utc_now

STAGES = [f"Stage {number}" for number in range(1, 21)]
# Twenty stages, each leading to the next three and back to the first.
LARGE: dict[str, Any] = {
    "stages": STAGES,
    "transitions": {
        name: [*STAGES[place + 1 : place + 4], *STAGES[:1]] for place, name in enumerate(STAGES) if place > 0
    }
    | {STAGES[0]: STAGES[1:4]},
    "categories": {STAGES[0]: "acquisition", STAGES[-2]: "risk", STAGES[-1]: "lost"},
    "reason_codes": {name: ["One", "Two", "Three"] for name in STAGES},
    "max_days": dict.fromkeys(STAGES, 30),
    "effects": [{"name": "Tell", "on": "enter", "categories": ["risk"], "kind": "alert", "to": ["owner"]}],
}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that were compiled since this process was new."""
    versions: list[int] = []
    compile_policy = policies.compile_policy

    def count(*args: Any, version: int) -> Any:
        versions.append(version)
        return compile_policy(*args, version=version)

    policies._policies.clear()
    monkeypatch.setattr(policies, "compile_policy", count)
    return versions


def move(tenant: TenantRef, customer: Any, stage: str) -> int:
    """Move a customer; how many statements it took."""
    with tenant_context(tenant.id), CaptureQueriesContext(connection) as queries:
        (outcome,) = apply(Call(tenant, ADMIN_ACTOR, "API", utc_now()), [Change(customer_id=customer.id, stage=stage)])
    assert outcome.moved
    return len(queries)


def tenants_without_people(count: int) -> list[TenantRef]:
    """The rows of the first one's publication serve all: to publish so often would take most of the time."""
    first = TenantFactory(configuration=LARGE)
    with tenant_context(first.id):
        row, version, stages = Tenant.objects.get(), ConfigurationVersion.objects.get(), list(Stage.objects.all())
    tenants = [first]
    for _ in range(count - 1):
        row.id, row.slug = uuid7(), f"p-{uuid7().hex[-16:]}"
        version.id = uuid7()
        for each in (version, *stages):
            each.tenant_id = row.id
        for stage in stages:
            stage.id = uuid7()
        with tenant_context(row.id):
            row.save(force_insert=True)
            version.save(force_insert=True)
            Stage.objects.bulk_create(stages)
        tenants.append(TenantRef(row.id, row.slug))
    return tenants


def test_two_hundred_tenants_are_compiled_once_each_and_cost_no_statement_afterwards(
    db: None, compiled: list[int]
) -> None:
    tenants = tenants_without_people(200)
    customers = [CustomerFactory(tenant=tenant, stage=STAGES[0]) for tenant in tenants]
    policies._policies.clear()
    compiled.clear()
    first = [move(tenant, customer, STAGES[1]) for tenant, customer in zip(tenants, customers, strict=True)]
    assert set(first) == {3}, "lock, the configuration of a version that is new to this process, write"
    assert len(compiled) == 200
    later = [move(tenant, customer, STAGES[2]) for tenant, customer in zip(tenants, customers, strict=True)]
    assert set(later) == {2}, "lock, write"
    assert len(compiled) == 200


def test_many_threads_that_need_a_new_version_compile_it_once(
    tenant: TenantRef, compiled: list[int], in_threads: Any
) -> None:
    def look(_: int) -> Any:
        with tenant_context(tenant.id):
            return policies.live_policy(tenant.id)

    found = in_threads(16, look)
    assert len({id(policy) for policy in found}) == 1
    assert compiled == [1]


def test_a_publication_is_judged_by_at_once_and_compiled_once(tenant: TenantRef, compiled: list[int]) -> None:
    customer = CustomerFactory(tenant=tenant)
    policies._policies.clear()
    compiled.clear()
    assert move(tenant, customer, "Active") == 3
    with tenant_context(tenant.id):
        publish_configuration(MINIMAL, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
    assert compiled == [1, 2], "where it is published, the customers of removed stages are moved at once"
    assert move(tenant, customer, "Onboarded") == 2
    policies._policies.clear()
    assert move(tenant, customer, "Active") == 3, "lock, the new configuration, write"
    assert move(tenant, customer, "Onboarded") == 2
    assert compiled == [1, 2, 2]


# Another process: judges a move by version 1, waits for a line, and judges the next one.
OTHER = """
import os, sys
import django
django.setup()
from uuid import UUID
from django.utils import timezone
from lifecycle.rules.transitions import Change
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
tenant, customer = TenantRef(UUID(sys.argv[1]), "other"), UUID(sys.argv[2])
for stage in ("Active", "Onboarded"):
    with tenant_context(tenant.id):
        call = Call(tenant, system_actor("other"), "API", timezone.now())
        (outcome,) = apply(call, [Change(customer_id=customer, stage=stage)])
    print("moved" if outcome.moved else outcome.refused.code, flush=True)
    sys.stdin.readline()
"""


def test_another_process_judges_by_a_publication_as_soon_as_it_is_made(tenant: TenantRef) -> None:
    customer = CustomerFactory(tenant=tenant)
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tenant.id), str(customer.id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=same_database(),
        cwd=Path(settings.BASE_DIR),
        text=True,
    )
    try:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "moved\n"
        closed = {**MINIMAL, "transitions": {"Prospect": ["Active"], "Active": ["Churned"]}}
        with tenant_context(tenant.id):
            publish_configuration(closed, tenant=tenant, actor=ADMIN_ACTOR, now=utc_now())
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "transition_not_allowed\n"
    finally:
        other.kill()
        other.communicate()
    with tenant_context(tenant.id):
        assert CustomerLifecycleStatus.objects.get(customer_id=customer.id).stage == "Active"


def same_database() -> dict[str, str]:
    """This process' environment, with the database of the tests."""
    name = connection.settings_dict["NAME"]
    urls = {
        key: urlsplit(value)._replace(path=f"/{name}").geturl()
        for key, value in os.environ.items()
        if key.startswith("DATABASE_") and value.startswith("postgres")
    }
    return {**os.environ, **urls, "DJANGO_SETTINGS_MODULE": "config.settings"}


def test_a_number_that_is_given_again_after_a_restore_is_compiled_again(
    tenant: TenantRef, compiled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tenant_context(tenant.id):
        lost = policies.policy_of_version(tenant.id, 1)
        assert policies.policy_of_version(tenant.id, 1) is lost
        monkeypatch.setattr(policies, "database_identity", lambda: "restored")
        assert policies.known_policy(tenant.id, 1) is None
        assert policies.policy_of_version(tenant.id, 1) is not lost
    assert compiled == [1, 1]
