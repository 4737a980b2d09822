"""The churn forecast of a tenant: learned at night, shown where it proves itself, made again for one customer."""

import datetime as dt
import json
from io import StringIO
from math import exp, fsum, log1p
from random import Random
from uuid import uuid4

import pytest
from django.core.management import call_command

from lifecycle.delivery.senders import deliver
from lifecycle.models import (
    Customer,
    CustomerForecast,
    CustomerLifecycleStatus,
    FigureChange,
    ForecastFit,
    InsightState,
    Stay,
)
from lifecycle.rules.insight.stays import FOREVER
from lifecycle.rules.transitions import Change
from lifecycle.services.compliance.erasure import erase_customer
from lifecycle.services.compliance.exports import export_customer
from lifecycle.services.effects.claims import claim, find_lanes
from lifecycle.services.insight import forecasting
from lifecycle.services.insight.forecasting import find_age, forecast_churn, is_done, list_landmarks
from lifecycle.services.insight.forecasts import as_days, read_forecast, read_learned
from lifecycle.services.transitions.apply import Call, apply
from tenants.actors import system_actor
from tenants.context import tenant_context
from tests.factories import MINIMAL, CustomerFactory, TenantFactory, utc_now

NOW = dt.datetime(2026, 6, 1, 3, tzinfo=dt.UTC)
ACTOR = system_actor("tests")
EFFECT = {"name": "Forecast", "kind": "forecast", "on": "enter", "stages": ["At-Risk"]}
RISKY = {**MINIMAL, "categories": {"At-Risk": "risk", "Churned": "lost"}, "effects": [EFFECT]}


def tell_past(tenant, count, *, seed, tells=True):
    """Customers who come over 16 months; the unhappy third churns ten times as fast. Without ``tells`` their
    satisfaction says nothing of it. Who is lost by now, and who is not.
    """
    random = Random(seed)
    rows = {model: [] for model in (Customer, CustomerLifecycleStatus, Stay, InsightState, FigureChange)}
    lost, here = [], []
    for number in range(count):
        customer_id, name = uuid4(), f"{tenant.slug}-{number}"
        came = NOW - dt.timedelta(days=random.uniform(240, 720))
        is_unhappy = random.random() < 1 / 3
        gone = came + dt.timedelta(days=random.expovariate(1 / (250 if is_unhappy else 2500)))
        of = {"tenant_id": tenant.id, "customer_id": customer_id}
        rows[Customer].append(
            Customer(
                tenant_id=tenant.id,
                id=customer_id,
                external_id=name,
                name=name,
                name_key=name,
                source="/crm",
                occurred_at=came,
                created_at=NOW,
                updated_at=NOW,
            )
        )
        moves = [("Active", came), *([("Churned", gone)] if gone < NOW else [])]
        (lost if gone < NOW else here).append(customer_id)
        for at, (stage, since) in enumerate(moves):
            until, to = (moves[at + 1][1], "0:Churned") if at + 1 < len(moves) else (FOREVER, "")
            rows[Stay].append(
                Stay(
                    **of,
                    sequence=at + 1,
                    piece=0,
                    from_stage="0:Active" if at else "",
                    stage=f"0:{stage}",
                    to_stage=to,
                    began=since,
                    ended=until,
                    entered=since,
                    left_at=until,
                    known=since,
                    known_until=until,
                    by_configuration=False,
                    left_by_configuration=False,
                    cohort=came.date().replace(day=1),
                    arr=0,
                    was_arr=0,
                )
            )
        rows[CustomerLifecycleStatus].append(
            CustomerLifecycleStatus(
                **of,
                stage=moves[-1][0],
                stage_entered_at=moves[-1][1],
                updated_by="tests",
                updated_at=NOW,
                version=len(moves),
                actor_kind="system",
                source="Import",
                head_hash=b"",
            )
        )
        rows[InsightState].append(InsightState(**of, sequence=len(moves), figures=0, segment=""))
        says_unhappy = is_unhappy if tells else random.random() < 1 / 3
        rows[FigureChange].append(
            FigureChange(
                **of,
                effective_at=came,
                recorded_at=NOW,
                source="/support",
                figures={"support.csat": "2.0" if says_unhappy else "4.5"},
            )
        )
    with tenant_context(tenant.id):
        for model, made in rows.items():
            model.objects.bulk_create(made, batch_size=1000)
    return lost, here


