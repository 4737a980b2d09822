"""Writing what is known of customers: company data, contacts, billing and support figures.

Events, imports and the demo all come here. A field is left alone when it is absent, and when something newer has
written it; each part remembers which source and event wrote it last. The stage is never touched, but a new customer
is placed into one. Set-based: the number of statements does not depend on the number of customers.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

from uuid_utils.compat import uuid7

from lifecycle.rules.transitions import Change
from lifecycle.services.customers.batch import Batch
from lifecycle.services.customers.facts import ContactFacts, CustomerFacts, Recorded
from lifecycle.services.transitions.apply import Call, Outcome, place
from tenants.actors import Actor, TenantRef
from tenants.services.configuration.policies import hold_live_policy

__all__ = ["ContactFacts", "CustomerFacts", "Recorded", "record_customers"]


def record_customers(
    facts: Sequence[CustomerFacts],
    *,
    tenant: TenantRef,
    actor: Actor,
    source: str,
    now: dt.datetime,
    create: bool | Sequence[bool],
    backdated: bool = False,
    starts_effects: bool = False,
) -> list[Recorded]:
    """Write what the messages say, in their order; one Recorded for each.

    ``create`` says whether an unknown customer is made (for all, or one flag a message). ``source`` is the source of
    the history row of a new customer's placement. Call inside the tenant's context. Customers are locked in the
    order of their external ids, before any status row. ``backdated`` loads what happened elsewhere: a new customer is
    dated by its message instead of ``now``. ``starts_effects``: its first stage starts what entering it starts. Raises
    NoConfiguration when new customers have no stage to go to.
    """
    flags = [create] * len(facts) if isinstance(create, bool) else list(create)
    work = Batch(tenant, now, backdated=backdated)
    work.lock(sorted({fact.external_id for fact in facts}))
    created = work.insert([fact for fact, flag in zip(facts, flags, strict=True) if flag])
    # Held: renamed between this look and the placement, the stage would be refused, and who was made would be in none.
    initial = hold_live_policy(tenant.id).initial if created else ""
    work.load_parts(facts)
    results = [work.merge(fact, created=created.get(fact.external_id) is fact) for fact in facts]
    work.write()
    # Last: what is started now may be for the customer's people, who must be there.
    call = Call(tenant, actor, source, now, starts_effects=starts_effects)
    placements = _place_new(created, work, initial=initial, call=call)
    return [
        replace(result, placed=placements[id(fact)]) if id(fact) in placements else result
        for fact, result in zip(facts, results, strict=True)
    ]


def _place_new(
    created: Mapping[str, CustomerFacts],
    work: "Batch",
    *,
    initial: str,
    call: Call,
) -> dict[int, Outcome]:
    """Place each new customer; one whose stage is refused goes to the initial stage, which nothing can refuse."""
    if not created:
        return {}
    facts = list(created.values())

    def change(fact: CustomerFacts, stage: str | None) -> Change:
        return Change(
            customer_id=work.rows[fact.external_id]["id"],
            stage=stage or initial,
            reason_code=fact.reason_code if stage else None,
            effective_at=min(fact.stage_entered_at or fact.occurred_at, work.now),
            event_id=fact.event_id or None,
            depth=fact.depth,
            # Of its own, like every event's: what one of them starts can be cancelled by itself.
            request_id=uuid7() if call.starts_effects else None,
        )

    outcomes = place(call, [change(fact, fact.stage) for fact in facts], backdated=work.backdated)
    refused = [fact for fact, outcome in zip(facts, outcomes, strict=True) if outcome.refused]
    if refused:
        place(call, [change(fact, None) for fact in refused], backdated=work.backdated)
    return {id(fact): outcome for fact, outcome in zip(facts, outcomes, strict=True)}
