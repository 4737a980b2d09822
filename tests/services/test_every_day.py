"""Every day of any past, as it was and as it was known: list, customers, board and figures are what a replay says."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from unittest import mock

from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.models import LifecycleHistory
from lifecycle.models import CustomerLifecycleStatus, FigureChange
from lifecycle.rules.insight.flows import totals_over_time
from lifecycle.services.insight import owners
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED, PastQuestion, count_past, list_past, read_past
from lifecycle.services.insight.as_of_board import read_past_board
from lifecycle.services.insight.as_of_health import judge_past
from lifecycle.services.insight.as_of_list import list_as_of
from lifecycle.services.insight.as_of_totals import read_past_totals
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import (
    Period,
    Stages,
    read_cohorts,
    read_flows,
    read_reached,
    read_reasons,
    read_stays,
)
from lifecycle.services.insight.sums import find_wrong_sums
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
    {"billing.arr": st.sampled_from(["50.00", "70.00"]), "billing.currency": st.sampled_from(["EUR", "USD"])}
)
ISSUES = st.fixed_dictionaries({"support.open_issues": st.integers(min_value=0, max_value=3)})
PASTS = st.lists(st.tuples(rows_of(st.sampled_from(STAGES)), rows_of(REVENUE | ISSUES)), min_size=2, max_size=4)
# Every other customer has this owner, and everyone is in the segment.
OWNER, SEGMENT = "ann@t.example", "Mid-Market"


def revenue(hours, arr, currency):
    """A report of revenue, known at once."""
    at = START + dt.timedelta(hours=hours)
    return Row(at, at, {"billing.arr": arr, "billing.currency": currency})


# Up and down in one currency, and from one to the other, within a stage and with a move.
CHANGES = [
    [Row(START + dt.timedelta(hours=hours), START, stage) for hours, stage in ((5, "Prospect"), (80, "Active"))],
    [
        revenue(hours, arr, currency)
        for hours, arr, currency in (
            *((10, "50.00", "EUR"), (30, "70.00", "EUR"), (40, "50.00", "USD"), (60, "70.00", "EUR")),
            *((80, "50.00", "EUR"), (130, "70.00", "USD"), (160, "50.00", "USD"), (200, "50.00", "EUR")),
        )
    ],
]


def write(tenant, pasts):
    """Customers with these pasts, as the record has them; name -> (id, moves, reports)."""
    written = {}
    made = {LifecycleHistory: [], CustomerLifecycleStatus: [], FigureChange: []}
    for number, (moves, reports) in enumerate(pasts):
        owner = "" if number % 2 else OWNER
        customer = CustomerFactory(tenant=tenant, name=f"customer {number}", stage=None, owner=owner, segment=SEGMENT)
        of_customer = {"tenant_id": tenant.id, "customer_id": customer.id}
        made[LifecycleHistory] += [
            LifecycleHistory(
                **of_customer,
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
            for sequence, row in enumerate(moves, 1)
        ]
        made[CustomerLifecycleStatus] += [
            CustomerLifecycleStatus(
                **of_customer,
                stage=row.says,
                stage_entered_at=row.effective,
                updated_at=row.effective,
                version=len(moves),
                head_hash=b"",
            )
            for row in moves[-1:]
        ]
        made[FigureChange] += [
            FigureChange(
                **of_customer,
                effective_at=row.effective,
                recorded_at=row.recorded,
                source="/crm",
                figures=row.says,
            )
            for row in reports
        ]
        written[customer.name] = (customer.id, moves, reports)
    with tenant_context(tenant.id):
        for model, rows in made.items():
            model.objects.bulk_create(rows)
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


def compare_chosen(about, written, *, stages, tenant):
    """What is said of one day of those who are asked for; (the list of the day by replay, stage -> how many, money)."""
    here = {
        name: found
        for name, (_id, moves, _r) in written.items()
        if (found := replay_stage(moves, about.end, about.known))
    }
    rows = list_past(about, stages=stages, tenant=tenant).rows
    assert {row["name"]: (row["stage"], row["entered"]) for row in rows} == here
    assert [row["name"] for row in rows] == sorted(here) and count_past(about, tenant=tenant) == len(here)
    counted = Counter(stage for stage, _since in here.values())
    money = Counter()
    for name, (stage, _since) in here.items():
        arr, currency = replay_revenue(written[name][2], about.end)
        money[stage, currency] += arr
    money = {key: arr for key, arr in money.items() if arr} if about.known == EFFECTIVE else {}
    filters = {"owner": about.owner, "segment": about.segment}
    board = read_past_board(about.day, stages=stages, tenant=tenant, known=about.known, **filters)
    assert {column.stage: column.customers for column in board if column.customers} == counted
    assert {(column.stage, currency): arr for column in board for currency, arr in column.money} == money
    assert {card["name"]: (column.stage, card["entered"]) for column in board for card in column.cards} == here
    assert all(
        list(column.cards) == sorted(column.cards, key=lambda card: card["entered"], reverse=True) for column in board
    )
    if about.known == EFFECTIVE:
        flows = read_flows(Period(about.day, about.day, **filters).counted(tenant), tenant=tenant)
        stands = {stages.name(key): one for key, one in totals_over_time(flows, 1)[1].items() if key}
        assert {stage: one.customers for stage, one in stands.items() if one.customers} == counted
        assert {(stage, currency): arr for stage, one in stands.items() for currency, arr in one.money} == money
    return here, counted, money


def compare(about, written, *, stages, tenant):
    """Everything that is said of one day."""
    here, counted, money = compare_chosen(about, written, stages=stages, tenant=tenant)
    totals = read_past_totals(about.day, stages=stages, tenant=tenant, known=about.known)
    assert {one["stage"]: one["customers"] for one in totals["stages"] if one["customers"]} == counted
    assert {one["stage"]: one["over_expected"] for one in totals["stages"] if one["over_expected"]} == Counter(
        stage for stage, since in here.values() if (about.end - since).days > EXPECTED.get(stage, 999)
    )
    said = {(one["stage"], m["currency"]): Decimal(m["arr"]) for one in totals["stages"] for m in one["money"]}
    assert {key: arr for key, arr in said.items() if arr} == money
    judged = {row["name"]: row["health"] for row in list_as_of(about, stages=stages, tenant=tenant, limit=9).rows}
    # A customer a day, in turn.
    name = sorted(written)[about.day.toordinal() // 2 % len(written)]
    customer_id, _moves, reports = written[name]
    past = read_past(customer_id, about.day, known=about.known, tenant=tenant)
    assert ((past.stage, past.stage_entered_at) if past.stage else None) == here.get(name)
    held = replay_figures(reports, about.end, about.known)
    assert {path: value for path, (value, _at) in past.figures.items()} == held
    health = judge_past(customer_id, past, stages=stages, tenant=tenant)
    assert (health and {"score": health.judged.score, "band": health.judged.band}) == judged.get(name)


def compare_periods(stages, tenant, *, has_sums):
    """The sums of the segment that everyone is in say what those of everyone do; those of the owner, if that one
    ``has_sums``, what the stays of their customers do.
    """
    begin = START.date()
    of_all, of_segment, of_owner = (
        Period(begin, begin + dt.timedelta(days=DAYS), **of) for of in ({}, {"segment": SEGMENT}, {"owner": OWNER})
    )
    assert of_owner.counted(tenant) == replace(of_owner, has_sums=has_sums)
    for read in (
        lambda period: sorted(read_flows(period, tenant=tenant)),
        lambda period: read_stays(period, stages.keys, tenant=tenant, now=START + dt.timedelta(days=30)),
        lambda period: read_reached(period, tenant=tenant),
        lambda period: read_cohorts(period, (), tenant=tenant, today=period.end),
        lambda period: read_reasons(period, stages.keys[:2], tenant=tenant),
    ):
        assert read(of_all) == read(of_segment)
        assert read(of_owner.counted(tenant)) == read(of_owner)


@settings(max_examples=12)
@example(pasts=[CHANGES, CHANGES, ([], [])], first=0)
@example(pasts=[CHANGES, CHANGES], first=1)
@given(pasts=PASTS, first=st.integers(min_value=0, max_value=1))
def test_of_every_day_everything_says_what_a_replay_of_the_history_says(
    django_db_setup, django_db_blocker, pasts, first
):
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration={**MINIMAL, "max_days": EXPECTED})
        written = write(tenant, pasts)
        # The owner has sums in every second example.
        with mock.patch.object(owners, "MANY", 1 if first else 99):
            keep_facts(tenant)
        assert not find_wrong_sums(tenant)
        of_owner = {name: written[name] for name in sorted(written)[::2]}
        with tenant_context(tenant.id):
            stages = Stages.of(live_policy(tenant.id), tenant)
            compare_periods(stages, tenant, has_sums=bool(first))
            for days in range(-1, DAYS + 6):
                # A day as it was, the next as it was known, the other way round in other examples.
                about = PastQuestion(
                    (START + dt.timedelta(days=days)).date(), (EFFECTIVE, RECORDED)[(days + first) % 2]
                )
                compare(about, written, stages=stages, tenant=tenant)
                if days // 2 % 2:
                    compare_chosen(replace(about, segment=SEGMENT), written, stages=stages, tenant=tenant)
                else:
                    compare_chosen(replace(about, owner=OWNER), of_owner, stages=stages, tenant=tenant)
