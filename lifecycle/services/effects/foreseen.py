"""What a change would start, said before it is made: whom it reaches, in which words, and when.

Planned by the code that plans what is written, so what is shown is what would come of it.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from lifecycle.models.effects import EffectRun
from lifecycle.services.effects.facts import make_values, read_customers
from lifecycle.services.effects.plan import Moved, Started, plan_effects
from lifecycle.services.effects.reasons import explain_reason
from lifecycle.services.effects.recipients import mask_recipient, name_recipients
from tenants.actors import TenantRef
from tenants.rules.configuration.definitions import Effect
from tenants.rules.effect_texts import render

# So many recipients of an effect are named; the others are counted.
MOST_NAMED: Final = 20
# In a subject, where the reason will be.
NOT_CHOSEN: Final = "…"
WITH_TEXTS: Final = ("email", "alert")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: whose change it would be, and whether they may see how contacts are reached."""

    user_id: UUID
    sees_contacts: bool


@dataclass(frozen=True, slots=True)
class Possible:
    """A change that could be made, and the effects that the policy names for it."""

    from_stage: str | None
    to_stage: str
    effects: tuple[Effect, ...]


def foresee(
    customer_id: UUID, changes: Sequence[Possible], *, tenant: TenantRef, viewer: Viewer, now: dt.datetime
) -> list[list[dict[str, Any]]]:
    """What each change of one customer would start, effect by effect, as the viewer may see it.

    Call in the tenant's context. Seven statements at most, whatever the number of changes and recipients; none where
    nothing starts.
    """
    moves = [Moved(uuid7(), customer_id, change.effects, (str(viewer.user_id),)) for change in changes]
    planned = plan_effects(moves, tenant_id=tenant.id, now=now, writes=False)
    if not planned:
        return [[] for _ in changes]
    recipients = {row.recipient for rows in planned.values() for row in rows}
    names = name_recipients(recipients, tenant_id=tenant.id, sees_contacts=viewer.sees_contacts)
    customer = read_customers(tenant.id, [customer_id]).get(customer_id)
    return [
        [
            _describe(effect, change, planned.get(move.history_id, ()), names, customer_id, customer, now)
            for effect in change.effects
        ]
        for change, move in zip(changes, moves, strict=True)
    ]


def count_foreseen(
    moves: Sequence[tuple[UUID, tuple[Effect, ...]]], *, tenant: TenantRef, made_by: Collection[str], now: dt.datetime
) -> list[dict[str, Any]]:
    """What many changes would start together: how often each effect, for how many recipients, and how many in vain.

    Two statements at most, whatever the number of moves. Call in the tenant's context.
    """
    planned = plan_effects(
        [Moved(uuid7(), customer_id, effects, tuple(made_by)) for customer_id, effects in moves],
        tenant_id=tenant.id,
        now=now,
        writes=False,
    )
    times = Counter((effect.name, effect.kind) for _, effects in moves for effect in effects)
    reached: Counter[str] = Counter()
    in_vain: Counter[str] = Counter()
    for rows in planned.values():
        for row in rows:
            (in_vain if row.state == EffectRun.SUPPRESSED else reached)[row.effect.name] += 1
    return [
        {"name": name, "kind": kind, "count": count, "recipients": reached[name], "suppressed": in_vain[name]}
        for (name, kind), count in times.items()
    ]


def _describe(
    effect: Effect,
    change: Possible,
    planned: Sequence[Started],
    names: Mapping[str, str],
    customer_id: UUID,
    customer: Sequence[str] | None,
    now: dt.datetime,
) -> dict[str, Any]:
    rows = [row for row in planned if row.effect is effect]
    recipient_name, subject = _name_first(rows, names), None
    if effect.kind in WITH_TEXTS and customer is not None:
        values = make_values(
            customer_id,
            customer,
            from_stage=change.from_stage,
            to_stage=change.to_stage,
            reason=NOT_CHOSEN,
            changed_at=now,
        )
        subject = render(effect, {**values, "recipient.name": recipient_name}).subject
    return {
        "recipient_name": recipient_name,
        "subject": subject,
        "delay_minutes": effect.delay_minutes,
        "recipients": [
            {
                "name": names.get(row.recipient) or mask_recipient(row.recipient),
                "kind": row.kind,
                "state": row.state,
                "reason": row.reason,
                "why": str(explain_reason(row.reason)) if row.reason else "",
                "due_at": row.due_at,
            }
            for row in rows[:MOST_NAMED]
        ],
        "recipients_count": len(rows),
    }


def _name_first(rows: Sequence[Started], names: Mapping[str, str]) -> str:
    """What the texts call the first who is reached: as they are sent, a contact without the address, and an address
    that the configuration names not at all.
    """
    first = next((row.recipient for row in rows if row.state != EffectRun.SUPPRESSED), "")
    kind, _, _ = first.partition(":")
    if kind not in ("user", "contact"):
        return ""
    name = names.get(first, "")
    return (name.rpartition(" <")[0] or name) if kind == "contact" else name
