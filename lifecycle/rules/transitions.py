"""May this customer be moved to that stage? Decided from the policy, the status as locked and the change alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import list_texts, quote_text
from tenants.rules.values import InvalidValue, is_visible, read_line

LONGEST_STAGE = 100
LONGEST_REASON = 255
LONGEST_NOTE = 4000
MOST_NAMED = 10
RECONFIGURED = (
    "The lifecycle configuration has changed since you opened this. Your change was not saved: review the options,"
    " then try again."
)


# Named tuples, where there are as many as customers in a batch: they are made four times as fast as dataclasses.
class Change(NamedTuple):
    """What someone asks for. A ``reason_code`` that is blank counts as not given.

    What they saw and agreed to: the customer's ``expected_version``, the number of the configuration, and how many
    effects the change would start. It is refused if one of these is another by now. ``effective_at``: when it happened,
    if not now; with ``only_if_newer`` (events) it is refused when the customer has come to its stage after that.
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
    """The change is not made. ``code`` is the contract's; ``sentence`` is shown to people as it is.

    ``allowed``: the stages, or the reasons, that would be accepted. ``field``: the part of the change that is wrong.
    ``effects``: what the change would start, if it is not what was agreed to.
    """

    code: str
    sentence: str
    allowed: tuple[str, ...] = ()
    field: str | None = None
    effects: tuple[Effect, ...] | None = None


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


def decide(policy: Policy, status: Status, change: Change, *, may_update: bool) -> Decision:
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
        effects = policy.effects_of(status.stage, policy.canonical_stage(change.stage) or change.stage)
        return Refused("effects_unconfirmed", RECONFIGURED, effects=effects)
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
    effects = policy.effects_of(from_stage, to_stage)
    if change.expected_effects is not None and change.expected_effects != len(effects):
        return refuse_effects(effects, change.expected_effects)
    return Allowed(from_stage, to_stage, reason, effects)


def explain(policy: Policy, status: Status, *, may_update: bool) -> tuple[StageOption, ...]:
    """What is open to the customer: every other stage, in order, each with the refusal that would be given."""
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
                effects=policy.effects_of(status.stage, stage),
            )
        )
    return tuple(options)


def refuse_effects(effects: Sequence[Effect], confirmed: int) -> Refused:
    """The refusal of what would start other effects than as many as were confirmed; named up to ten."""
    names = list(dict.fromkeys(f"{quote_text(effect.name)} ({effect.kind})" for effect in effects))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    named = f": {', '.join(names[:MOST_NAMED])}{more}" if names else ""
    number = "1 automation" if len(effects) == 1 else f"{len(effects) or 'no'} automations"
    sentence = (
        f"This would start {number}{named}; you confirmed {confirmed or 'none'}. Nothing was saved: review what would"
        " start, then try again."
    )
    return Refused("effects_unconfirmed", sentence, effects=tuple(effects))


def refuse_unasked_effects(effects: Sequence[Effect], budget: int) -> Refused:
    """The refusal of a bulk change that would start more effects than the tenant lets one start unasked."""
    asked = refuse_effects(effects, 0)
    started = asked.sentence.partition("; you confirmed")[0]
    sentence = (
        f"{started}, more than the {budget:,} that a bulk change starts here without being asked. Nothing was saved:"
        f" review what would start, then confirm the number ({len(effects)})."
    )
    return Refused("effects_unconfirmed", sentence, effects=tuple(effects))


def refuse_mute() -> Refused:
    """The refusal of a change that is to start nothing, asked for by someone who may not ask for that."""
    sentence = (
        "Only tenant admins can change a stage without starting its automations. Nothing was saved: change it with"
        " them, or ask a tenant admin."
    )
    return Refused("permission_denied", sentence)


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
        sentence = f"The reason {quote_text(given or '')} {error}."
        return Refused("unknown_reason", sentence, codes or (), field="reason_code")
    if not is_visible(reason):
        return _refuse_missing_reason(policy, to_stage) if _needs_reason(policy, from_stage, to_stage) else None
    if codes is None or reason in codes:
        return reason
    accepted = list_texts(codes, last="or")
    sentence = f"{quote_text(reason)} is not a reason for {quote_text(to_stage)}. Choose one of: {accepted}."
    return Refused("unknown_reason", sentence, codes, field="reason_code")


def _is_stale(status: Status, change: Change) -> bool:
    entered, effective = status.stage_entered_at, change.effective_at
    return entered is not None and effective is not None and effective < entered


def _describe_place(status: Status) -> str:
    return "in no stage yet" if status.stage is None else f"in {quote_text(status.stage)}"


def _refuse_permission() -> Refused:
    return Refused("permission_denied", "You have view-only access. Ask an account manager.")


def _refuse_version(status: Status, expected: int) -> Refused:
    sentence = (
        "The customer was just updated by someone else. Your change was not saved: it is at version"
        f" {status.version}, {_describe_place(status)}, and you expected version {expected}."
    )
    return Refused("version_conflict", sentence)


def _refuse_stage(policy: Policy, name: str) -> Refused:
    suggestion = policy.suggest_stage(name)
    meant = f" Did you mean {quote_text(suggestion)}?" if suggestion is not None else ""
    sentence = f"There is no stage {quote_text(name)}.{meant} The stages are {list_texts(policy.stages)}."
    return Refused("invalid_stage", sentence, policy.stages, field="stage")


def _refuse_stale(status: Status, change: Change) -> Refused:
    entered, effective = status.stage_entered_at, change.effective_at
    assert entered is not None and effective is not None  # noqa: S101 (checked by _is_stale)
    sentence = (
        f"The event of {effective.isoformat()} is older than the customer's stage: "
        f"it has been {_describe_place(status)} since {entered.isoformat()}."
    )
    return Refused("stale_event", sentence)


def _refuse_transition(policy: Policy, from_stage: str | None, to_stage: str) -> Refused:
    allowed = policy.allowed_from(from_stage)
    instead = f"Choose one of: {list_texts(allowed, last='or')}" if allowed else "No transition leads out of this stage"
    sentence = f"A customer in {quote_text(from_stage or '')} cannot be moved to {quote_text(to_stage)}. {instead}."
    return Refused("transition_not_allowed", sentence, allowed, field="stage")


def _refuse_missing_reason(policy: Policy, to_stage: str) -> Refused:
    codes = policy.reason_codes(to_stage) or ()
    accepted = f"Choose one of: {list_texts(codes, last='or')}" if codes else "Any text of up to 255 characters works"
    sentence = f"To move a customer to {quote_text(to_stage)} you must give a reason. {accepted}."
    return Refused("reason_required", sentence, codes, field="reason_code")
