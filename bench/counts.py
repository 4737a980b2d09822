"""How many statements one customer costs, and a thousand."""

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bench.peers.models import INTO_RISK, OUT_OF_RISK
from bench.population import Populated
from bench.report import Figure
from bench.single import REASON
from lifecycle.rules.transitions import Change
from lifecycle.services.customers.recording import CustomerFacts, record_customers
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context

MANY = 1000


def measure(populated: Populated) -> list[Figure]:
    """Statements of a move and of a creation, for two and for a thousand customers."""
    tenant, actor, now = populated.tenant, system_actor("bench"), timezone.now()
    customers = populated.customers[OUT_OF_RISK]

    def move(first: int, count: int) -> None:
        changes = [Change(customer_id=id_, stage=INTO_RISK, reason_code=REASON) for id_ in customers[first:][:count]]
        apply(Call(tenant, actor, "API", now), changes)

    def create(first: int, count: int) -> None:
        facts = [
            CustomerFacts(
                external_id=f"NEW-{first + number}",
                source="/crm",
                occurred_at=now,
                company={"name": f"Company {number}"},
                billing={"arr": "100.00"},
            )
            for number in range(count)
        ]
        record_customers(facts, tenant=tenant, actor=actor, source="Import", now=now, create=True)

    def count(action: Callable[[int, int], None], first: int, number: int) -> int:
        with tenant_context(tenant.id), CaptureQueriesContext(connection) as queries:
            action(first, number)
        return len(queries)

    figures = []
    for name, action in (("moving", move), ("creating", create)):
        # The first time the policy of the configuration is read as well.
        count(action, 0, 2)
        few, many = count(action, 10, 2), count(action, 100, MANY)
        figures.append(
            Figure(
                "counts",
                f"statements for {name} {MANY:,} customers",
                str(many),
                f"for two {few}",
                measured=f"{many - few} more",
                wanted="0 more",
                met=many == few,
            )
        )
    return figures
