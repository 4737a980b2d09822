"""What a bulk move would do, customer by customer and altogether; and what it has done."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from lifecycle.models import BulkChange
from lifecycle.rules.transitions import Allowed, Change, Decision, Refused, Status, Unchanged, decide, explain
from lifecycle.services.effects.foreseen import count_foreseen
from lifecycle.services.transitions.outcomes import NOT_FOUND
from storage.cursors import fetch_prepared, text_array
from tenants.actors import TenantRef
from tenants.models import Tenant
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message

SOURCE: Final = "UI"
PAGE: Final = 50
# Effects are planned for so many moves at a time.
PLANNED: Final = 5000
CHANGED: Final = Refused("version_conflict", Message("changed_since_selected"))
MOVES, STAYS, REFUSED = "moves", "stays", "refused"

_GROUPS: Final = """
SELECT i.stage, i.version <> s.version, count(*)
  FROM lifecycle_bulkchangeitem i
  JOIN customer_lifecycle_status s ON s.tenant_id = i.tenant_id AND s.customer_id = i.customer_id
 WHERE i.tenant_id = %(tenant_id)s::uuid AND i.change_id = %(change_id)s::uuid
 GROUP BY 1, 2
"""
_MOVING: Final = """
SELECT i.customer_id, i.stage
  FROM lifecycle_bulkchangeitem i
  JOIN customer_lifecycle_status s
    ON s.tenant_id = i.tenant_id AND s.customer_id = i.customer_id AND s.version = i.version
 WHERE i.tenant_id = %(tenant_id)s::uuid AND i.change_id = %(change_id)s::uuid AND i.stage = ANY(%(stages)s::text[])
 ORDER BY i.customer_id
"""
_ROWS: Final = """
SELECT i.customer_id, c.name, c.external_id, c.owner, i.stage, i.version <> {version} AS changed, i.code
  FROM lifecycle_bulkchangeitem i
  JOIN customer_lifecycle_status s ON s.tenant_id = i.tenant_id AND s.customer_id = i.customer_id
  JOIN lifecycle_customer c ON c.tenant_id = i.tenant_id AND c.id = i.customer_id
 WHERE i.tenant_id = %(tenant_id)s::uuid AND i.change_id = %(change_id)s::uuid
   AND (%(after)s::uuid IS NULL OR i.customer_id > %(after)s::uuid) AND {condition}
 ORDER BY i.customer_id LIMIT %(limit)s::int
"""
_UNCHANGED_SINCE: Final = "s.version = i.version AND i.stage = ANY(%(stages)s::text[])"
_CONDITIONS: Final[Mapping[str, str]] = {
    "": "true",
    MOVES: f"({_UNCHANGED_SINCE})",
    STAYS: f"({_UNCHANGED_SINCE})",
    REFUSED: "(s.version <> i.version OR i.stage <> ALL(%(stages)s::text[]))",
}
_BY_CODE: Final = "i.code = ANY(%(codes)s::text[])"
_CODES: Final = """
SELECT code, stage, count(*) FROM lifecycle_bulkchangeitem
 WHERE tenant_id = %(tenant_id)s::uuid AND change_id = %(change_id)s::uuid AND code <> ALL('{"",moved,unchanged}')
 GROUP BY 1, 2
"""


class Group(NamedTuple):
    """Customers of a selection that are in one stage, and what would become of each of them."""

    stage: str
    customers: int
    decision: Decision


class Row(NamedTuple):
    """One customer of a selection. ``refused``: why it is not changed; ``effects``: what its move would start."""

    customer_id: UUID
    name: str
    external_id: str
    owner: str
    stage: str
    moves: bool
    refused: Refused | None
    effects: Sequence[Effect]
    code: str


@dataclass(frozen=True, slots=True)
class MovePreview:
    """What a move of a selection would do now. ``reasons``: the refusals, each with how many customers it concerns.

    ``effects``: name, kind, how often, for how many recipients, and how many in vain; ``effects_total``: all of them.
    ``asks_number``: there are more than the tenant lets one start without typing their number.
    """

    groups: Sequence[Group]
    reasons: Sequence[tuple[Refused, int]]
    moving: int
    staying: int
    effects: Sequence[Mapping[str, Any]]
    effects_total: int
    effects_budget: int

    @property
    def refused(self) -> int:
        """How many customers would not be moved, and why not is said."""
        return sum(count for _, count in self.reasons)

    @property
    def asks_number(self) -> bool:
        """Whether the number of effects has to be typed."""
        return self.effects_total > self.effects_budget

    def stages_of(self, show: str) -> list[str]:
        """The stages whose customers a part of the preview is about (with REFUSED: those it is not about)."""
        kinds: dict[str, tuple[type, ...]] = {MOVES: (Allowed,), STAYS: (Unchanged,), REFUSED: (Allowed, Unchanged)}
        return [group.stage for group in self.groups if isinstance(group.decision, kinds.get(show, ()))]


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that a selection could be moved to: how many of its customers may go there, and what it asks for."""

    stage: str
    allowed: int
    reason_required: bool
    reason_codes: tuple[str, ...] | None


