"""Over HTTP, at the entry points that people use: PATCH, the cached summary and a constant view, beside their peers.

The product and the plain project run on granian with two workers of two threads each, on this machine, both at once.
The peers (``bench.peers.views``) are views of the product's own server, behind its middlewares and its log: so what is
compared is the view, and the constant view is what shows the price of the rest. Contenders take turns; a figure is the
ratio of the medians, with the lowest and the highest ratio of one round.
"""

import itertools
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from django.core.cache import cache
from django.utils import timezone

from bench.load import CONNECTIONS, Request, Slice, find_generator
from bench.peers.models import INTO_RISK, OUT_OF_RISK, PeerMembership, PeerUser
from bench.peers.rows import copy_to_peer, count_peer_changes
from bench.peers.views import summary_key
from bench.population import Populated, count_changes
from bench.processes import await_that, fetch, free_port, serving, started
from bench.report import Figure, at_least, up_to
from bench.single import REASON
from bench.world import CannotMeasure, read_size
from tenants.roles import Role
from tenants.services.accounts.people import create_user
from tenants.services.accounts.tokens import issue_access

USERS = 8
# Customers whose summaries are asked for.
HOT = 1000
WORKERS, THREADS = 2, 2


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that answers. ``requests`` are those of a round; ``count`` says how many changes it has made so far."""

    port: int
    requests: Callable[[int], Sequence[Request]]
    count: Callable[[], int] | None = None


def measure(populated: Populated) -> list[Figure]:
    """Rates and latencies of all contenders, in turns."""
    rounds, seconds = read_size("BENCH_ROUNDS", 9), read_size("BENCH_SLICE_MS", 3000) / 1000
    tokens = _make_users(populated)
    with TemporaryDirectory() as folder, serving(workers=WORKERS, threads=THREADS) as port, plain() as plain_port:
        generator = find_generator(Path(folder))
        contenders = {
            "plain": Contender(plain_port, lambda _: [Request("GET", "/constant")]),
            "constant": Contender(port, lambda _: [Request("GET", "/api/v1/bench/constant")]),
            **_readers(populated, tokens, port),
            **_writers(populated, tokens, port, rounds),
        }
        slices: dict[str, list[Slice]] = {name: [] for name in contenders}
        for number in range(rounds + 1):
            for name, contender in contenders.items():
                before = contender.count() if contender.count else 0
                taken = generator.run(contender.port, contender.requests(number), seconds if number else 1)
                if contender.count and contender.count() - before < taken.answers:
                    raise CannotMeasure(f"{name}: {taken.answers} answers, {contender.count() - before} changes.")
                if number:
                    slices[name].append(taken)
    print(f"bench: load by {generator.name}, {CONNECTIONS} connections, {USERS} users", file=sys.stderr, flush=True)
    return _figures(slices)


def _figures(slices: Mapping[str, Sequence[Slice]]) -> list[Figure]:
    def describe(name: str) -> str:
        rates = [taken.rate for taken in slices[name]]
        p50, p99 = (statistics.median(values) for values in zip(*((s.p50, s.p99) for s in slices[name]), strict=True))
        worst = max(taken.p99 for taken in slices[name])
        return f"{statistics.median(rates):,.0f}/s, p50 {p50:.1f}, p99 {p99:.1f} (to {worst:.0f}) ms"

    def compare(what: str, name: str, peer_name: str, peer: str, limit: float) -> Figure:
        rates, peers = ([taken.rate for taken in slices[side]] for side in (name, peer))
        ratios = [one / other for one, other in zip(rates, peers, strict=True)]
        ratio = statistics.median(rates) / statistics.median(peers)
        judged = at_least(ratio, limit, " x")
        judged["measured"] += f" ({min(ratios):.2f} to {max(ratios):.2f})"
        return Figure("http", what, describe(name), f"{peer_name}: {describe(peer)}", **judged)

    ours, theirs = (statistics.median(taken.p99 for taken in slices[name]) for name in ("PATCH", "peer PATCH"))
    return [
        compare("PATCH lifecycle", "PATCH", "DRF, simplejwt, django-fsm-2 with log", "peer PATCH", 3),
        Figure("http", "the same, p99", f"{ours:.1f} ms", f"its peer {theirs:.1f} ms", **up_to(ours / theirs, 1, " x")),
        compare("cached summary", "summary", "DRF, simplejwt, django-redis", "peer summary", 3),
        compare("the same", "summary", "a constant view on the same server", "constant", 0.8),
        compare("constant view", "constant", "the same in a plain Django project", "plain", 0.7),
    ]


def _make_users(populated: Populated) -> list[str]:
    """Tokens of users that exist for both sides."""
    tokens = []
    for number in range(USERS):
        name = f"http{number}@bench.example"
        user = create_user(
            username=name, password=None, role=Role.ACCOUNT_MANAGER, tenant=populated.tenant, now=timezone.now()
        )
        peer = PeerUser.objects.create(id=user.pk, username=name)
        PeerMembership.objects.create(user=peer, tenant_id=populated.tenant.id, role="manager")
        tokens.append(issue_access(user).token)
    return tokens


def _readers(populated: Populated, tokens: Sequence[str], port: int) -> dict[str, Contender]:
    """The cached summary of a thousand customers, and the same bytes from the peer's cache."""
    customers = populated.customers[OUT_OF_RISK][-HOT:]
    pairs = list(zip(customers, itertools.cycle(tokens)))
    ours = [Request("GET", f"/api/v1/customers/{id_}/lifecycle/summary", token) for id_, token in pairs]
    theirs = [Request("GET", f"/api/v1/bench/customers/{id_}", token) for id_, token in pairs]
    for id_, request in zip(customers, ours, strict=True):
        # Read once: cached from here on. The peer keeps the same document.
        cache.set(summary_key(id_), json.loads(fetch(port, request.path, request.token)), timeout=None)
    return {
        "summary": Contender(port, lambda _: ours),
        "peer summary": Contender(port, lambda _: theirs),
    }