def night(tenant, now=NOW):
    return list(forecast_churn(tenant, now=now))


@pytest.fixture(scope="module")
def acme(django_db_setup, django_db_blocker):
    """A tenant whose satisfaction says who churns, after its first night: it, who is not lost, and what was there then
    of each of them, for a test here erases one and another adds one: the forecasts, the figures, and who came when.
    """
    with django_db_blocker.unblock():
        tenant = TenantFactory(configuration=RISKY)
        _, here = tell_past(tenant, 700, seed=3)
        night(tenant)
        with tenant_context(tenant.id):
            said = dict(FigureChange.objects.filter(tenant_id=tenant.id).values_list("customer_id", "figures"))
            came = dict(Stay.objects.filter(tenant_id=tenant.id, sequence=1).values_list("customer_id", "entered"))
        return tenant, here, (forecasts(tenant), said, came)


def forecasts(tenant):
    with tenant_context(tenant.id):
        return {one.customer_id: one for one in CustomerForecast.objects.filter(tenant_id=tenant.id)}


def learned(tenant):
    with tenant_context(tenant.id):
        return read_learned(tenant)


def test_everyone_who_is_not_lost_has_a_chance_that_adds_up(acme, db):
    tenant, here, (made, said, came) = acme
    fit = learned(tenant)
    assert fit.state == ForecastFit.SHOWN and fit.proof.z > 1.645 and fit.proof.brier < fit.proof.brier_baseline
    assert fit.proof.calls > fit.proof.calls_baseline and made.keys() == set(here)
    names = dict(zip(fit.model.names, range(99), strict=False))
    assert set(names) == {"time_in_stage", "time_as_customer", "satisfaction"}
    chances = {"2.0": [], "4.5": []}
    for customer_id, one in made.items():
        csat = said[customer_id]["support.csat"]
        days = log1p(as_days(NOW) - as_days(came[customer_id]))
        values = {"time_in_stage": days, "time_as_customer": days, "satisfaction": float(csat)}
        odds = fit.model.coefficients[0] + sum(
            fit.model.coefficients[1 + at] * (values[name] - fit.model.means[at]) / fit.model.scales[at]
            for name, at in names.items()
        )
        assert one.chance == pytest.approx(1 / (1 + exp(-odds)), abs=1e-6)
        assert 0 < one.low < one.chance < one.high < 1 and one.sequence == 1
        assert fsum(one.points.values()) == pytest.approx(one.chance - one.typical, abs=1e-12)
        chances[csat].append(one.chance)
    # In truth 1 - exp(-90 / 250) and 1 - exp(-90 / 2500).
    assert sum(chances["2.0"]) / len(chances["2.0"]) == pytest.approx(0.302, abs=0.06)
    assert sum(chances["4.5"]) / len(chances["4.5"]) == pytest.approx(0.035, abs=0.02)


def test_the_model_is_no_one_s_data_and_outlives_an_erasure(acme, db):
    tenant, here, _ = acme
    with tenant_context(tenant.id):
        fit = ForecastFit.objects.get(tenant_id=tenant.id)
        text = json.dumps([fit.model, fit.proof, fit.found])
        assert not any(str(customer_id) in text for customer_id in here)
        customer = Customer.objects.get(tenant_id=tenant.id, id=here[0])
        exported = export_customer(customer.external_id, tenant=tenant, actor=ACTOR, now=NOW)
        assert exported["forecast"]["chance"] == read_forecast(customer.id, tenant=tenant).chance
        erase_customer(customer.external_id, tenant=tenant, actor=ACTOR, reason="asked", now=NOW)
        assert read_forecast(customer.id, tenant=tenant) is None
        assert read_forecast(here[1], tenant=tenant) is not None
    assert learned(tenant).model.to_document() == fit.model