def count_stages(change: BulkChange, *, tenant: TenantRef) -> dict[tuple[str, bool], int]:
    """How many of the selection are in which stage; with True those who were changed since. One statement."""
    rows = fetch_prepared(_GROUPS, {"tenant_id": tenant.id, "change_id": change.id}, using="default")
    return {(stage, changed): count for stage, changed, count in rows}


def list_targets(counts: Mapping[tuple[str, bool], int], policy: Policy) -> list[Target]:
    """Every stage, with how many of the selection may be moved there."""
    by_stage = {stage: count for (stage, changed), count in counts.items() if not changed}
    allowed: Counter[str] = Counter()
    asks: set[str] = set()
    for stage, count in by_stage.items():
        for option in explain(policy, Status(UUID(int=0), stage, 1), may_update=True, source=SOURCE):
            if option.allowed:
                allowed[option.stage] += count
                if option.reason_required:
                    asks.add(option.stage)
    return [Target(stage, allowed[stage], stage in asks, policy.reason_codes(stage)) for stage in policy.stages]


def preview_move(
    change: BulkChange,
    *,
    stage: str,
    reason_code: str | None,
    tenant: TenantRef,
    policy: Policy,
    now: dt.datetime,
    counts: Mapping[tuple[str, bool], int] | None = None,
    counts_recipients: bool = True,
) -> MovePreview:
    """What a move of the selection to ``stage`` would do; nothing is changed. ``counts``: what ``count_stages`` gave.

    Two statements; to count the recipients of effects one more, and two for every 5,000 customers that start some.
    """
    groups, reasons, count_changed = [], [], 0
    counts = count_stages(change, tenant=tenant) if counts is None else counts
    for (from_stage, changed), count in sorted(counts.items()):
        if changed:
            count_changed += count
            continue
        decision = judge(policy, from_stage, stage, reason_code)
        groups.append(Group(from_stage, count, decision))
        if isinstance(decision, Refused):
            reasons.append((decision, count))
    if count_changed:
        reasons.append((CHANGED, count_changed))
    total = sum(
        len(group.decision.effects) * group.customers for group in groups if isinstance(group.decision, Allowed)
    )
    return MovePreview(
        groups,
        sorted(reasons, key=lambda one: -one[1]),
        moving=sum(group.customers for group in groups if isinstance(group.decision, Allowed)),
        staying=sum(group.customers for group in groups if isinstance(group.decision, Unchanged)),
        effects=_foresee(change, groups, tenant=tenant, now=now) if total and counts_recipients else _list(groups),
        effects_total=total,
        effects_budget=Tenant.objects.filter(id=tenant.id).values_list("effects_budget", flat=True).get(),
    )


def judge(policy: Policy, from_stage: str, to_stage: str, reason_code: str | None) -> Decision:
    """What becomes of a customer of the selection that no one else has changed."""
    asked = Change(UUID(int=0), to_stage, reason_code or None)
    return decide(policy, Status(UUID(int=0), from_stage, 1), asked, may_update=True, source=SOURCE)


def list_rows(
    change: BulkChange,
    *,
    preview: MovePreview,
    tenant: TenantRef,
    show: str = "",
    after: UUID | None = None,
) -> tuple[list[Row], UUID | None]:
    """A page of the selection as it would be moved, and after whom the next one begins (None: none). One statement."""
    decisions = {group.stage: group.decision for group in preview.groups}
    rows, following = _read(change, tenant, _CONDITIONS[show], after, stages=text_array(preview.stages_of(show)))

    def describe(customer_id: UUID, name: str, external_id: str, owner: str, stage: str, changed: bool, _: str) -> Row:
        decision = CHANGED if changed else decisions[stage]
        refused = decision if isinstance(decision, Refused) else None
        effects = decision.effects if isinstance(decision, Allowed) else ()
        moves = isinstance(decision, Allowed)
        return Row(customer_id, name, external_id, owner, stage, moves, refused, effects, "")

    return [describe(*row) for row in rows], following


