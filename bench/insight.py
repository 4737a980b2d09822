"""The pages of Insight over two years of a large tenant: cold and warm, and what makes their figures.

Each figure is printed as it comes: a run that is ended loses none that it had.

Cold: no page of the database is in its memory, nor in that of the system as far as it forgets them when it is asked to;
the server has shown another page before. The facts are made by the product's own job from a history that SQL has
written (``bench.past``): that is the largest part of the run. At-risk rules and the health of a draft are played over
all customers. BENCH_HISTORY (2000000 moves), BENCH_REPORTS (24 a customer), BENCH_PAGES (20 times each, warm).
"""

import datetime as dt
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone
from psycopg import sql

from bench.measuring import percentile
from bench.pages import Server, log_in, served
from bench.past import DAYS, TABLES, write_past
from bench.population import DOCUMENT, Populated, connect_as_administrator
from bench.report import Figure, below, print_figure
from bench.world import read_size
from lifecycle.services.configuration.publication import publish_configuration
from lifecycle.services.insight.episodes import keep_episodes
from lifecycle.services.insight.forecasting import forecast_churn
from lifecycle.services.insight.health_plays import begin_health_play, work_off_health_plays
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.risk.past import RECORDED
from lifecycle.services.risk.playing import play_rules
from lifecycle.services.work.kept_revenue import RevenueKeeper
from tenants.actors import system_actor
from tenants.context import tenant_context
from tenants.rules.configuration.document import parse_configuration
from tenants.services.configuration.policies import live_policy
from tenants.services.configuration.versions import open_draft

MOST_MILLISECONDS = 500.0
MOST_OF_LIST = 100.0
MOST_SECONDS_OF_PLAY = 60.0
VIEWS = ("stages", "flow", "conversion", "time", "cohorts", "risk", "save")
# Has half of all customers; the others share the other half.
LARGE_OWNER = "many@bench.example"
PAGES = {
    **{f"insight: {view}": f"/insight?show={view}" for view in VIEWS},
    **{f"insight: {view} of a segment": f"/insight?show={view}&segment=Enterprise" for view in VIEWS},
    "insight: stages of an owner": "/insight?show=stages&owner=manager3@bench.example",
    **{f"insight: {view} of half of all": f"/insight?show={view}&owner={LARGE_OWNER}" for view in VIEWS},
    "forecast": "/insight/forecast",
    "renewals": "/renewals",
    "list as of a day": "/customers/as-of?day={day}",
    "list as known at the end of a day": "/customers/as-of?day={day}&known=recorded",
    "board as of a day": "/board/as-of?day={day}",
    "board of a segment as of a day": "/board/as-of?day={day}&segment=Enterprise",
}
# Lists behind the largest figures of a year: of stages that the configuration has had from its first version on.
BEHIND = {
    "in a stage": "figure=standing&stage=0:Active",
    "moves": "figure=moves&stage=0:Active",
    "left": "figure=left&stage=0:Active",
    "stays": "figure=stays&stage=0:Active&way=*",
    "reached": "figure=reached&stage=0:Onboarded&way=0:Active",
    "revenue": "figure=revenue&stage=0:Active&stage=0:Renewed&way=grown&currency=USD",
    "at risk": "figure=at_risk&stage=0:At-Risk&from_stage=0:Churned&way=all",
    "saved": "figure=saved&stage=0:At-Risk&from_stage=0:Churned&way=nothing",
    "compared": "figure=saved&stage=0:At-Risk&from_stage=0:Churned&way=note+comparable",
}
PAGES |= {f"list behind a figure: {name}": f"/insight/customers?{asked}" for name, asked in BEHIND.items()}
Result = TypeVar("Result")
KEPT = (
    "lifecycle_stay",
    "lifecycle_risk_episode",
    "lifecycle_insight_fact",
    "lifecycle_segment_fact",
    "lifecycle_owner_fact",
    "lifecycle_insight_state",
)
RULES = (
    {
        "name": "Overdue",
        "when": [
            {"field": "billing.overdue_percent", "op": "gt", "value": 10},
            {"field": "support.open_issues", "op": "gt", "value": 3},
        ],
        "for_days": 14,
        "to": "At-Risk",
    },
    {"name": "Unhappy", "when": [{"field": "support.csat", "op": "lt", "value": 2.5}], "to": "At-Risk"},
    {
        "name": "Renewal",
        "when": [
            {"field": "billing.days_to_renewal", "op": "lt", "value": 30},
            {"field": "support.csat", "op": "lt", "value": 3},
        ],
        "for_days": 7,
        "to": "At-Risk",
    },
)
# A health that asks for what people have written down.
OWN_HEALTH = {
    "parts": [
        {"name": "Silence", "measure": "days_since_note", "steps": [{"at_least": 90, "points": 20}], "if_missing": 30},
        {"name": "Left undone", "measure": "overdue_tasks", "points": 20, "from": 0, "to": 2},
        {"name": "Anger", "measure": "open_issues", "points": 40, "from": 2, "to": 6},
    ]
}


