"""Forecasts of customers: made of the model that was learned, kept, and read. Without numpy: for pages and workers.

Learning is the nightly job's (``forecasting``).
"""

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson
from django.db import connection
from django.db.models import Exists

from lifecycle.models import CustomerForecast, CustomerLifecycleStatus, ForecastFit
from lifecycle.queries.insight import forecasts as statements
from lifecycle.rules.forecast.landmarks import FEATURES, Meaning, Report, Row, Stay, rows_of
from lifecycle.rules.forecast.model import Model
from lifecycle.rules.forecast.tables import Bin, Proof, add_up
from lifecycle.services.insight.keeping import make_stays
from lifecycle.services.insight.reading import Stages
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.models import Stage
from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.texts import fold_text
from tenants.services.configuration.policies import live_policy

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DAY: Final = dt.timedelta(days=1)


class History(NamedTuple):
    """What is known of a customer, as ``rules.forecast.landmarks`` reads it."""

    stays: Sequence[Stay]
    reports: Sequence[Report]


@dataclass(frozen=True, slots=True)
class Learned:
    """The tenant's latest model as pages show it. ``found``: of how much past it was learned."""

    made_at: dt.datetime
    state: str
    found: Mapping[str, Any]
    model: Model | None
    proof: Proof | None

    @property
    def is_shown(self) -> bool:
        """Whether its forecasts are shown: it beats the baseline."""
        return self.state == ForecastFit.SHOWN

    @property
    def months(self) -> tuple[dt.date, ...]:
        """The days on which the months began that it was tested on; none where they were not kept apart."""
        days = tuple(dt.date.fromisoformat(day) for day in self.found.get("tested", ()))
        return days if self.proof is not None and len(days) == len(self.proof.cells) else ()

    def calibrate(self, months: Collection[dt.date]) -> tuple[Bin, ...]:
        """What was said and what came in some of the months; each bin is the same tenth of all forecasts."""
        cells = self.proof.cells if self.proof is not None and self.months else ()
        return add_up([of for month, of in zip(self.months, cells, strict=True) if month in months])


def as_days(timestamp: dt.datetime) -> float:
    """Days since 1970."""
    return (timestamp - _EPOCH) / _DAY


def read_meaning(tenant: TenantRef) -> Meaning:
    """What the tenant's stages mean today. Two statements."""
    stages = Stages.of(live_policy(tenant.id), tenant)
    return Meaning(frozenset(stages.of_category(LOST)), frozenset(stages.of_category(RISK)))


def read_learned(tenant: TenantRef) -> Learned | None:
    """The tenant's latest model; None before the first night. One statement. Call inside the tenant's context."""
    fit = ForecastFit.objects.filter(tenant_id=tenant.id).first()
    if fit is None:
        return None
    return Learned(
        fit.made_at,
        fit.state,
        fit.found,
        Model.from_document(fit.model) if fit.model else None,
        Proof.from_document(fit.proof) if fit.proof else None,
    )


def read_forecast(customer_id: UUID, *, tenant: TenantRef) -> CustomerForecast | None:
    """The customer's forecast; None for lost ones, and where forecasts are hidden. One statement, in the context."""
    is_shown = ForecastFit.objects.filter(tenant_id=tenant.id, state=ForecastFit.SHOWN).values("tenant_id")
    # Who was lost today has one of last night.
    lost = Stage.objects.filter(tenant_id=tenant.id, category=LOST).values("name")
    is_lost = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id, customer_id=customer_id, stage__in=lost)
    rows = CustomerForecast.objects.filter(tenant_id=tenant.id, customer_id=customer_id, tenant_id__in=is_shown)
    found: CustomerForecast | None = rows.filter(~Exists(is_lost)).first()
    return found