def _writers(populated: Populated, tokens: Sequence[str], port: int, rounds: int) -> dict[str, Contender]:
    """Changes to and fro, of customers of its own in each round: every one of them moves its customer."""
    size = (len(populated.customers[OUT_OF_RISK]) - HOT) // (rounds + 1)
    customers = populated.customers[OUT_OF_RISK][: size * (rounds + 1)]
    copy_to_peer(populated.tenant.id, customers)

    def requests(pattern: str) -> Callable[[int], Sequence[Request]]:
        return lambda number: list(_to_and_fro(customers[number * size :][:size], tokens, pattern))

    return {
        "PATCH": Contender(port, requests("/api/v1/customers/{}/lifecycle"), count_changes),
        "peer PATCH": Contender(port, requests("/api/v1/bench/customers/{}"), count_peer_changes),
    }


def _to_and_fro(customers: Sequence[UUID], tokens: Sequence[str], pattern: str) -> Iterator[Request]:
    into = json.dumps({"stage": INTO_RISK, "reason_code": REASON})
    back = json.dumps({"stage": OUT_OF_RISK})
    users = itertools.cycle(tokens)
    for body in (into, back):
        for customer_id in customers:
            yield Request("PATCH", pattern.format(customer_id), next(users), body)


@contextmanager
def plain() -> Iterator[int]:
    """A plain Django project on granian, as many workers and threads; its port."""
    port = free_port()
    options = ["--interface", "wsgi", "--workers", str(WORKERS), "--blocking-threads", str(THREADS)]
    with started(
        sys.executable, "-m", "granian", *options, "--port", str(port), "--no-ws", "bench.plain:application"
    ) as process:
        await_that(lambda: bool(fetch(port, "/constant")), process, seconds=30)
        yield port
