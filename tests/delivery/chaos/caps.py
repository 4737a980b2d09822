"""A bulk change of thousands under a cap: as many are sent as the cap says, the rest is held, and what a person changes
beside it is sent at once. Real workers, and a real mail server that takes everything.
"""

import os
import signal
import time
from collections import Counter
from random import Random
from typing import Any

from local import signals
from tests.delivery.chaos.population import fill_tenant, prepare_tenant
from tests.delivery.chaos.servers import MailServer
from tests.messaging.chaos.running import say
from tests.messaging.chaos.world import Post, World, Zygote

MOVES, CAP = 5_000, 500
# A few rounds of the workers.
NOT_DELAYED_SECONDS = 5.0
SETTLE_SECONDS = 120.0
DOCUMENT = {
    "stages": ["Calm", "At-Risk"],
    "effects": [
        {
            "name": "Write",
            "kind": "email",
            "to": ["owner"],
            "cap_per_hour": CAP,
            "on": "enter",
            "stages": ["At-Risk"],
        }
    ],
}


class Capped:
    """One run."""

    def __init__(self, world: World, workers: int, *, makes_database: bool) -> None:
        self.world, self.workers, self.makes_database = world, workers, makes_database

    def go(self) -> list[str]:
        """Everything, in order; what is wrong."""
        _start_with_the_hour()
        tenant, owner, _, _ = prepare_tenant("capped", makes_database=self.makes_database)
        customers = fill_tenant(tenant, owner, DOCUMENT, MOVES)
        mail = MailServer(Random(1), misbehaves=False)
        self.world.env["EMAIL_URL"] = os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{mail.port}"
        zygote = Zygote(self.world)
        posts = [
            Post(zygote, f"capped-{number}", "run_effects", patch="tests.delivery.chaos.patches:keep_caps")
            for number in range(self.workers)
        ]
        try:
            _move(tenant, customers[:-1])
            for post in posts:
                post.man()
            _await(lambda: len(mail.taken) >= CAP // 10)
            (own,) = _move(tenant, customers[-1:])
            began = time.monotonic()
            rows = _await(lambda: _read_when_ended(tenant), SETTLE_SECONDS)
            statuses = {post.name: post.kill(signal.SIGTERM) for post in posts}
        finally:
            zygote.end()
            mail.close()
        wrong = [f"{name} ended with status {status}" for name, status in statuses.items() if status != 0]
        return wrong + _count(rows or _read(tenant), own, mail, began)


def _count(rows: list[Any], own: Any, mail: MailServer, began: float) -> list[str]:
    wrong: list[str] = []
    states = Counter((row.state, row.reason) for row in rows)
    expected = {("done", ""): CAP, ("held", "cap"): MOVES - CAP}
    if states != expected:
        wrong.append(f"of {MOVES} moves under a cap of {CAP}: {dict(states)}")
    if len(mail.taken) != CAP or set(mail.taken.values()) != {1}:
        wrong.append(f"{len(mail.taken)} mails were taken, {sum(mail.taken.values())} times")
    (row,) = (row for row in rows if row.history_id == own.history_id)
    at = mail.at.get(f"<{row.id}@c360.example.com>")
    delay = None if at is None else at - began
    if delay is None or delay > NOT_DELAYED_SECONDS:
        wrong.append(f"a person's own change beside it was sent after {delay} s ({row.state}, {row.reason})")
    shown = "never" if delay is None else f"{max(delay, 0):.2f} s after it"
    say(f"  counted  {MOVES} moves, a cap of {CAP}: {dict(states)}; a person's own change beside it was sent {shown}")
    return wrong


def _move(tenant: Any, customers: list[Any]) -> Any:
    from django.utils import timezone

    from lifecycle.rules.transitions import Change
    from lifecycle.services.transitions.apply import Call, apply
    from tenants.actors import system_actor
    from tenants.context import tenant_context

    with tenant_context(tenant.id):
        call = Call(tenant, system_actor("chaos"), "API", timezone.now(), starts_effects=True)
        return apply(call, [Change(id_, "At-Risk") for id_ in customers])


def _read(tenant: Any) -> list[Any]:
    from lifecycle.models import EffectRun
    from tenants.context import tenant_context

    with tenant_context(tenant.id):
        return list(EffectRun.objects.filter(tenant_id=tenant.id))


def _read_when_ended(tenant: Any) -> list[Any] | None:
    rows = _read(tenant)
    return rows if all(row.state in ("done", "held", "failed", "unknown", "suppressed") for row in rows) else None


def _await(done: Any, seconds: float = 60.0) -> Any:
    """What it gives, once it gives something; else what it gave last."""
    deadline = time.monotonic() + seconds
    while not (found := done()) and time.monotonic() < deadline:
        signals.pause(0.05)
    return found


def _start_with_the_hour() -> None:
    """A cap is counted by the hour: one that ends in the midst of the run would let as many go again."""
    left = 3600 - time.time() % 3600
    if left < 180:
        say(f"  waiting {left:.0f} s for the next hour")
        until = time.monotonic() + left + 1
        # A process that ends in the meantime wakes it.
        while (left := until - time.monotonic()) > 0:
            signals.pause(left)
