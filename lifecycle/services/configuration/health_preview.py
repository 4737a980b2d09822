"""What a draft would make of the health of every customer: how many change their band, and who."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import connection

from lifecycle.queries.health import band_of, gather_work, health_of, stage_numbers
from lifecycle.rules.health import BANDS
from lifecycle.services.configuration.plans import Target, complete_renames, judge_plan
from storage.cursors import text_array
from storage.timeouts import allow_seconds
from tenants.actors import TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import read_configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.services.configuration.versions import list_stages

PREVIEW_SECONDS: Final = 120
PAGE: Final = 50

# Every customer once, with both scores. One draft at a time, so that nothing of it is kept as a plan.
_JUDGED: Final = """
WITH judged AS MATERIALIZED (
    SELECT s.customer_id, s.stage, {live} AS before, {draft} AS after
      FROM customer_lifecycle_status s
      JOIN unnest(%(stages)s::text[], %(penalties)s::int[], %(max_days)s::int[], %(draft_penalties)s::int[],
                  %(draft_max_days)s::int[]) AS w(stage, penalty, max_days, draft_penalty, draft_max_days)
        ON w.stage = s.stage
      LEFT JOIN lifecycle_billingfigures b ON b.tenant_id = s.tenant_id AND b.customer_id = s.customer_id
      LEFT JOIN lifecycle_supportfigures u ON u.tenant_id = s.tenant_id AND u.customer_id = s.customer_id
     WHERE s.tenant_id = %(tenant_id)s::uuid
), banded AS (
    SELECT j.*, {band_before} AS band_before, {band_after} AS band_after,
           COALESCE(j.after, 0) - COALESCE(j.before, 0) AS change
      FROM judged j
)"""
_COUNT: Final = "SELECT band_before, band_after, count(*) FROM banded GROUP BY 1, 2"
_LIST: Final = """
SELECT x.customer_id, c.name, c.external_id, x.stage, x.before, x.after, x.band_before, x.band_after, x.change
  FROM banded x JOIN lifecycle_customer c ON c.tenant_id = %(tenant_id)s::uuid AND c.id = x.customer_id
 WHERE x.band_before <> x.band_after AND (%(band)s::text = '' OR x.band_after = %(band)s::text)
   AND (%(after_id)s::uuid IS NULL OR (x.change, x.customer_id) > (%(after_change)s::int, %(after_id)s::uuid))
 ORDER BY x.change, x.customer_id LIMIT %(limit)s::int
"""


@dataclass(frozen=True, slots=True)
class BandChange:
    """How many customers are in a band now, and would be in another, or the same, with the draft."""

    before: str
    after: str
    customers: int


@dataclass(frozen=True, slots=True)
class HealthChanges:
    """What a draft would make of the health of all customers."""

    bands: tuple[BandChange, ...]

    def become(self, band: str) -> int:
        """How many come into the band."""
        return sum(one.customers for one in self.bands if one.after == band != one.before)

    @property
    def changed(self) -> int:
        """How many change their band."""
        return sum(one.customers for one in self.bands if one.after != one.before)


@dataclass(frozen=True, slots=True)
class ChangedCustomer:
    """One customer who changes the band."""

    customer_id: UUID
    name: str
    external_id: str
    stage: str
    before: int | None
    after: int | None
    band_before: str
    band_after: str
    change: int

    @property
    def place(self) -> str:
        """Where a list that ends with them goes on."""
        return f"{self.change},{self.customer_id}"


@dataclass(frozen=True, slots=True)
class HealthQuestion:
    """The draft and what it is compared with. ``names``: what each stage of today is called in the draft."""

    live: Policy
    draft: Policy
    names: Mapping[str, str]


def ask_of_draft(draft: ConfigurationVersion, *, live: Policy, tenant: TenantRef) -> HealthQuestion | None:
    """The draft's health beside the live one; None for a draft with errors. One statement. Call in the tenant's
    context.
    """
    configuration, _findings = read_configuration(draft.document)
    if configuration is None:
        return None
    stages = list_stages(tenant)
    targets, _errors = judge_plan(configuration, renamed=draft.renamed, mapping=draft.mapping, stages=stages)
    renamed = complete_renames(configuration, draft.renamed, stages=stages)
    policy = compile_policy(configuration, version=live.version + 1)
    return HealthQuestion(live, policy, rename_stages(stages, renamed=renamed, targets=targets))


def rename_stages(stages: list[str], *, renamed: Mapping[str, str], targets: Mapping[str, Target]) -> Mapping[str, str]:
    """The stage of the draft in which the customers of each stage of today would be.

    A stage that leaves its name to another has a name in ``renamed``, under which it is emptied: its target counts.
    """
    return {stage: targets[stage].stage if stage in targets else renamed.get(stage, stage) for stage in stages}


def count_health_changes(question: HealthQuestion, *, tenant: TenantRef, now: dt.datetime) -> HealthChanges:
    """How many customers change their band. One statement, whatever their number; in the tenant's context."""
    rows = _ask(question, _COUNT, tenant, now)
    order = {band: index for index, band in enumerate(BANDS)}
    found = [BandChange(*row) for row in rows]
    return HealthChanges(tuple(sorted(found, key=lambda one: (order[one.before], order[one.after]))))


def list_health_changes(
    question: HealthQuestion,
    *,
    tenant: TenantRef,
    now: dt.datetime,
    band: str = "",
    after: str = "",
    limit: int = PAGE,
) -> tuple[list[ChangedCustomer], str]:
    """A page of those who change their band (``band``: who come into it), who lose most first, and where it goes on.

    One statement; in the tenant's context. ``after``: the ``place`` of the last customer of a page.
    """
    change, customer_id = _read_place(after)
    more = {"band": band, "after_change": change, "after_id": customer_id, "limit": limit + 1}
    rows = [ChangedCustomer(*row) for row in _ask(question, _LIST, tenant, now, **more)]
    return rows[:limit], rows[limit - 1].place if len(rows) > limit else ""


def _read_place(text: str) -> tuple[int, UUID | None]:
    change, _comma, customer_id = text.partition(",")
    try:
        return max(-100, min(100, int(change))), UUID(customer_id)
    except ValueError:
        return 0, None


def _ask(
    question: HealthQuestion, statement: str, tenant: TenantRef, now: dt.datetime, **more: Any
) -> list[tuple[Any, ...]]:
    live, draft = health_of(question.live), health_of(question.draft).drafted
    judged = gather_work(
        _JUDGED.format(
            live=live.score,
            draft=draft.score,
            band_before=band_of("j.before", ""),
            band_after=band_of("j.after", "draft_"),
        )
    )
    stages = list(question.names)
    parameters = {
        "tenant_id": tenant.id,
        "now": now,
        "today": now.date(),
        "stages": text_array(stages),
        **stage_numbers(question.live, stages),
        **stage_numbers(question.draft, list(question.names.values()), prefix="draft_"),
        **live.parameters,
        **draft.parameters,
        **more,
    }
    # It reads the figures of every customer.
    allow_seconds(PREVIEW_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(f"{judged} {statement}", parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