def list_selected(change: BulkChange, *, tenant: TenantRef, after: UUID | None = None) -> tuple[list[Row], UUID | None]:
    """A page of a selection whose owner is changed, as ``list_rows``."""
    version = "c.version" if change.kind == BulkChange.Kind.OWNER else "s.version"
    rows, following = _read(change, tenant, "true", after, version=version)
    return [_as_row(*row) for row in rows], following


def list_refused(
    change: BulkChange, *, tenant: TenantRef, policy: Policy | None, after: UUID | None = None
) -> tuple[list[Row], UUID | None]:
    """A page of those who were not changed, each with the reason, as ``list_rows``. One statement or two."""
    codes = [code for code, _, _ in _read_codes(change, tenant)]
    rows, following = _read(change, tenant, _BY_CODE, after, codes=text_array(codes))
    return [_as_row(*row)._replace(refused=explain_code(change, row[6], row[4], policy)) for row in rows], following


def count_refused(change: BulkChange, *, tenant: TenantRef, policy: Policy | None) -> list[tuple[Refused, int]]:
    """Why customers were not changed, and how many for each reason. One statement."""
    counts: Counter[str] = Counter()
    reasons: dict[str, Refused] = {}
    for code, stage, count in _read_codes(change, tenant):
        refused = explain_code(change, code, stage, policy)
        # A message holds what cannot be a key.
        key = repr(refused.message)
        reasons[key] = refused
        counts[key] += count
    return [(reasons[key], count) for key, count in counts.most_common()]


def explain_code(change: BulkChange, code: str, stage: str, policy: Policy | None) -> Refused:
    """Why a customer was not changed: the code that is kept, in the words that it had."""
    if code == CHANGED.code:
        return CHANGED
    if code == "not_found":
        return Refused(code, NOT_FOUND)
    if change.kind == BulkChange.Kind.MOVE and policy is not None:
        decision = judge(policy, stage, change.stage, change.reason_code)
        if isinstance(decision, Refused) and decision.code == code:
            return decision
    return Refused(code, Message("reconfigured" if code == "effects_unconfirmed" else "not_changed"))


def _list(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """What the moves start, by effect, without a look at its recipients."""
    times: Counter[tuple[str, str]] = Counter()
    for group in groups:
        if isinstance(group.decision, Allowed):
            for effect in group.decision.effects:
                times[effect.name, effect.kind] += group.customers
    return [{"name": name, "kind": kind, "count": count} for (name, kind), count in times.items()]


def _foresee(
    change: BulkChange, groups: Sequence[Group], *, tenant: TenantRef, now: dt.datetime
) -> list[dict[str, Any]]:
    """What the moves start, by effect; planned for some thousands at a time."""
    starting = {
        group.stage: group.decision.effects
        for group in groups
        if isinstance(group.decision, Allowed) and group.decision.effects
    }
    parameters = {"tenant_id": tenant.id, "change_id": change.id, "stages": text_array(starting)}
    moves = [(id_, starting[stage]) for id_, stage in fetch_prepared(_MOVING, parameters, using="default")]
    parts = (
        count_foreseen(moves[start : start + PLANNED], tenant=tenant, made_by=(change.actor,), now=now)
        for start in range(0, len(moves), PLANNED)
    )
    return _add_up(one for part in parts for one in part)


def _add_up(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    added: dict[tuple[str, str], dict[str, Any]] = {}
    for one in parts:
        both = added.setdefault((one["name"], one["kind"]), {**one, "count": 0, "recipients": 0, "suppressed": 0})
        for number in ("count", "recipients", "suppressed"):
            both[number] += one[number]
    return list(added.values())


def _read(
    change: BulkChange,
    tenant: TenantRef,
    condition: str,
    after: UUID | None,
    *,
    version: str = "s.version",
    **parameters: Any,
) -> tuple[list[tuple[Any, ...]], UUID | None]:
    rows = fetch_prepared(
        _ROWS.format(condition=condition, version=version),
        {"tenant_id": tenant.id, "change_id": change.id, "after": after, "limit": PAGE + 1, **parameters},
        using="default",
    )
    return rows[:PAGE], rows[PAGE - 1][0] if len(rows) > PAGE else None


def _read_codes(change: BulkChange, tenant: TenantRef) -> list[tuple[str, str, int]]:
    rows = fetch_prepared(_CODES, {"tenant_id": tenant.id, "change_id": change.id}, using="default")
    return [(code, stage, count) for code, stage, count in rows]


def _as_row(customer_id: UUID, name: str, external_id: str, owner: str, stage: str, changed: bool, code: str) -> Row:
    refused = CHANGED if changed and not code else None
    return Row(customer_id, name, external_id, owner, stage, refused is None, refused, (), code)
