"""What each change of a customer has started and how it went, as its history shows it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from lifecycle.models import EffectRun
from lifecycle.services.effects.reasons import explain_reason
from tenants.actors import TenantRef


@dataclass(frozen=True, slots=True)
class StartedLine:
    """So many effects of one name that are in one state for one reason."""

    effect: str
    kind: str
    state: str
    why: str
    count: int


def read_started(history_ids: Collection[UUID], *, tenant: TenantRef) -> Mapping[UUID, Sequence[StartedLine]]:
    """By history row, in the order of the effects. One statement, none without rows."""
    if not history_ids:
        return {}
    rows = EffectRun.objects.filter(tenant_id=tenant.id, history_id__in=list(history_ids)).order_by("id")
    counts = Counter(rows.values_list("history_id", "effect", "kind", "state", "reason"))
    shown: dict[UUID, list[StartedLine]] = {}
    for (history_id, effect, kind, state, reason), count in counts.items():
        shown.setdefault(history_id, []).append(StartedLine(effect, kind, state, explain_reason(reason), count))
    return shown