class Likely(NamedTuple):
    """A customer with a high chance."""

    customer_id: UUID
    name: str
    external_id: str
    owner: str
    stage: str
    chance: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose forecasts: of those in none of the stages ``lost``, of an owner, of a segment ('' for any), and made in a
    period (None: whenever).
    """

    lost: Sequence[str]
    owner: str = ""
    segment: str = ""
    begin: dt.datetime | None = None
    end: dt.datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """Those of the statements."""
        owner = fold_text(self.owner)
        return {"lost": text_array(self.lost), "owner": owner} | {
            name: getattr(self, name) for name in ("segment", "begin", "end")
        }


def read_highest(whose: Whose, *, tenant: TenantRef, limit: int, offset: int = 0) -> list[Likely]:
    """Those with the highest chances, the highest first. One statement, in the tenant's context."""
    return [Likely(*row) for row in ask(statements.HIGHEST, tenant, **whose.parameters(), limit=limit, offset=offset)]


def count_likely(whose: Whose, *, tenant: TenantRef) -> tuple[int, float]:
    """How many have a forecast, and how many of them will churn by it. One statement, in the tenant's context."""
    ((count, expected),) = ask(statements.LIKELY_COUNT, tenant, **whose.parameters())
    return count, expected or 0.0


def erase_forecast(tenant_id: UUID, customer_id: UUID) -> None:
    """Forget what was made of figures that are erased. The model stays: nothing in it is about one customer."""
    CustomerForecast.objects.filter(tenant_id=tenant_id, customer_id=customer_id).delete()


def read_reports(customer_ids: Sequence[UUID], *, tenant: TenantRef) -> dict[UUID, list[Report]]:
    """The figures' past of these customers, in the order in which it became known. One statement."""
    found: dict[UUID, list[Report]] = defaultdict(list)
    for customer_id, known, since, figures in ask(statements.REPORTS, tenant, customer_ids=plain_array(customer_ids)):
        found[customer_id].append(Report(known, since, orjson.loads(figures)))
    return found


def forecast_customer(customer_id: UUID, *, tenant: TenantRef, now: dt.datetime) -> bool:
    """Make the forecast of one customer again, of its history as it is now [BP-1]; whether there is one.

    Call inside the tenant's context.
    """
    learned = read_learned(tenant)
    if learned is None or not learned.is_shown or learned.model is None:
        return False
    pieces = make_stays([customer_id], tenant=tenant).get(customer_id, [])
    stays = [Stay(as_days(one.entered), one.stage, one.by_configuration) for one in pieces if one.piece == 0]
    reports = read_reports([customer_id], tenant=tenant)[customer_id]
    # Also what happens at this very moment is known.
    timestamp = math.nextafter(as_days(now), math.inf)
    rows = list(rows_of(stays, reports, [timestamp], read_meaning(tenant)))
    if not rows:
        erase_forecast(tenant.id, customer_id)
        return False
    keep_forecasts([describe(customer_id, rows[0], len(stays), learned.model)], tenant=tenant, now=now)
    return True


def describe(customer_id: UUID, row: Row, sequence: int, model: Model) -> dict[str, Any]:
    """What the model says of a customer as it is now, as ``keep_forecasts`` takes it."""
    values = dict(zip(FEATURES, row.values, strict=True))
    return {
        "customer_id": customer_id,
        "sequence": sequence,
        **model.chance(row.stage, values)._asdict(),
        "typical": model.typical,
        "points": model.points(row.stage, values),
    }


def keep_forecasts(made: Iterable[Mapping[str, Any]], *, tenant: TenantRef, now: dt.datetime) -> None:
    """Keep forecasts that were made ``now``; those that were made later stay. One statement."""
    rows = [{"tenant_id": tenant.id, "made_at": now, **one} for one in made]
    with connection.cursor() as cursor:
        cursor.execute(statements.KEEP, {"rows": orjson.dumps(rows, default=str).decode()})


def ask(statement: str, tenant: TenantRef, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a statement about the tenant."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"tenant_id": tenant.id, **parameters})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