def test_a_customer_lost_today_has_no_forecast_of_last_night(acme, db):
    tenant, here, _ = acme
    with tenant_context(tenant.id):
        assert read_forecast(here[4], tenant=tenant) is not None
        CustomerLifecycleStatus.objects.filter(customer_id=here[4]).update(stage="At-Risk")
        assert read_forecast(here[4], tenant=tenant) is not None
        CustomerLifecycleStatus.objects.filter(customer_id=here[4]).update(stage="Churned")
        assert read_forecast(here[4], tenant=tenant) is None


def test_another_tenant_sees_nothing_of_it(acme, db):
    _, here, _ = acme
    other = TenantFactory(configuration=RISKY)
    with tenant_context(other.id):
        assert read_forecast(here[2], tenant=other) is None and read_learned(other) is None
        assert not CustomerForecast.objects.exists() and not ForecastFit.objects.exists()


def test_a_forecast_worth_nothing_is_hidden_and_takes_the_earlier_ones_with_it(db):
    tenant = TenantFactory(configuration=RISKY)
    _, here = tell_past(tenant, 600, seed=5, tells=False)
    with tenant_context(tenant.id):
        CustomerForecast.objects.create(
            tenant_id=tenant.id,
            customer_id=here[0],
            made_at=NOW - dt.timedelta(days=1),
            sequence=1,
            chance=0.5,
            low=0.4,
            high=0.6,
            typical=0.1,
            points={},
        )
    night(tenant)
    fit = learned(tenant)
    assert fit.state == ForecastFit.HIDDEN and fit.proof.z <= 1.645 and not forecasts(tenant)


def test_too_little_past_is_said_in_numbers_and_done_once_a_day(db):
    tenant = TenantFactory(configuration=RISKY)
    tell_past(tenant, 90, seed=6)
    night(tenant, utc_now())
    fit = learned(tenant)
    assert fit.state == ForecastFit.TOO_LITTLE and fit.proof is None and not forecasts(tenant)
    assert 0 < fit.found["fit"] < fit.found["needed_to_fit"] == 100 and fit.found["needed_to_test"] == 50
    call_command("forecast_churn", tenant=tenant.slug, stdout=(said := StringIO()))
    assert said.getvalue() == f"{tenant.slug}: done today\n"
    call_command("forecast_churn", tenant=tenant.slug, again=True, stdout=(said := StringIO()))
    assert (
        f"{tenant.slug}: too little past: {fit.found['fit']} of 100 churned customers to learn from" in said.getvalue()
    )


def test_a_tenant_without_a_past_has_no_forecast(db):
    tenant = TenantFactory(configuration=RISKY)
    assert [one.total for one in forecast_churn(tenant, now=NOW)] == [0, 0]
    assert learned(tenant).found["fit"] == 0 and learned(tenant).found["landmarks"] == 0


def test_stopped_in_between_it_begins_again_and_learns_of_some_customers_where_there_are_too_many(db, monkeypatch):
    tenant = TenantFactory(configuration=RISKY)
    _, here = tell_past(tenant, 700, seed=3)
    monkeypatch.setattr(forecasting, "BATCH", 300)
    run = forecast_churn(tenant, now=NOW)
    assert [next(run).done for _ in range(3)] == [0, 300, 600]
    run.close()
    assert learned(tenant) is None and not is_done(tenant, now=NOW) and not forecasts(tenant)
    night(tenant)
    whole = learned(tenant)
    assert is_done(tenant, now=NOW) and whole.found["every"] == 1 and forecasts(tenant).keys() == set(here)
    assert not is_done(tenant, now=NOW + dt.timedelta(days=1))
    monkeypatch.setattr(forecasting, "MOST_ROWS", 10_000)
    night(tenant)
    assert learned(tenant).found["every"] == 2 and learned(tenant).found["fit"] < whole.found["fit"]


