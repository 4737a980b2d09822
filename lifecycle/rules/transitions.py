"""May this customer be moved to that stage? Decided from the policy, the status as locked and the change alone."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message
from tenants.rules.texts import is_visible
from tenants.rules.values import InvalidValue, read_line

LONGEST_STAGE = 100
LONGEST_REASON = 255
LONGEST_NOTE = 4000
MOST_NAMED = 10


# Named tuples, where there are as many as customers in a batch: they are made four times as fast as dataclasses.
class Change(NamedTuple):
    """What someone asks for. A ``reason_code`` that is blank counts as not given.

    What they saw and agreed to: the customer's ``expected_version``, the number of the configuration, and how many
    effects the change would start. It is refused if one of these is another by now. ``effective_at``: when it happened,
    if not now; with ``only_if_newer`` (events) it is refused when the customer has come to its stage after that.
    ``depth``: how many changes of event rules have led to this one, itself included (0: a person's, or a program's).
    ``is_return``: a publication is reverted, and the customer goes to where it was before; no transition needs to lead
    there.
    """

    customer_id: UUID
    stage: str
    reason_code: str | None = None
    note: str | None = None
    expected_version: int | None = None
    effective_at: datetime | None = None
    request_id: UUID | None = None
    event_id: str | None = None
    on_behalf_of: str | None = None
    only_if_newer: bool = False
    is_return: bool = False
    expected_configuration: int | None = None
    expected_effects: int | None = None
    depth: int = 0


class Status(NamedTuple):
    """The stage of a customer. ``stage`` None (and version 0): not placed in any stage yet."""

    customer_id: UUID
    stage: str | None
    version: int
    stage_entered_at: datetime | None = None
    updated_at: datetime | None = None


class Allowed(NamedTuple):
    """The change may be made, with this reason (None: none), and starts these effects."""

    from_stage: str | None
    to_stage: str
    reason_code: str | None
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The customer is in the stage already: nothing to do, nothing to record."""

    stage: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The change is not made. ``code`` is the contract's; ``message`` is what is said to people (a sentence, if an
    entry point has made one already).

    ``allowed``: the stages, or the reasons, that would be accepted. ``field``: the part of the change that is wrong.
    ``effects``: what the change would start, each with how often, if it is not what was agreed to.
    """

    code: str
    message: Message | str
    allowed: tuple[str, ...] = ()
    field: str | None = None
    effects: tuple[tuple[Effect, int], ...] | None = None


Decision = Allowed | Unchanged | Refused


@dataclass(frozen=True, slots=True)
class StageOption:
    """One other stage, as it is offered to a person: whether and how the customer can be moved there now."""

    stage: str
    allowed: bool
    reason_required: bool
    reason_codes: tuple[str, ...] | None
    refusal: Refused | None
    effects: tuple[Effect, ...]


def decide(policy: Policy, status: Status, change: Change, *, may_update: bool, source: str | None = None) -> Decision:
    """Judge one change. The order is: permission, version, configuration, stage, unchanged, age, transition, reason,
    effects.

    A stale version or configuration is refused even if the stage is the same. An event older than the customer's stay
    in its stage is refused as that, before the transition is judged: the rules speak about moves from the present
    stage. A customer not placed yet, or in a stage of another version of the configuration, may come into any stage;
    only the first placement into the initial stage needs no reason.
    """
    if not may_update:
        return _refuse_permission()
    version = status.version
    if change.expected_version is not None and change.expected_version != version:
        return _refuse_version(status, change.expected_version)
    if change.expected_configuration is not None and change.expected_configuration != policy.version:
        effects = policy.effects_of(status.stage, policy.canonical_stage(change.stage) or change.stage, source)
        return Refused("effects_unconfirmed", Message("reconfigured"), effects=tuple(Counter(effects).items()))
    from_stage, to_stage = status.stage, change.stage
    if to_stage not in policy.definitions:
        found = policy.canonical_stage(to_stage)
        if found is None:
            return _refuse_stage(policy, to_stage)
        to_stage = found
    if to_stage == from_stage:
        return Unchanged(to_stage)
    if change.only_if_newer and _is_stale(status, change):
        return _refuse_stale(status, change)
    if not change.is_return and not policy.allows(from_stage, to_stage):
        return _refuse_transition(policy, from_stage, to_stage)
    reason: str | None = None
    if change.reason_code is not None or to_stage in policy.required:
        judged = _judge_reason(policy, from_stage, to_stage, change.reason_code)
        if isinstance(judged, Refused):
            return judged
        reason = judged
    effects = policy.effects_of(from_stage, to_stage, source)
    if change.expected_effects is not None and change.expected_effects != len(effects):
        return refuse_effects(Counter(effects), change.expected_effects)
    return Allowed(from_stage, to_stage, reason, effects)


def explain(policy: Policy, status: Status, *, may_update: bool, source: str | None = None) -> tuple[StageOption, ...]:
    """What is open to the customer: every other stage, in order, each with the refusal that would be given.

    The effects are those of a change of this ``source`` (None: of any).
    """
    options = []
    for stage in policy.stages:
        if stage == status.stage:
            continue
        refusal: Refused | None = None
        if not may_update:
            refusal = _refuse_permission()
        elif not policy.allows(status.stage, stage):
            refusal = _refuse_transition(policy, status.stage, stage)
        options.append(
            StageOption(
                stage=stage,
                allowed=refusal is None,
                reason_required=_needs_reason(policy, status.stage, stage),
                reason_codes=policy.reason_codes(stage),
                refusal=refusal,
                effects=policy.effects_of(status.stage, stage, source),
            )
        )
    return tuple(options)


def refuse_effects(effects: Mapping[Effect, int], confirmed: int) -> Refused:
    """The refusal of what would start other effects (each so often) than as many as were confirmed; named up to ten."""
    return _refuse_effects("effects_unconfirmed", effects, confirmed=confirmed)


def refuse_unasked_effects(effects: Mapping[Effect, int], budget: int) -> Refused:
    """The refusal of a bulk change that would start more effects than the tenant lets one start unasked."""
    return _refuse_effects("effects_unasked", effects, budget=budget)


def _refuse_effects(name: str, effects: Mapping[Effect, int], **params: int) -> Refused:
    names = tuple(dict.fromkeys((effect.name, effect.kind) for effect in effects))
    more = max(0, len(names) - MOST_NAMED)
    message = Message(name, {"names": names[:MOST_NAMED], "more": more, "count": sum(effects.values()), **params})
    return Refused("effects_unconfirmed", message, effects=tuple(effects.items()))


def refuse_mute() -> Refused:
    """The refusal of a change that is to start nothing, asked for by someone who may not ask for that."""
    return Refused("permission_denied", Message("may_not_mute"))


def _needs_reason(policy: Policy, from_stage: str | None, to_stage: str) -> bool:
    return to_stage in policy.required and not (from_stage is None and to_stage == policy.initial)


def _judge_reason(policy: Policy, from_stage: str | None, to_stage: str, given: str | None) -> str | Refused | None:
    """The reason to record, or why it is not acceptable."""
    codes = policy.reason_codes(to_stage)
    if codes is not None and given in codes:
        return given
    try:
        reason = read_line(given, LONGEST_REASON)
    except InvalidValue as error:
        message = Message("invalid_reason", {"reason": given or "", "error": Message(error.sentence, error.params)})
        return Refused("unknown_reason", message, codes or (), field="reason_code")
    if not is_visible(reason):
        return _refuse_missing_reason(policy, to_stage) if _needs_reason(policy, from_stage, to_stage) else None
    if codes is None or reason in codes:
        return reason
    message = Message("unknown_reason", {"reason": reason, "stage": to_stage, "choices": codes})
    return Refused("unknown_reason", message, codes, field="reason_code")


def _is_stale(status: Status, change: Change) -> bool:
    entered, effective = status.stage_entered_at, change.effective_at
    return entered is not None and effective is not None and effective < entered


def _refuse_permission() -> Refused:
    return Refused("permission_denied", Message("view_only"))


def _of_place(name: str, status: Status, **params: str) -> Message:
    """The message for a customer in a stage, or for one in none yet."""
    if status.stage is None:
        return Message(f"{name}_unplaced", params)
    return Message(name, {**params, "stage": status.stage})


def _refuse_version(status: Status, expected: int) -> Refused:
    message = _of_place("stale_version", status, version=str(status.version), expected=str(expected))
    return Refused("version_conflict", message)


def _refuse_stage(policy: Policy, name: str) -> Refused:
    params = {"name": name, "stages": policy.stages}
    suggestion = policy.suggest_stage(name)
    message = Message("unknown_stage", params)
    if suggestion is not None:
        message = Message("unknown_stage_suggestion", {**params, "suggestion": suggestion})
    return Refused("invalid_stage", message, policy.stages, field="stage")


def _refuse_stale(status: Status, change: Change) -> Refused:
    entered, effective = status.stage_entered_at, change.effective_at
    assert entered is not None and effective is not None  # noqa: S101 (checked by _is_stale)
    message = _of_place("stale_event", status, effective=effective.isoformat(), entered=entered.isoformat())
    return Refused("stale_event", message)


def _refuse_transition(policy: Policy, from_stage: str | None, to_stage: str) -> Refused:
    allowed = policy.allowed_from(from_stage)
    params = {"from": from_stage or "", "to": to_stage}
    message = Message("no_transition", {**params, "choices": allowed}) if allowed else Message("no_way_out_of", params)
    return Refused("transition_not_allowed", message, allowed, field="stage")


def _refuse_missing_reason(policy: Policy, to_stage: str) -> Refused:
    codes = policy.reason_codes(to_stage) or ()
    message = Message("any_reason_needed", {"stage": to_stage})
    if codes:
        message = Message("reason_needed", {"stage": to_stage, "choices": codes})
    return Refused("reason_required", message, codes, field="reason_code")
