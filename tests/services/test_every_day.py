"""Every day of any past, as it was and as it was known: list, customers, board and figures are what a replay says."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.models import LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus, FigureChange
from lifecycle.rules.insight.flows import standing_over_time
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastQuestion, count_past, list_past, read_past
from lifecycle.services.insight.as_of_board import read_past_board
from lifecycle.services.insight.as_of_health import judge_past
from lifecycle.services.insight.as_of_list import list_as_of
from lifecycle.services.insight.as_of_totals import read_past_totals
from lifecycle.services.insight.keeping import find_wrong_sums, keep_facts
from lifecycle.services.insight.reading import Period, Stages, read_flows
from tenants.context import tenant_context
from tenants.services.configuration.policies import live_policy
from tests.factories import MINIMAL, CustomerFactory, TenantFactory

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAYS = 14
STAGES = MINIMAL["stages"]
EXPECTED = {"Onboarded": 2, "Active": 5}
HOURS = st.integers(min_value=0, max_value=24 * DAYS)
# Most is known at once, some days later.
LATE = st.sampled_from([0, 0, 1, 30, 100])


@dataclass(frozen=True)
class Row:
    """A row of the history, or a report: when it holds from, when it was recorded, and what it says."""

    effective: dt.datetime
    recorded: dt.datetime
    says: object


def rows_of(of):
    """Hours, lateness and what is said, in the order of their recording."""
    return st.lists(st.tuples(HOURS, LATE, of), max_size=6).map(
        lambda rows: sorted(
            (
                Row(START + dt.timedelta(hours=hours), START + dt.timedelta(hours=hours + late), says)
                for hours, late, says in rows
            ),
            key=lambda row: row.recorded,
        )
    )


REVENUE = st.fixed_dictionaries(
    {"billing.arr": st.sampled_from(["50.00", "70.00"]), "billing.currency": st.just("EUR")}
)
ISSUES = st.fixed_dictionaries({"support.open_issues": st.integers(min_value=0, max_value=3)})
PASTS = st.lists(st.tuples(rows_of(st.sampled_from(STAGES)), rows_of(REVENUE | ISSUES)), min_size=1, max_size=3)


def write(tenant, pasts):
    """Customers with these pasts, as the record has them; name -> (moves, reports)."""
    written = {}
    for number, (moves, reports) in enumerate(pasts):
        customer = CustomerFactory(tenant=tenant, name=f"customer {number}", stage=None)
        with tenant_context(tenant.id):
            for sequence, row in enumerate(moves, 1):
                LifecycleHistory.objects.create(
                    tenant_id=tenant.id,
                    customer_id=customer.id,
                    sequence=sequence,
                    from_stage=moves[sequence - 2].says if sequence > 1 else None,
                    to_stage=row.says,
                    changed_at=row.effective,
                    effective_at=row.effective,
                    recorded_at=row.recorded,
                    configuration_version=1,
                    previous_hash=b"",
                    hash=b"",
                )
            if moves:
                CustomerLifecycleStatus.objects.create(
                    tenant_id=tenant.id,
                    customer_id=customer.id,
                    stage=moves[-1].says,
                    stage_entered_at=moves[-1].effective,
                    updated_at=moves[-1].effective,
                    version=len(moves),
                    head_hash=b"",
                )
            for row in reports:
                FigureChange.objects.create(
                    tenant_id=tenant.id,
                    customer_id=customer.id,
                    effective_at=row.effective,
                    recorded_at=row.recorded,
                    source="/crm",
                    figures=row.says,
                )
        written[customer.name] = (customer.id, moves, reports)
    return written


def replay_stage(moves, end, known):
    """(stage, since when) just before ``end``: a later row counts from the time of the one before."""
    found, effective, recorded = None, START, START
    for row in moves:
        effective = max(effective, row.effective)
        recorded = max(recorded, effective, row.recorded)
        if (recorded if known == RECORDED else effective) < end:
            found = (row.says, effective)
    return found


def replay_figures(reports, end, known):
    """Path -> value: the latest report that held by then; of those of one time the one that was recorded last."""
    held = {}
    for row in sorted(reports, key=lambda row: row.effective):
        if row.effective < end and (known == EFFECTIVE or row.recorded < end):
            held |= row.says
    return held


def replay_revenue(reports, end):
    """The revenue that counts: before the first report that one."""
    of_revenue = [row for row in sorted(reports, key=lambda row: row.effective) if "billing.arr" in row.says]
    if not of_revenue:
        return Decimal(), ""
    said = ([row for row in of_revenue if row.effective < end] or of_revenue[:1])[-1].says
    return Decimal(said["billing.arr"]), said["billing.currency"]


def compare(tenant, written, stages, day, known):
    """Everything that is said of one day."""
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), dt.UTC)
    here = {name: found for name, (_id, moves, _r) in written.items() if (found := replay_stage(moves, end, known))}
    about = PastQuestion(day, known)
    rows = list_past(about, stages=stages, tenant=tenant).rows
    assert {row["name"]: (row["stage"], row["entered"]) for row in rows} == here
    assert [row["name"] for row in rows] == sorted(here) and count_past(about, tenant=tenant) == len(here)
    counted = Counter(stage for stage, _since in here.values())
    money = Counter()
    for name, (stage, _since) in here.items():
        arr, currency = replay_revenue(written[name][2], end)
        money[stage, currency] += arr
    money = {key: arr for key, arr in money.items() if arr} if known == EFFECTIVE else {}
    judged = {row["name"]: row["health"] for row in list_as_of(about, stages=stages, tenant=tenant, limit=9).rows}
    board = read_past_board(day, stages=stages, tenant=tenant, known=known)
    assert {column.stage: column.customers for column in board if column.customers} == counted
    assert {(column.stage, currency): arr for column in board for currency, arr in column.money} == money
    assert {card["name"]: (column.stage, card["entered"]) for column in board for card in column.cards} == here
    assert all(
        list(column.cards) == sorted(column.cards, key=lambda card: card["entered"], reverse=True) for column in board
    )
    totals = read_past_totals(day, stages=stages, tenant=tenant, known=known)
    assert {one["stage"]: one["customers"] for one in totals["stages"] if one["customers"]} == counted
    assert {one["stage"]: one["over_expected"] for one in totals["stages"] if one["over_expected"]} == Counter(
        stage for stage, since in here.values() if end - since > dt.timedelta(days=EXPECTED.get(stage, 999))
    )
    said = {(one["stage"], m["currency"]): Decimal(m["arr"]) for one in totals["stages"] for m in one["money"]}
    assert {key: arr for key, arr in said.items() if arr} == money
    for name, (customer_id, _moves, reports) in written.items():
        past = read_past(customer_id, day, known=known, tenant=tenant)
        assert ((past.stage, past.stage_entered_at) if past.stage else None) == here.get(name)
        assert {path: value for path, (value, _at) in past.figures.items()} == replay_figures(reports, end, known)
        health = judge_past(customer_id, past, stages=stages, tenant=tenant)
        assert (health and {"score": health.judged.score, "band": health.judged.band}) == judged.get(name)
    if known == EFFECTIVE:
        flows = read_flows(Period(day, day), tenant=tenant)
        stands = standing_over_time(flows, 1)[1]
        assert {stages.name(key): one.customers for key, one in stands.items() if key and one.customers} == counted


@settings(max_examples=6)
@given(pasts=PASTS)
def test_of_every_day_everything_says_what_a_replay_of_the_history_says(django_db_setup, django_db_blocker, pasts):
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration={**MINIMAL, "max_days": EXPECTED})
        written = write(tenant, pasts)
        keep_facts(tenant)
        assert not find_wrong_sums(tenant)
        with tenant_context(tenant.id):
            stages = Stages.of(live_policy(tenant.id), tenant)
            for days in range(-1, DAYS + 6):
                for known in (EFFECTIVE, RECORDED):
                    compare(tenant, written, stages, (START + dt.timedelta(days=days)).date(), known)
