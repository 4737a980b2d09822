"""What customers look like, from the cache where it is good and from PostgreSQL where it is not [AR-4].

Everything returns plain dicts, ready to be JSON, or None when the tenant has no such customer. Nothing expects an
open tenant context: it is entered on a miss only, so that a hit costs one round trip to Redis and no statement.
What depends on the clock or the configuration (days, health, category) is derived again each time.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson

from lifecycle.queries import facts
from lifecycle.queries.health import find_work
from lifecycle.rules.health import NO_WORK, Work, days_in_stage, judge, overdue, score_points
from lifecycle.rules.transitions import Refused, StageOption, Status, explain
from lifecycle.rules.urgency import weigh
from lifecycle.services.cache import copies
from lifecycle.services.customers.parts import Json, dump, load_status, pick_figures, policy_of
from lifecycle.services.customers.profiles import read_profile
from lifecycle.services.customers.totals import read_tenant_summary
from lifecycle.services.effects.foreseen import Possible, Viewer, foresee
from storage.copies import Held
from tenants.actors import TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy

__all__ = ["read_lifecycle", "read_profile", "read_summary", "read_tenant_summary", "summary_keys"]

SUMMARY_PARTS: Final = (copies.STATUS, copies.FIGURES)


def read_lifecycle(
    customer_id: UUID,
    *,
    tenant: TenantRef,
    may_update: bool,
    denial: str = "",
    source: str | None = None,
    viewer: Viewer | None = None,
    now: dt.datetime | None = None,
) -> Json | None:
    """Which stage the customer is in, and for every other stage whether and how it can be moved there now.

    ``may_update``: whether the person who asks may move customers at all; if not, ``denial`` says why in the words of
    their role. ``source``: that of the change they would make. Always from PostgreSQL: its version is what the next
    change will be compared with. One statement in one round trip; six more with a ``viewer``, who is shown in full what
    each change that is allowed would start if it were made ``now``.
    ``judged_by`` is the configuration of the last change, ``configuration_version`` the one that judges now.
    """
    row = facts.find_status(tenant.id, customer_id)
    if row is None:
        return None
    policy = policy_of(tenant, row["configuration_version"])
    status = facts.pick(row, facts.STATUS_FIELDS)
    options = explain(policy, _as_status(status), may_update=may_update, source=source)
    details: dict[str, list[Json]] = {}
    if viewer is not None:
        allowed = [Possible(row["stage"], one.stage, one.effects) for one in options if one.allowed]
        with tenant_context(tenant.id):
            found = foresee(customer_id, allowed, tenant=tenant, viewer=viewer, now=now or dt.datetime.now(dt.UTC))
        details = {one.to_stage: detail for one, detail in zip(allowed, found, strict=True)}
    if denial and not may_update:
        options = tuple(replace(option, refusal=Refused("permission_denied", denial)) for option in options)
    return status | {
        "category": policy.category(row["stage"]),
        "configuration_version": policy.version,
        "judged_by": row["judged_by"],
        "transitions": [describe_option(policy, option, details.get(option.stage)) for option in options],
    }


def describe_option(policy: Policy, option: StageOption, details: Sequence[Json] | None = None) -> Json:
    """One other stage as it is offered to a person. ``details``: more about each of its effects."""
    effects = [describe_effect(effect) for effect in option.effects]
    if details is not None:
        effects = [effect | detail for effect, detail in zip(effects, details, strict=True)]
    return {
        "stage": option.stage,
        "category": policy.category(option.stage),
        "color": policy.color(option.stage),
        "allowed": option.allowed,
        "reason_required": option.reason_required,
        "reason_codes": None if option.reason_codes is None else list(option.reason_codes),
        "refusal": describe_refusal(option.refusal),
        "effects": effects,
    }


def describe_refusal(refusal: Refused | None) -> Json | None:
    """The code of a refusal, and what is to be said of it."""
    return None if refusal is None else {"code": refusal.code, "sentence": refusal.message}


def describe_effect(effect: Effect) -> Json:
    """A business process that a move would start [BP-2]."""
    return {"name": effect.name, "kind": effect.kind, "on": effect.on, "to": list(effect.to)}


def read_summary(
    customer_id: UUID, *, tenant: TenantRef, now: dt.datetime, held: Held | None = None, since: int = 0
) -> Json | None:
    """Stage, days in it, health, renewal, billing and support figures [API-3].

    One round trip to Redis on a hit; none with what was ``held`` under ``summary_keys``. And one statement where the
    score asks for notes or tasks. ``since``: a version that the caller has seen, maybe before it is committed; a copy
    that is older than it is left alone.
    """
    reading = copies.read(tenant.id, customer_id, *SUMMARY_PARTS, held=held)
    raw_status, raw_figures = reading.values[copies.STATUS], reading.values[copies.FIGURES]
    configuration = reading.configuration
    is_older = raw_status is not None and load_status(raw_status)["version"] < since
    if raw_status is None or raw_figures is None or is_older:
        row = facts.find_summary(tenant.id, customer_id)
        if row is None:
            return None
        raw_status, raw_figures = dump(facts.pick(row, facts.STATUS_FIELDS)), dump(pick_figures(row))
        configuration = row["configuration_version"]
        if not is_older:
            reading.offer(
                configuration, status=(row["version"], raw_status), figures=(row["profile_version"], raw_figures)
            )
    status, figures = load_status(raw_status), orjson.loads(raw_figures)
    policy = policy_of(tenant, configuration)
    work = NO_WORK
    if policy.health.needs_work:
        with tenant_context(tenant.id):
            work = find_work([customer_id], policy, tenant=tenant, now=now).get(customer_id, NO_WORK)
    return _summarise(status, figures, policy, work, now=now)


def summary_keys(tenant_id: UUID, customer_id: UUID) -> list[str]:
    """What a summary is made of in Redis, to be fetched together with something else."""
    return copies.keys_of(tenant_id, customer_id, *SUMMARY_PARTS)


def _summarise(status: Json, figures: Json, policy: Policy, work: Work, *, now: dt.datetime) -> Json:
    stage = status["stage"]
    billing, support = figures["billing"], figures["support"]
    expected = policy.max_days(stage)
    days = days_in_stage(status["stage_entered_at"], now)
    over = overdue(expected, days)
    to_renewal = days_until(billing["renewal_on"], now)
    arr = _number(billing["arr"])
    judged = judge(
        policy,
        stage,
        days,
        arr=arr,
        balance_overdue=_number(billing["balance_overdue"]),
        open_issues=support["open_issues"],
        csat=_number(support["csat"]),
        days_to_renewal=to_renewal,
        work=work,
    )
    return status | {
        "name": figures["name"],
        "owner": figures["owner"],
        "category": policy.category(stage),
        "color": policy.color(stage),
        "days_in_stage": days,
        "expected_days": expected,
        "days_over": over,
        "health": {
            "score": judged.score,
            "band": judged.band,
            "reasons": list(judged.reasons),
            "confidence": judged.confidence,
            "parts": [] if judged.score is None else [one._asdict() for one in score_points(judged)],
        },
        **weigh(judged, policy, stage=stage, arr=arr, currency=billing["currency"], days_to_renewal=to_renewal),
        "renewal": {
            "renewal_on": billing["renewal_on"],
            "days_to_renewal": to_renewal,
            "contract_id": billing["contract_id"],
            "contract_starts_on": billing["contract_starts_on"],
            "contract_ends_on": billing["contract_ends_on"],
        },
        "billing": {name: billing[name] for name in ("currency", "arr", "mrr", "balance_overdue")},
        "support": support,
    }


def days_until(day: str | None, now: dt.datetime) -> int | None:
    """Days from today to an ISO date; negative when it is past, None when there is none."""
    return None if day is None else (dt.date.fromisoformat(day) - now.date()).days


def _as_status(status: Mapping[str, Any]) -> Status:
    return Status(
        customer_id=status["customer_id"],
        stage=status["stage"],
        version=status["version"],
        stage_entered_at=status["stage_entered_at"],
        updated_at=status["updated_at"],
    )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
