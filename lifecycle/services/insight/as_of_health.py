"""The health of a customer as of the end of a past day, by the configuration that was live then."""

from dataclasses import dataclass
from uuid import UUID

from lifecycle.models import Stay
from lifecycle.queries.health import find_work
from lifecycle.rules.figures import ARR, CURRENCY
from lifecycle.rules.health import NO_WORK, Health, Points, days_in_stage, judge_figures, score_points
from lifecycle.services.insight.as_of import EFFECTIVE, Past
from lifecycle.services.insight.as_of_list import find_policy, name_stages_then
from lifecycle.services.insight.reading import Stages
from tenants.actors import TenantRef


@dataclass(frozen=True, slots=True)
class PastHealth:
    """What was judged, by which version of the configuration, and what each part took from 100."""

    judged: Health
    version: int
    points: tuple[Points, ...]


def judge_past(customer_id: UUID, past: Past, *, stages: Stages, tenant: TenantRef) -> PastHealth | None:
    """The health that the customer had, as the list of the day has it; None if it was not here yet.

    It has no score where none of the figures that the formula asks for is kept of the day. Four statements at most.
    Call inside the tenant's context.
    """
    if past.stage is None or past.stage_now is None or past.stage_entered_at is None:
        return None
    policy = find_policy(past.end, live=stages.policy, tenant=tenant)
    figures = {path: value for path, (value, _since) in past.figures.items()}
    if past.known == EFFECTIVE:
        # Before its first report a revenue counts as what was reported first.
        stays = Stay.objects.filter(tenant_id=tenant.id, customer_id=customer_id, began__lt=past.end)
        piece = stays.filter(ended__gte=past.end).values_list("arr", "currency").first()
        if piece is not None and any(piece):
            figures[ARR], figures[CURRENCY] = piece
    judged = judge_figures(
        policy,
        name_stages_then(policy, stages).get(past.stage_now, past.stage),
        days_in_stage(past.stage_entered_at, past.end),
        figures,
        day=past.day,
        work=find_work([customer_id], policy, tenant=tenant, now=past.end, past_day=past.day).get(customer_id, NO_WORK),
    )
    return PastHealth(judged, policy.version, score_points(judged))