def test_of_two_nights_at_once_the_later_one_is_kept(db):
    tenant = TenantFactory(configuration=RISKY)
    _, here = tell_past(tenant, 700, seed=3)
    earlier = forecast_churn(tenant, now=NOW)
    next(earlier)
    night(tenant, NOW + dt.timedelta(minutes=5))
    assert [one.done for one in earlier] == [700]
    fit, made = learned(tenant), forecasts(tenant)
    assert fit.made_at == NOW + dt.timedelta(minutes=5) and made.keys() == set(here)
    assert {one.made_at for one in made.values()} == {fit.made_at} and is_done(tenant, now=NOW)


def test_while_a_night_goes_on_the_forecasts_are_as_old_as_those_of_the_day_before(db):
    tenant, unborn = TenantFactory(configuration=RISKY), TenantFactory(configuration=None)
    tell_past(tenant, 700, seed=3)
    since = find_age(tenant)
    assert utc_now() - since < dt.timedelta(days=7), "it waits since its first configuration"
    assert find_age(unborn) is None
    night(tenant)
    next_night = NOW + dt.timedelta(days=1)
    run = forecast_churn(tenant, now=next_night)
    for _ in range(3):
        next(run)
    assert learned(tenant).made_at == next_night
    assert find_age(tenant) == NOW and not is_done(tenant, now=next_night)
    run.close()
    night(tenant, next_night)
    assert find_age(tenant) == next_night and is_done(tenant, now=next_night)


def test_what_was_erased_while_the_night_went_on_does_not_come_back(db, monkeypatch):
    tenant = TenantFactory(configuration=RISKY)
    _, here = tell_past(tenant, 700, seed=3)
    run = forecast_churn(tenant, now=NOW)
    assert [next(run).done for _ in range(2)] == [0, 700]
    with tenant_context(tenant.id):
        name = Customer.objects.get(id=here[3]).external_id
        erase_customer(name, tenant=tenant, actor=ACTOR, reason="asked", now=NOW + dt.timedelta(minutes=1))
    assert len(list(run)) >= 1
    assert forecasts(tenant).keys() == {*here} - {here[3]}


def test_a_stage_change_makes_the_customer_s_forecast_again(acme, db):
    tenant, _, _ = acme
    customer = CustomerFactory(tenant=tenant, stage="Active")
    with tenant_context(tenant.id):
        assert read_forecast(customer.id, tenant=tenant) is None
        FigureChange.objects.create(
            tenant_id=tenant.id,
            customer_id=customer.id,
            effective_at=NOW,
            recorded_at=utc_now(),
            source="/support",
            figures={"support.csat": "2.0"},
        )

    def move(stage):
        call = Call(tenant, ACTOR, "API", utc_now(), uuid4(), starts_effects=True)
        with tenant_context(tenant.id):
            (outcome,) = apply(call, [Change(customer.id, stage, reason_code="x")])
        assert outcome.moved
        lanes = [lane for lane in find_lanes(10_000) if lane.tenant.id == tenant.id]
        return [job for lane in lanes for job in claim(lane.tenant, {lane.id: 10}, now=utc_now())]

    (job,) = move("At-Risk")
    result = deliver(job)
    assert result.state == "done" and result.attempt["answer"] == "Made again."
    with tenant_context(tenant.id):
        one = read_forecast(customer.id, tenant=tenant)
        assert one.sequence == 2 and one.points["satisfaction"] > 0
        assert fsum(one.points.values()) == pytest.approx(one.chance - one.typical, abs=1e-12)
        apply(Call(tenant, ACTOR, "API", utc_now(), uuid4()), [Change(customer.id, "Churned", reason_code="x")])
    assert deliver(job).attempt["answer"] == "There is no forecast to show."
    with tenant_context(tenant.id):
        assert read_forecast(customer.id, tenant=tenant) is None


def test_landmarks_are_the_months_whose_90_days_are_over():
    first = as_days(dt.datetime(2025, 11, 30, 12, tzinfo=dt.UTC))
    assert list_landmarks(first, NOW) == [dt.date(2025, 12, 1), *(dt.date(2026, month, 1) for month in (1, 2, 3))]
    assert list_landmarks(None, NOW) == []
    assert len(list_landmarks(0.0, NOW)) == 36