def measure(populated: Populated) -> list[Figure]:
    """What the job takes, each page cold and warm, both plays, and the list by a health of notes and tasks."""
    figures = []
    for figure in _measure(populated):
        print_figure(figure)
        figures.append(figure)
    return figures


def _measure(populated: Populated) -> Iterator[Figure]:
    size = sum(map(len, populated.customers.values()))
    moves = max(2, read_size("BENCH_HISTORY", 2_000_000) // size)
    _give_half(populated)
    written, seconds = _time(lambda: write_past(populated, moves=moves, reports=read_size("BENCH_REPORTS", 24)))
    yield Figure("insight", f"writing {written:,} moves of {size:,} customers by SQL", f"{seconds:.0f} s")
    _vacuum(("lifecycle_customer", *TABLES))
    tenant, now = populated.tenant, timezone.now()
    _, seconds = _time(lambda: keep_facts(tenant))
    yield Figure("insight", "facts of all of them by the job", f"{seconds:.0f} s", f"{written / seconds:,.0f} moves/s")
    _, seconds = _time(lambda: keep_episodes(tenant))
    yield Figure("insight", "episodes at risk by the job", f"{seconds:.0f} s")
    _, seconds = _time(lambda: RevenueKeeper().keep_revenue(tenant))
    yield Figure("insight", "what past months have kept, by the job", f"{seconds:.1f} s")
    _, seconds = _time(lambda: list(forecast_churn(tenant, now=now)))
    yield Figure("insight", "learning the churn forecast", f"{seconds:.0f} s")
    _vacuum(KEPT)
    with TemporaryDirectory() as folder, override_settings(STATIC_ROOT=Path(folder)):
        call_command("collectstatic", interactive=False, verbosity=0)
        os.environ["STATIC_ROOT"] = folder
        yield from _measure_pages(populated)
        yield _play_rules(populated, size)
        yield _play_health(populated, size)
        yield from _measure_health(populated)


def _give_half(populated: Populated) -> None:
    """Let one owner have every second customer."""
    with connect_as_administrator() as administrator:
        administrator.execute("SET session_replication_role = replica")
        administrator.execute(
            "UPDATE lifecycle_customer SET owner = %(owner)s::text, owner_key = %(owner)s::text"
            " WHERE tenant_id = %(tenant)s AND external_id ~ '[02468]$'",
            {"owner": LARGE_OWNER, "tenant": populated.tenant.id},
        )


def _measure_pages(populated: Populated) -> Iterator[Figure]:
    _client, cookie = log_in(populated.tenant)
    day = (timezone.now() - dt.timedelta(days=200)).date()
    with served() as server:
        server.get("/tasks", cookie)
        for name, address in PAGES.items():
            yield from _measure_page(server, cookie, name, address.format(day=day))


def _measure_page(server: Server, cookie: str, name: str, path: str) -> Iterator[Figure]:
    try:
        _chill()
        cold = server.get(path, cookie)
        taken = [server.get(path, cookie) for _ in range(read_size("BENCH_PAGES", 20))]
    except ValueError as trouble:
        yield Figure("insight", name, str(trouble), met=False)
        return
    warm = percentile(taken, 0.5)
    yield Figure("insight", f"{name}: cold", "", **below(cold, MOST_MILLISECONDS, " ms"))
    yield Figure("insight", f"{name}: warm", f"p50 {warm:.0f} ms", **below(max(taken), MOST_MILLISECONDS, " ms"))


def _play_rules(populated: Populated, size: int) -> Figure:
    until = timezone.now()
    rules = [{"action": "propose", **rule} for rule in RULES]
    configuration = parse_configuration({**DOCUMENT, "risk_rules": rules})

    def play() -> int:
        *_rest, last = play_rules(
            configuration, tenant=populated.tenant, since=until - dt.timedelta(days=DAYS), until=until, known=RECORDED
        )
        return sum(rule.alarms for rule in last.tally.rules)

    alarms, seconds = _time(play)
    return Figure(
        "insight",
        f"{len(rules)} at-risk rules over two years of {size:,} customers",
        f"{alarms:,} alarms",
        **below(seconds * 50_000 / size, MOST_SECONDS_OF_PLAY, " s"),
    )


def _play_health(populated: Populated, size: int) -> Figure:
    tenant, now, actor = populated.tenant, timezone.now(), system_actor("bench")
    with tenant_context(tenant.id):
        draft = open_draft(document={**DOCUMENT, "health": OWN_HEALTH}, tenant=tenant, actor=actor, now=now)
        live = live_policy(tenant.id)
        begin_health_play(draft, live=live, names={}, tenant=tenant, actor=actor, now=now)
    plays, seconds = _time(lambda: list(work_off_health_plays(tenant, now=now)))
    return Figure(
        "insight",
        f"the health of a draft over a year of {plays[-1].done:,} customers",
        "",
        **below(seconds * 50_000 / size, MOST_SECONDS_OF_PLAY, " s"),
    )


def _measure_health(populated: Populated) -> Iterator[Figure]:
    """The list in the order of a health of figures alone, and of one that asks for notes and tasks."""
    tenant = populated.tenant
    for what in ("figures", "notes and tasks"):
        if what != "figures":
            with tenant_context(tenant.id):
                own = {**DOCUMENT, "health": OWN_HEALTH}
                publish_configuration(own, tenant=tenant, actor=system_actor("bench"), now=timezone.now())
        _client, cookie = log_in(tenant)
        with served() as server:
            server.get("/customers?ordering=health", cookie)
            times = read_size("BENCH_PAGES", 20)
            taken = [server.get("/customers?ordering=health", cookie) for _ in range(times)]
        p50 = f"p50 {percentile(taken, 0.5):.0f} ms"
        yield Figure("insight", f"list by a health of {what}", p50, **below(max(taken), MOST_OF_LIST, " ms"))


def _chill() -> None:
    """Nothing of the database is in the memory of its server, and, where its files are here, of the system's."""
    with connect_as_administrator() as administrator:
        administrator.execute("CREATE EXTENSION IF NOT EXISTS pg_buffercache")
        administrator.execute("CHECKPOINT")
        administrator.execute("SELECT pg_buffercache_evict_all()")
        ((folder,),) = administrator.execute(
            "SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database"
            " WHERE datname = current_database()"
        ).fetchall()
    for path in Path(str(folder)).glob("*"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _vacuum(tables: Iterable[str]) -> None:
    with connect_as_administrator() as administrator:
        for table in tables:
            administrator.execute(sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(table)))


def _time(work: Callable[[], Result]) -> tuple[Result, float]:
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin
