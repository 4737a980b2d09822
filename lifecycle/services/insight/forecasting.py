"""Learning a tenant's churn forecast from its past, proving it, and making the forecast of every customer.

All customers are read once, a batch a transaction: what they were at each landmark goes into arrays of small numbers, a
million rows at most (of larger tenants one customer of so many is learned from). Only this module loads numpy.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import numpy as np

from lifecycle.models import Customer, CustomerForecast, ForecastFit
from lifecycle.queries.insight import forecasts as statements
from lifecycle.rules.forecast.fitting import Window, fit_model, predict
from lifecycle.rules.forecast.landmarks import FEATURES, HORIZON, TIME_IN_STAGE, Meaning, Report, Row, Stay, rows_of
from lifecycle.rules.forecast.model import STAGE, Model
from lifecycle.rules.forecast.proof import count_churners, prove, weigh
from lifecycle.rules.forecast.tables import CHURNERS_TO_FIT, CHURNERS_TO_TEST, Proof, needed_to_fit
from lifecycle.services.insight.forecasts import as_days, ask, describe, keep_forecasts, read_meaning, read_reports
from lifecycle.services.insight.keeping import keep_facts
from lifecycle.services.insight.reading import midnight, next_month
from storage.cursors import plain_array
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.models import ConfigurationVersion

BATCH: Final = 1000
MOST_ROWS: Final = 1_000_000
MOST_LANDMARKS: Final = 36
TESTED: Final = 6
_FIRST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Progress:
    """How many customers were read, of how many."""

    done: int
    total: int


@dataclass(slots=True)
class _Past:
    """The rows by landmark while customers are read, and each customer as it is now."""

    stages: dict[str, int] = field(default_factory=dict)
    rows: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    present: list[tuple[list[UUID], list[str], list[int], Any]] = field(default_factory=list)
    customers: int = 0

    def add(self, rows: Mapping[int, Sequence[tuple[float, ...]]]) -> None:
        for landmark, found in rows.items():
            self.rows[landmark].append(np.array(found, dtype=np.float32))

    def names(self) -> tuple[str, ...]:
        """All columns: the stages but the most frequent one, and the features."""
        counts = np.zeros(len(self.stages))
        for parts in self.rows.values():
            for part in parts:
                counts += np.bincount(part[:, 0].astype(int), minlength=len(self.stages))
        usual = int(counts.argmax()) if len(counts) else -1
        return (*(f"{STAGE}:{key}" for key, number in self.stages.items() if number != usual), *FEATURES)

    def windows(self, names: Sequence[str]) -> dict[int, Window]:
        """The rows of each landmark as ``fitting`` takes them."""
        numbers = [self.stages[name.partition(":")[2]] for name in names if name.startswith(f"{STAGE}:")]
        found = {}
        for landmark in sorted(self.rows):
            rows = np.concatenate(self.rows.pop(landmark))
            stages = rows[:, :1] == np.array(numbers)[None, :] if numbers else np.zeros((len(rows), 0))
            days, churned, is_censored = rows[:, -4:-1].astype(np.float64).T
            x = np.column_stack([stages, rows[:, 1 : 1 + len(FEATURES)]]).astype(np.float32)
            weight = weigh(days, churned, is_censored)
            found[landmark] = Window(x, churned, weight, rows[:, -1].astype(np.int64))
        return found


@dataclass(frozen=True, slots=True)
class _Learned:
    """A model and its proof, or why there is none."""

    state: str
    found: dict[str, Any]
    model: Model | None = None
    proof: Proof | None = None


def is_done(tenant: TenantRef, *, now: dt.datetime) -> bool:
    """Whether the tenant's forecasts of this day are made already."""
    with tenant_context(tenant.id):
        rows = ForecastFit.objects.filter(tenant_id=tenant.id, finished_at__gte=midnight(now.date()))
        return rows.exists()


