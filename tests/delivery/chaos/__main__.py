"""The run: move customers, kill and stop the workers of what that starts, wait until all has ended, and count."""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from local import signals
from tests.delivery.chaos.caps import Capped
from tests.delivery.chaos.patches import LEASE_SECONDS, MUTANTS
from tests.delivery.chaos.population import fill_tenant, prepare_tenant
from tests.delivery.chaos.servers import Endpoint, MailServer
from tests.messaging.chaos.running import await_all, say, try_mutants
from tests.messaging.chaos.world import Post, World, Zygote, build_world
from tests.messaging.chaos.zygote import POINTS

SETTLE_SECONDS = 120.0
WORKERS = 3
STAGES = ["Calm", "At-Risk"]
TO_RISK = {"on": "enter", "stages": ["At-Risk"]}
ENDED = ("done", "failed", "unknown", "suppressed")
SITE = "https://c360.example.com"


def configuration(url: str) -> dict[str, Any]:
    """Two effects of each move: a mail and a webhook."""
    return {
        "stages": STAGES,
        "effects": [
            {"name": "Write", "kind": "email", "to": ["owner"], **TO_RISK},
            {"name": "Post", "kind": "webhook", "to": [url], **TO_RISK},
        ],
    }


def main() -> int:
    """Exit status 0 only if nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.chaos")
    parser.add_argument("--effects", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=100, help="of workers, at every step")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--caps-only", action="store_true", help="only the bulk change under a cap")
    parser.add_argument("--quick", action="store_true", help="for the test suite")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default="", help="make this mistake; the run must fail")
    parser.add_argument("--mutants", action="store_true", help="a quick run with each mistake; each must fail")
    options = parser.parse_args()
    if options.mutants:
        return try_mutants("tests.delivery.chaos", MUTANTS, seed=options.seed)
    if options.quick:
        options.effects, options.kills = 200, 12
    with tempfile.TemporaryDirectory() as folder, build_world() as world:
        random = Random(options.seed)
        endpoint, mail = Endpoint(Path(folder), random), MailServer(random)
        world.env |= {
            "EMAIL_URL": f"smtp://127.0.0.1:{mail.port}",
            "EMAIL_FROM": "no-reply@c360.example.com",
            "SITE_URL": SITE,
            "SSL_CERT_FILE": str(endpoint.file),
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1",
        }
        os.environ.update(world.env, **world.direct)
        try:
            wrong = [] if options.caps_only else Run(world, endpoint, mail, options).go()
            if not (options.quick or options.mutant):
                wrong += Capped(world, WORKERS, makes_database=options.caps_only).go()
        finally:
            endpoint.server.close()
            mail.close()
    for sentence in wrong:
        say(f"WRONG: {sentence}")
    say("chaos: everything is as it must be" if not wrong else f"chaos: {len(wrong)} things are wrong")
    return 1 if wrong else 0


class Run:
    """One run."""

    def __init__(self, world: World, endpoint: Endpoint, mail: MailServer, options: argparse.Namespace) -> None:
        self.world = world
        self.endpoint = endpoint
        self.mail = mail
        self.options = options
        self.random = Random(options.seed)
        self.injected: Counter[str] = Counter()
        self.moved = threading.Event()
        self.trouble: list[BaseException] = []

    def go(self) -> list[str]:
        """Everything, in order; what is wrong."""
        tenant, customers = self._prepare()
        zygote = Zygote(self.world)
        patch = f"tests.delivery.chaos.patches:{self.options.mutant or 'hurry'}"
        posts = [Post(zygote, f"effects-{number}", "run_effects", patch=patch) for number in range(WORKERS)]
        began = time.monotonic()
        try:
            for post in posts:
                self._man(post)
            mover = threading.Thread(target=self._move, args=(tenant, customers), daemon=True)
            mover.start()
            self._inject(posts)
            mover.join()
            for post in posts:
                if not post.is_alive():
                    post.wait()
                    post.man()
                elif post.fuse is not None:
                    post.kill()
                    post.man()
            rows = self._await_end(tenant)
            say(f"ended after {time.monotonic() - began:.0f} s")
            statuses = {post.name: post.kill(signal.SIGTERM) for post in posts}
        finally:
            zygote.end()
        for kind, count in sorted(self.injected.items()):
            say(f"  injected {count:4}  {kind}")
        say(f"  endpoint {dict(sorted(self.endpoint.faults.items()))}")
        say(f"  mail     {dict(sorted(self.mail.faults.items()))}")
        return self._count(rows, statuses, expected=2 * len(customers))

    def _prepare(self) -> tuple[Any, list[Any]]:
        tenant, owner, actor, now = prepare_tenant()
        from lifecycle.services.effects.endpoints import create_endpoint
        from tenants.context import tenant_context

        with tenant_context(tenant.id):
            create_endpoint("hooks", self.endpoint.url, tenant=tenant, actor=actor, now=now)
        return tenant, fill_tenant(tenant, owner, configuration(self.endpoint.url), self.options.effects // 2)

    def _move(self, tenant: Any, customers: list[Any]) -> None:
        """A few customers at a time, as people and events do."""
        from django.utils import timezone

        from lifecycle.rules.transitions import Change
        from lifecycle.services.transitions.apply import Call, apply
        from tenants.actors import system_actor
        from tenants.context import tenant_context

        try:
            for start in range(0, len(customers), 5):
                call = Call(tenant, system_actor("chaos"), "API", timezone.now(), starts_effects=True)
                with tenant_context(tenant.id):
                    apply(call, [Change(id_, "At-Risk") for id_ in customers[start : start + 5]])
                time.sleep(0.3)
        except BaseException as error:
            self.trouble.append(error)
        finally:
            self.moved.set()

    def _inject(self, posts: list[Post]) -> None:
        """Kill, at a random moment or at a point, and stop some for longer than their lease."""
        kills = turn = 0
        while kills < self.options.kills or not self.moved.is_set():
            time.sleep(self.random.uniform(0.05, 0.4))
            signals.check()
            for post in posts:
                if not post.is_alive():
                    status = post.wait()
                    known = status == -signal.SIGKILL and post.fuse is not None
                    what = f"kill -9 at: {post.fuse[0]}" if known and post.fuse else f"ended by itself: {status}"
                    self.injected[what] += 1
                    kills += 1
                    self._man(post)
            turn += 1
            if turn % 5 == 0:
                post = self.random.choice(posts)
                # Once nothing is left to run, no fuse burns any more.
                if post.is_alive() and (post.fuse is None or self.moved.is_set()):
                    post.kill()
                    self.injected["kill -9 at a random moment"] += 1
                    kills += 1
                    self._man(post)
            if turn % 25 == 0:
                self._suspend(self.random.choice(posts))

    def _man(self, post: Post) -> None:
        points = [point for point in POINTS if point.startswith("effects:")]
        post.man((self.random.choice(points), self.random.randrange(1, 6)) if self.random.random() < 0.8 else None)

    def _suspend(self, post: Post) -> None:
        """It sleeps longer than its lease, and goes on as if nothing had been."""
        if post.is_alive():
            os.kill(post.pid, signal.SIGSTOP)
            time.sleep(LEASE_SECONDS + 1)
            if post.is_alive():
                os.kill(post.pid, signal.SIGCONT)
            self.injected["stopped for longer than its lease"] += 1

    def _await_end(self, tenant: Any) -> list[Any]:
        """Every effect, once none is to be run any more, or when none has ended for too long."""
        from lifecycle.models import EffectRun
        from tenants.context import tenant_context

        rows: list[Any] = []

        def look() -> tuple[int, int]:
            with tenant_context(tenant.id):
                rows[:] = EffectRun.objects.filter(tenant_id=tenant.id)
            return sum(row.state in ENDED for row in rows), len(rows)

        await_all(look, patience=SETTLE_SECONDS)
        return rows

    def _count(self, rows: list[Any], statuses: dict[str, int], *, expected: int) -> list[str]:
        wrong = [f"{name} ended with status {status}" for name, status in statuses.items() if status != 0]
        wrong += [f"customers could not be moved: {error!r}" for error in self.trouble]
        wrong += [f"{kind}: {count}" for kind, count in self.injected.items() if "by itself" in kind]
        if len(rows) != expected:
            wrong.append(f"{len(rows)} effects of {expected}")
        states: Counter[tuple[str, str]] = Counter()
        for row in rows:
            states[row.kind, row.state] += 1
            wrong += self._judge_mail(row) if row.kind == "email" else self._judge_webhook(row)
        say(f"  counted  {dict(sorted(states.items()))}")
        marked = sum(row.may_be_twice for row in rows)
        repeated = sum(count > 1 for count in self.endpoint.read.values())
        unknown_taken = sum(row.state == "unknown" and self._taken(row) > 0 for row in rows)
        say(f"  counted  {repeated} webhooks came again, {marked} say that they may have")
        say(f"  counted  {unknown_taken} mails that are unknown had arrived")
        return wrong

    def _taken(self, row: Any) -> int:
        return self.mail.taken[f"<{row.id}@c360.example.com>"] if row.kind == "email" else 0

    def _judge_mail(self, row: Any) -> list[str]:
        taken = self._taken(row)
        allowed = {"done": (1,), "unknown": (0, 1), "failed": (0,)}.get(row.state, ())
        return [] if taken in allowed else [f"mail {row.id} is {row.state} ({row.reason}) and was taken {taken} times"]

    def _judge_webhook(self, row: Any) -> list[str]:
        webhook_id = str(row.id)
        wrong = []
        if row.state not in ("done", "failed"):
            wrong.append(f"webhook {webhook_id} is {row.state} ({row.reason})")
        if row.state == "done" and webhook_id not in self.endpoint.accepted:
            wrong.append(f"webhook {webhook_id} is done and was never accepted")
        if self.endpoint.read[webhook_id] > 1 and not row.may_be_twice:
            wrong.append(f"webhook {webhook_id} came {self.endpoint.read[webhook_id]} times and does not say so")
        return wrong


if __name__ == "__main__":
    sys.exit(main())
