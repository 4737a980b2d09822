"""The process that makes forecasts goes on, and makes those of the others, whatever happens to one tenant."""

from contextlib import contextmanager
from io import StringIO

import pytest
from django import db as errors
from django.core.management import CommandError, call_command
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled

from lifecycle.management import daily
from lifecycle.management.commands import forecast_churn as command
from lifecycle.services.insight.forecasting import find_age, forecast_churn, is_done
from tests.factories import MINIMAL, TenantFactory, utc_now
from tests.services.test_forecasts import RISKY, learned, tell_past

CAUSES = [DeadlockDetected, LockNotAvailable, QueryCanceled]


@pytest.fixture
def rounds(monkeypatch):
    """``rounds(count, *tenants)``: the process looks so often at these, and is then asked to end. What it says.

    ``choose``: what lists the tenants instead.
    """
    monkeypatch.setattr(daily, "end_in_time", lambda _stop: None)

    def run(count, *tenants, choose=None):
        left = [count]

        def wait(_health, stop, _seconds):
            left[0] -= 1
            if not left[0]:
                stop.set()

        monkeypatch.setattr(daily.HealthFile, "wait", wait)
        monkeypatch.setattr(command, "choose_tenants", choose or (lambda *_: list(tenants)))
        call_command("forecast_churn", every=600.0, stdout=(said := StringIO()))
        return said.getvalue()

    return run


@pytest.fixture
def tenants(db):
    return TenantFactory(configuration=RISKY), TenantFactory(configuration=MINIMAL)


def remember_requests(monkeypatch):
    """The request to end of each run that begins, for the test to set."""
    real, requests = daily.stop_on_signals, []

    @contextmanager
    def remember():
        with real() as stop:
            requests.append(stop)
            yield stop

    monkeypatch.setattr(daily, "stop_on_signals", remember)
    return requests


def test_the_process_makes_each_day_s_forecasts_once_and_tries_again_what_failed(db, monkeypatch, rounds):
    broken, unborn, good = (TenantFactory(configuration=one) for one in (RISKY, None, RISKY))
    for tenant, seed in ((broken, 7), (good, 8)):
        tell_past(tenant, 90, seed=seed)
    real, asked = forecast_churn, []

    def flaky(tenant, *, now):
        asked.append(tenant.slug)
        if asked == [broken.slug]:
            raise ValueError("not this time")
        return real(tenant, now=now)

    monkeypatch.setattr(command, "forecast_churn", flaky)
    said = rounds(1, broken, unborn, good)
    assert asked == [broken.slug, good.slug] and f"{good.slug}: too little past" in said
    assert learned(broken) is None and learned(good) is not None
    oldest = command.metrics.forecast_oldest._value.get()
    assert oldest == find_age(broken).timestamp() < find_age(good).timestamp()
    rounds(2, broken, unborn, good)
    assert asked == [broken.slug, good.slug, broken.slug]
    assert command.metrics.forecast_oldest._value.get() == find_age(good).timestamp()


def test_a_process_that_knows_no_tenant_has_no_old_forecasts(db, rounds):
    rounds(1, TenantFactory(configuration=None))
    assert utc_now().timestamp() - command.metrics.forecast_oldest._value.get() < 60


def failing(monkeypatch, name, tenant, error, *, times=1):
    """The look-up of this name fails for the tenant, so often."""
    real, left = getattr(command, name), [times]

    def flaky(asked, **options):
        if asked == tenant and left[0]:
            left[0] -= 1
            raise error
        return real(asked, **options)

    monkeypatch.setattr(command, name, flaky)


def caused_by(cause):
    error = errors.OperationalError("x")
    error.__cause__ = cause("x")
    return error


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("name", ["find_age", "is_done"])
def test_a_look_up_that_fails_for_one_tenant_is_made_again_in_the_next_round(
    tenants,
    monkeypatch,
    rounds,
    name,
    cause,
):
    broken, good = tenants
    failing(monkeypatch, name, broken, caused_by(cause))
    said = rounds(1, broken, good)
    assert f"{good.slug}: too little past" in said and f"{broken.slug}:" not in said
    assert is_done(good, now=utc_now()) and not is_done(broken, now=utc_now())
    assert f"{broken.slug}: too little past" in rounds(1, broken, good)


def test_a_list_of_tenants_that_takes_too_long_is_asked_for_again(tenants, rounds):
    asked = []

    def choose(*_):
        asked.append(1)
        if len(asked) == 1:
            raise caused_by(QueryCanceled)
        return list(tenants)

    said = rounds(2, choose=choose)
    assert all(f"{tenant.slug}: too little past" in said for tenant in tenants)


def test_forecasts_grow_no_younger_by_an_age_that_cannot_be_looked_up(tenants, monkeypatch, rounds):
    broken, good = tenants
    made = command.metrics.forecast_oldest._value
    monkeypatch.setattr(command.Command, "work_today", lambda _self, _tenant, _stop: None)
    real, looked = find_age, []

    def flaky(tenant):
        looked.append(tenant)
        if tenant == broken and len(looked) > len(tenants):
            raise caused_by(LockNotAvailable)
        return real(tenant)

    monkeypatch.setattr(command, "find_age", flaky)
    rounds(2, broken, good)
    assert looked == [broken, good, broken, good]
    assert made.get() == real(broken).timestamp() < real(good).timestamp()


def test_a_process_that_is_asked_to_end_while_it_looks_up_ages_looks_up_no_others(tenants, monkeypatch, rounds):
    """Those of thousands of tenants take longer than it is given to end."""
    requests, looked, real = remember_requests(monkeypatch), [], find_age

    def look_up(tenant):
        looked.append(tenant)
        requests[0].set()
        return real(tenant)

    monkeypatch.setattr(command, "find_age", look_up)
    rounds(1, *tenants)
    assert looked == [tenants[0]]
    assert not is_done(tenants[0], now=utc_now())


def test_a_single_run_makes_the_others_too_and_names_the_one_that_failed(tenants, monkeypatch):
    broken, good = tenants
    monkeypatch.setattr(command, "choose_tenants", lambda *_: list(tenants))
    failing(monkeypatch, "is_done", broken, caused_by(QueryCanceled))
    with pytest.raises(CommandError, match=f"No forecast was made for {broken.slug}"):
        call_command("forecast_churn", stdout=(said := StringIO()), stderr=StringIO())
    assert f"{good.slug}: too little past" in said.getvalue()


def test_a_single_run_that_is_asked_to_stop_says_that_not_all_was_done(tenants, monkeypatch):
    monkeypatch.setattr(command, "choose_tenants", lambda *_: list(tenants))
    requests = remember_requests(monkeypatch)

    def work(tenant, *, now):
        requests[0].set()
        yield from forecast_churn(tenant, now=now)

    monkeypatch.setattr(command, "forecast_churn", work)
    with pytest.raises(CommandError, match=r"Stopped\. Run it again; tenants that are done today are left out\."):
        call_command("forecast_churn", stdout=(said := StringIO()))
    assert said.getvalue() == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0.0}, "--every needs a number of seconds above 0."),
        ({"every": 60.0, "again": True}, "--again is for"),
    ],
)
def test_what_makes_no_sense_together_is_refused_before_anything_begins(options, said):
    with pytest.raises(CommandError, match=said):
        call_command("forecast_churn", **options)