def find_age(tenant: TenantRef) -> dt.datetime | None:
    """When the forecasts of all its customers were last made, or since when the tenant waits for its first.

    None: it has no configuration yet, so it has no customers. Two statements at most.
    """
    with tenant_context(tenant.id):
        made = ForecastFit.objects.filter(tenant_id=tenant.id).values_list("finished_at", flat=True).first()
        if made is not None:
            return made
        published = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=False)
        return published.order_by("number").values_list("published_at", flat=True).first()


def forecast_churn(tenant: TenantRef, *, now: dt.datetime) -> Iterator[Progress]:
    """Learn the tenant's model and make the forecast of every customer with it, if it beats the baseline.

    Yields after each batch. Stopped, or killed, it leaves the forecasts of the day before, or some of today's; it
    begins again. Of two at once, the later one's are kept. Call outside of any transaction.
    """
    keep_facts(tenant)
    with tenant_context(tenant.id):
        meaning = read_meaning(tenant)
        ((total,),) = ask(statements.COUNT, tenant)
        ((first,),) = ask(statements.FIRST, tenant)
    yield Progress(0, total)
    landmarks = list_landmarks(first, now)
    past = _Past()
    every = max(1, -(-total * len(landmarks) // MOST_ROWS))
    after, done = _FIRST, 0
    while True:
        with tenant_context(tenant.id):
            allow_seconds(JOB_SECONDS)
            batch = [id_ for (id_,) in ask(statements.CUSTOMERS, tenant, after=after, batch=BATCH)]
            if not batch:
                break
            _read(batch, tenant, past, [as_days(midnight(day)) for day in landmarks], meaning, now, every)
        after, done = batch[-1], done + len(batch)
        yield Progress(done, max(done, total))
    learned = learn(past, landmarks)
    learned.found.update(customers=done, every=every)
    if not _keep(learned, tenant, now):
        return
    if learned.model is not None and learned.state == ForecastFit.SHOWN:
        for ids, stages, sequences, values in past.present:
            with tenant_context(tenant.id):
                allow_seconds(JOB_SECONDS)
                made = [
                    describe(id_, Row(0, stage, tuple(map(float, row)), HORIZON, False, False), sequence, learned.model)
                    for id_, stage, sequence, row in zip(ids, stages, sequences, values, strict=True)
                ]
                keep_forecasts(made, tenant=tenant, now=now)
            yield Progress(done, max(done, total))
    with tenant_context(tenant.id):
        allow_seconds(JOB_SECONDS)
        forecasts = CustomerForecast.objects.filter(tenant_id=tenant.id)
        forecasts.filter(made_at__lt=now).delete()
        # What was read before they were erased.
        erased = Customer.objects.filter(tenant_id=tenant.id, erased_at__gte=now)
        forecasts.filter(customer_id__in=erased.values("id")).delete()
        ForecastFit.objects.filter(tenant_id=tenant.id, made_at=now).update(finished_at=now)
    yield Progress(done, max(done, total))


def list_landmarks(first: float | None, now: dt.datetime) -> list[dt.date]:
    """The beginnings of months whose 90 days are over, since the first customer came; the last three years' at most."""
    if first is None:
        return []
    day = next_month((dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=first)).date())
    found = []
    while midnight(day) + dt.timedelta(days=HORIZON) <= now:
        found.append(day)
        day = next_month(day)
    return found[-MOST_LANDMARKS:]


def _read(
    batch: Sequence[UUID],
    tenant: TenantRef,
    past: _Past,
    landmarks: Sequence[float],
    meaning: Meaning,
    now: dt.datetime,
    every: int,
) -> None:
    """Add these customers to the past. Two statements."""
    stays: dict[UUID, list[Stay]] = defaultdict(list)
    for customer_id, *stay in ask(statements.STAYS, tenant, customer_ids=plain_array(batch)):
        stays[customer_id].append(Stay(*stay))
    reports: dict[UUID, list[Report]] = read_reports(batch, tenant=tenant)
    rows: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    present: list[tuple[UUID, str, int, tuple[float, ...]]] = []
    timestamps = [*landmarks, as_days(now)]
    for customer_id in batch:
        found = list(rows_of(stays[customer_id], reports[customer_id], timestamps, meaning))
        if found and found[-1].landmark == len(landmarks):
            current = found.pop()
            present.append((customer_id, current.stage, len(stays[customer_id]), current.values))
        if customer_id.int % every:
            continue
        for row in found:
            stage = past.stages.setdefault(row.stage, len(past.stages))
            rows[row.landmark].append(
                (stage, *row.values, row.days, float(row.churned), float(row.is_censored), past.customers)
            )
        past.customers += 1
    past.add(rows)
    if present:
        ids, stages, sequences, values = zip(*present, strict=True)
        past.present.append((list(ids), list(stages), list(sequences), np.array(values)))


def learn(past: _Past, landmarks: Sequence[dt.date]) -> _Learned:
    """A model of the whole past, if one of the earlier part proves better than the baseline on the last windows.

    The 90 days of the earlier landmarks are over before the first of the windows that are tested on.
    """
    tested = min(TESTED, len(landmarks) // 3)
    first_tested = landmarks[-tested] if tested else None
    names = past.names()
    windows = past.windows(names)
    tested_on = [number for number in range(len(landmarks) - tested, len(landmarks)) if number in windows]
    test = [windows[number] for number in tested_on]
    train = [
        windows[number]
        for number, day in enumerate(landmarks)
        if number in windows and first_tested and day + dt.timedelta(days=HORIZON) <= first_tested
    ]
    found: dict[str, Any] = {
        "fit": count_churners(train),
        "test": count_churners(test),
        "needed_to_fit": CHURNERS_TO_FIT,
        "needed_to_test": CHURNERS_TO_TEST,
        "landmarks": len(landmarks),
        "first": landmarks[0].isoformat() if landmarks else None,
        "tested": [landmarks[number].isoformat() for number in tested_on],
        "tested_from": first_tested.isoformat() if first_tested else None,
        "last": landmarks[-1].isoformat() if landmarks else None,
    }
    if found["fit"] < CHURNERS_TO_FIT or found["test"] < CHURNERS_TO_TEST:
        return _Learned(ForecastFit.TOO_LITTLE, found)
    everything = range(len(names))
    simple = [number for number, name in enumerate(names) if name.startswith(f"{STAGE}:") or name == TIME_IN_STAGE]
    model = fit_model(train, names, everything)
    found["needed_to_fit"] = needed_to_fit(len(model.coefficients))
    if found["fit"] < found["needed_to_fit"]:
        return _Learned(ForecastFit.TOO_LITTLE, found)
    baseline = fit_model(train, names, simple)
    proof = prove(test, predict(model, test, names), predict(baseline, test, names))
    whole = fit_model(list(windows.values()), names, everything)
    return _Learned(ForecastFit.SHOWN if proof.beats else ForecastFit.HIDDEN, found, whole, proof)


def _keep(learned: _Learned, tenant: TenantRef, now: dt.datetime) -> bool:
    """Keep the model in the place of the one before; where it is not shown no forecast is. False: a later one is kept.

    The time at which the forecasts of a former day were finished stays until those of today are.
    """
    with tenant_context(tenant.id):
        before = ForecastFit.objects.select_for_update().filter(tenant_id=tenant.id).first()
        if before is not None and before.made_at > now:
            return False
        finished = before.finished_at if before is not None else None
        is_of_today = finished is not None and finished >= midnight(now.date())
        ForecastFit.objects.update_or_create(
            tenant_id=tenant.id,
            defaults={
                "made_at": now,
                "state": learned.state,
                "found": learned.found,
                "model": learned.model.to_document() if learned.model else None,
                "proof": learned.proof.to_document() if learned.proof else None,
                "finished_at": None if is_of_today else finished,
            },
        )
        if learned.state != ForecastFit.SHOWN:
            CustomerForecast.objects.filter(tenant_id=tenant.id).delete()
        return True
