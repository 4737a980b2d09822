"""How long an event takes to be seen, and a change to be sent: from the topic to the API, from the commit to Kafka."""

import json
import threading
import time
from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone

from bench.measuring import percentile
from bench.peers.models import INTO_RISK, OUT_OF_RISK
from bench.population import Populated
from bench.processes import await_that, fetch, running, serving
from bench.report import Figure, below
from bench.single import REASON
from bench.world import CannotMeasure, read_size
from lifecycle.messaging.clients import ensure_topics, topic_name
from lifecycle.messaging.sending import EventSender
from lifecycle.messaging.tailing import tail_topic
from lifecycle.models import Customer, SupportFigures
from lifecycle.rules.transitions import Change
from lifecycle.services.events.samples import Subject, envelope, sample_data
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import TenantRef, system_actor
from tenants.context import tenant_context
from tenants.roles import Role
from tenants.services.accounts.people import create_user
from tenants.services.accounts.tokens import issue_access

TOPIC = "audit.lifecycle.updated"
RATE = 500
MOST_MILLISECONDS = 250.0
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.002


def measure(populated: Populated) -> list[Figure]:
    """Milliseconds from produce to the API, and from commit to Kafka at RATE changes a second."""
    seen = _time_until_seen(populated, read_size("BENCH_SEEN", 200))
    reported = _time_until_published(populated, read_size("BENCH_SECONDS", 20))
    return [
        Figure(
            "latency",
            "from produce to the summary in the API",
            f"p50 {percentile(seen, 0.5):.0f} ms",
            f"p99 {percentile(seen, 0.99):.0f} ms",
        ),
        Figure(
            "latency",
            f"from commit to Kafka at {len(reported) / read_size('BENCH_SECONDS', 20):,.0f} changes a second",
            f"p50 {percentile(reported, 0.5):.0f} ms",
            f"slowest {max(reported):.0f} ms",
            **below(percentile(reported, 0.99), MOST_MILLISECONDS, " ms"),
        ),
    ]


def _time_until_seen(populated: Populated, count: int) -> list[float]:
    """An event at a time: produced, then looked for in the API until it shows."""
    tenant = populated.tenant
    customers = populated.customers[OUT_OF_RISK][:count]
    with tenant_context(tenant.id):
        names = dict(Customer.objects.filter(id__in=customers).values_list("id", "external_id"))
    user = create_user(
        username="latency@bench.example", password=None, role=Role.VIEWER, tenant=tenant, now=timezone.now()
    )
    times = []
    sender = EventSender()
    with running("consume_events", "--group", "bench") as consumer, serving() as port:
        token = issue_access(user).token
        # The first is only waited for: the consumer has to join its group.
        _send_closed(sender, tenant, names[customers[0]], csat=1.25)
        await_that(lambda: _csat(tenant, customers[0]) == 1.25, consumer, seconds=PATIENCE_SECONDS)
        for customer_id in customers[1:]:
            path = f"/api/v1/customers/{customer_id}/lifecycle/summary"
            fetch(port, path, token)
            begin = time.perf_counter()
            _send_closed(sender, tenant, names[customer_id], csat=1.25)
            while json.loads(fetch(port, path, token))["support"]["csat"] != "1.25":
                if time.perf_counter() - begin > PATIENCE_SECONDS:
                    raise CannotMeasure("An event did not show in the API.")
                time.sleep(LOOK_SECONDS)
            times.append((time.perf_counter() - begin) * 1000)
    return times


def _send_closed(sender: EventSender, tenant: TenantRef, external_id: str, *, csat: float) -> None:
    event_type = "support.issue.closed"
    now = timezone.now()
    data = sample_data(event_type, Subject(external_id), random=Random(0), now=now) | {"csat": csat}
    sender.send(envelope(event_type, data, tenant=tenant.slug, now=now))
    sender.flush()


def _csat(tenant: TenantRef, customer_id: UUID) -> float:
    with tenant_context(tenant.id):
        value = SupportFigures.objects.filter(customer_id=customer_id).values_list("csat", flat=True).get()
    return float(value or 0)


def _time_until_published(populated: Populated, seconds: int) -> list[float]:
    """Changes at a steady rate, each committed by itself, while another thread reads the topic."""
    ensure_topics([topic_name(TOPIC)])
    committed: dict[str, float] = {}
    arrived: dict[str, float] = {}
    reader = _Reader(arrived)
    with running("relay_events") as relay:
        moves = _moves(populated)
        first = next(moves)
        reader.start()
        # The first is only waited for: the relay has to start.
        await_that(lambda: first in arrived, relay, seconds=PATIENCE_SECONDS)
        begin = time.perf_counter()
        for number in range(seconds * RATE):
            wait = begin + number / RATE - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            history_id = next(moves)
            committed[history_id] = time.perf_counter()
        await_that(lambda: committed.keys() <= arrived.keys(), relay, seconds=PATIENCE_SECONDS)
        reader.stop()
    return [(arrived[history_id] - at) * 1000 for history_id, at in committed.items()]


class _Reader(threading.Thread):
    """Notes when each message of the topic arrives, by its id."""

    def __init__(self, arrived: dict[str, float]) -> None:
        super().__init__(name="reader", daemon=True)
        self._arrived = arrived
        self._is_over = threading.Event()

    def run(self) -> None:
        """Read until stopped."""
        for message in tail_topic(topic_name(TOPIC), from_beginning=True, stop=self._is_over.is_set):
            at = time.perf_counter()
            self._arrived.setdefault(json.loads(message.value() or b"{}").get("id", ""), at)

    def stop(self) -> None:
        """End it."""
        self._is_over.set()
        self.join(10)


def _moves(populated: Populated) -> Iterator[str]:
    """Move one customer after the other, to and fro; the id of each history row, after its commit."""
    tenant, actor = populated.tenant, system_actor("bench")
    customers = populated.customers[OUT_OF_RISK][:5000]
    while True:
        for stage, reason in ((INTO_RISK, REASON), (OUT_OF_RISK, None)):
            for customer_id in customers:
                change: Any = Change(customer_id=customer_id, stage=stage, reason_code=reason)
                with tenant_context(tenant.id):
                    (outcome,) = apply(Call(tenant, actor, "API", timezone.now(), uuid4()), [change])
                yield str(outcome.history_id)
