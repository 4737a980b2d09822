"""Publishing a configuration over live customers, moving those whose stage went away, and taking it all back.

A stage that goes away with customers in it needs a place for them: ``mapping``. In the publishing transaction the stage
becomes *leaving*: nobody can enter it, its customers may go anywhere the new rules allow. Then ``stage_migrations``
moves them.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.rules.transitions import Change, Refused, Status, decide
from lifecycle.services.cache import copies
from lifecycle.services.configuration.stage_migrations import customers_of, remove_empty_stages, supersede_moves
from storage.timeouts import allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import Configuration, Fault, InvalidConfiguration, parse_configuration
from tenants.rules.configuration.errors import point
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.configuration.renames import name_replaced
from tenants.rules.texts import fold_text, quote_text
from tenants.services.configuration import versions

PUBLISHING_SECONDS = 600


class MappingNeeded(Exception):
    """Stages with customers would go away and nothing says where the customers shall go. ``stages``: name -> count."""

    def __init__(self, stages: Mapping[str, int]) -> None:
        self.stages = dict(stages)
        held = ", ".join(f"{name} ({count})" for name, count in stages.items())
        super().__init__(
            f"Customers are still in stages that would be removed: {held}. Map each to a target stage."
            " Nothing was published."
        )


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, and the moves that it started."""

    version: ConfigurationVersion
    moves: tuple[StageMigration, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the customers of a stage go, and with which reason."""

    stage: str
    reason_code: str | None = None


def publish_configuration(
    document: Any,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    renamed: Mapping[str, str] | None = None,
    mapping: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
    comment: str = "",
    draft: ConfigurationVersion | None = None,
    action: str = versions.PUBLISH,
    former_names: Mapping[str, str] | None = None,
) -> Publication:
    """Publish ``document`` as the tenant's next version, and start moving the customers of stages that go away.

    ``renamed`` maps stages of the live version to their names in this one; ``mapping`` maps stages that go away to
    ``"stage"`` or ``{"to": "stage", "reason_code": "..."}``. A stage may take the name of one that goes away if the
    mapping names that one; the version records under which name it is emptied. ``former_names``: of stages that are
    gone already, what the history is to call them. Raises InvalidConfiguration with every fault (of the
    mapping too, under ``/mapping``), MappingNeeded, ConfigurationConflict. Nothing is written then. Call inside the
    tenant's context; ``move_customers`` (or the worker) does the rest after the commit.
    """
    configuration = parse_configuration(document)
    renamed = dict(renamed or {})
    is_return = action == versions.TAKE_BACK
    with transaction.atomic():
        # It waits for those who move customers, and takes the customers of renamed stages along.
        allow_seconds(PUBLISHING_SECONDS)
        live = versions.lock_live(tenant=tenant, expected_version=expected_version)
        counts = CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()
        stages = versions.list_stages(tenant)
        names = complete_renames(configuration, renamed, stages=stages)
        targets = _read_targets(configuration, renamed, mapping or {}, counts, stages, names=names, is_return=is_return)
        names |= {old: new for old, new in (former_names or {}).items() if old not in stages}
        version, policy = versions.publish_version(
            configuration,
            number=live + 1,
            renamed=names,
            mapping={stage: {"to": t.stage, "reason_code": t.reason_code} for stage, t in targets.items()},
            tenant=tenant,
            actor=actor,
            now=now,
            comment=comment,
            draft=draft,
            action=action,
        )
        # What a stage means and how long a stay is expected shows in every summary.
        copies.refresh_configuration(tenant.id, live + 1)
        supersede_moves(policy, renamed=names, tenant=tenant, now=now)
        moves = _make_moves(policy, targets, counts, version=version, tenant=tenant, actor=actor, now=now)
        remove_empty_stages(tenant)
    return Publication(version, moves)


def publish_draft(
    draft_id: UUID,
    *,
    expected_revision: int,
    expected_version: int | None,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    comment: str = "",
) -> Publication:
    """Publish a draft at the revision that the caller has seen.

    Raises NoSuchVersion, and what ``publish_configuration`` raises.
    """
    with transaction.atomic():
        draft = versions.lock_draft(draft_id, tenant=tenant, expected_revision=expected_revision)
        return publish_configuration(
            draft.document,
            renamed=draft.renamed,
            mapping=draft.mapping,
            expected_version=expected_version,
            tenant=tenant,
            actor=actor,
            now=now,
            comment=comment,
            draft=draft,
        )


def take_back(
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    comment: str,
    expected_version: int | None = None,
    mapping: Mapping[str, Any] | None = None,
) -> Publication:
    """Publish the version before the live one again, as a new version; renames are undone.

    Customers that the live version's publication moved, and that have not moved since, go back to the stage they came
    from, whether or not a transition leads there; where the former version was still emptying that stage, they go where
    it sent its customers. ``mapping`` is needed for stages that only the live version has and that hold customers of
    their own. Raises NoSuchVersion when there is nothing before the live version, otherwise as
    ``publish_configuration``.
    """
    with transaction.atomic():
        allow_seconds(PUBLISHING_SECONDS)
        number = versions.lock_live(tenant=tenant, expected_version=expected_version)
        rows = {
            row.number: row
            for row in ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__in=[number - 1, number])
        }
        if number - 1 not in rows:
            raise versions.NoSuchVersion("There is no earlier version to roll back to.")
        undone, former = rows[number], rows[number - 1]
        stages = versions.list_stages(tenant)
        publication = publish_configuration(
            former.document,
            renamed=rename_back(undone, former, stages=stages),
            mapping=mapping or propose_mapping_back(undone, former, stages=stages),
            tenant=tenant,
            actor=actor,
            now=now,
            comment=comment,
            action=versions.TAKE_BACK,
            former_names={new: old for old, new in undone.renamed.items()},
        )
        back = _make_moves_back(undone, former, publication.version, tenant=tenant, actor=actor, now=now)
        _leave_to_returns(publication.moves, back)
    return Publication(publication.version, publication.moves + back)


def complete_renames(
    configuration: Configuration, renamed: Mapping[str, str], *, stages: Collection[str]
) -> dict[str, str]:
    """The renames, and the names under which stages are emptied whose own name another one takes."""
    return {**renamed, **name_replaced(renamed, stages=stages, new_stages=configuration.stages)}


def judge_plan(
    configuration: Configuration,
    *,
    renamed: Mapping[str, Any],
    mapping: Mapping[str, Any],
    stages: Collection[str],
    is_return: bool = False,
) -> tuple[dict[str, Target], list[Fault]]:
    """Where the customers of stages that go away shall go, judged by the new rules, and every fault of the plan.

    ``stages``: those that there are now, also the leaving ones. Faults stand under ``/renamed``, ``/mapping`` and, for
    a name that differs from one of today only in case, ``/stages``. What is said of stages that stay is not looked at.
    ``is_return``: a version is taken back, so a stage that takes the name of another gets back its own.
    """
    replaced = name_replaced(renamed, stages=stages, new_stages=configuration.stages)
    leaving = replaced if is_return else {stage: name for stage, name in replaced.items() if stage in mapping}
    faults = _judge_renames(configuration, renamed, [stage for stage in stages if stage not in leaving])
    targets = {}
    for stage in mapping:
        if stage not in stages:
            sentence = f"{quote_text(stage)} is not a stage of the live version, so no customer can leave it."
            faults.append(Fault(point("mapping", stage), "unknown_stage", sentence))
    for stage in stages:
        if stage not in mapping or stage in renamed or (stage in configuration.stages and stage not in leaving):
            continue
        target = _read_target(mapping[stage])
        if target is None:
            sentence = "Give the stage to move to, or an object with “to” and, if a reason is needed, “reason_code”."
            faults.append(Fault(point("mapping", stage), "invalid_mapping", sentence))
        elif refusal := _judge_target(configuration, leaving.get(stage, stage), target):
            faults.append(Fault(point("mapping", stage), refusal.code, refusal.sentence))
        else:
            targets[stage] = target
    return targets, faults


def _judge_renames(configuration: Configuration, renamed: Mapping[str, Any], stages: Collection[str]) -> list[Fault]:
    """What is wrong with the renames: the database holds every name once, whatever its case, at every moment."""
    faults = []
    staying = {fold_text(stage): stage for stage in stages if stage not in renamed}
    taken: set[str] = set()
    for old, new in renamed.items():
        place = point("renamed", old)
        if old not in stages:
            faults.append(Fault(place, "unknown_stage", f"{quote_text(old)} is not a stage of the live version."))
        elif not isinstance(new, str) or new not in configuration.stages:
            shown = quote_text(new) if isinstance(new, str) else "This"
            faults.append(Fault(place, "unknown_stage", f"{shown} is not a stage of the new configuration."))
        elif new in taken or fold_text(new) in staying:
            sentence = (
                f"{quote_text(new)} is the name of another stage already. To bring the customers of {quote_text(old)} "
                f"there, let {quote_text(old)} go away and map it to that stage. If that stage goes away and "
                f"{quote_text(old)} takes its name, say in the mapping where its customers go."
            )
            faults.append(Fault(place, "name_taken", sentence))
        else:
            taken.add(new)
    for index, name in enumerate(configuration.stages):
        there = staying.get(fold_text(name), name)
        if there != name and name not in taken:
            sentence = (
                f"{quote_text(name)} differs from today's stage {quote_text(there)} only in case: rename that one."
            )
            faults.append(Fault(point("stages", index), "rename_needed", sentence))
    return faults


def _read_target(value: Any) -> Target | None:
    if isinstance(value, str):
        return Target(value)
    if not isinstance(value, Mapping) or not value.keys() <= {"to", "reason_code"}:
        return None
    to, reason_code = value.get("to"), value.get("reason_code")
    if not isinstance(to, str) or not isinstance(reason_code, str | None):
        return None
    return Target(to, reason_code)


def _read_targets(
    configuration: Configuration,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    counts: Mapping[str, int],
    stages: Collection[str],
    *,
    names: Mapping[str, str],
    is_return: bool,
) -> dict[str, Target]:
    """The mapping, judged by the new rules. Every stage that goes away and holds customers must be in it."""
    targets, faults = judge_plan(configuration, renamed=renamed, mapping=mapping, stages=stages, is_return=is_return)
    if faults:
        raise InvalidConfiguration(tuple(faults))
    gone = {
        stage: count
        for stage, count in counts.items()
        if count and names.get(stage, stage) not in configuration.stages and stage not in targets
    }
    if gone:
        raise MappingNeeded(gone)
    return targets


def _judge_target(configuration: Configuration, stage: str, target: Target) -> Refused | None:
    policy = compile_policy(configuration, version=0)
    nobody = UUID(int=0)
    decision = decide(
        policy,
        Status(customer_id=nobody, stage=stage, version=1),
        Change(customer_id=nobody, stage=target.stage, reason_code=target.reason_code),
        may_update=True,
    )
    return decision if isinstance(decision, Refused) else None


def _make_moves(
    policy: Policy,
    targets: Mapping[str, Target],
    counts: Mapping[str, int],
    *,
    version: ConfigurationVersion,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> tuple[StageMigration, ...]:
    moves = [
        StageMigration(
            tenant_id=tenant.id,
            configuration_version=policy.version,
            from_stage=version.renamed.get(stage, stage),
            to_stage=target.stage,
            reason_code=target.reason_code or "",
            request_id=_request_of(version),
            actor=actor.name,
            actor_kind=actor.kind,
            total=counts[stage],
            created_at=now,
        )
        for stage, target in targets.items()
        if counts.get(stage)
    ]
    return tuple(StageMigration.objects.bulk_create(moves))


def rename_back(
    undone: ConfigurationVersion, former: ConfigurationVersion, *, stages: Collection[str]
) -> dict[str, str]:
    """The renames that undo those of a version. A stage that was leaving already when it was renamed has no name to
    come back to: it goes away again.
    """
    there = parse_configuration(former.document).stages
    return {new: old for old, new in undone.renamed.items() if new in stages and old in there}


def propose_mapping_back(
    undone: ConfigurationVersion, former: ConfigurationVersion, *, stages: Collection[str]
) -> dict[str, Any]:
    """Where customers of stages that the former version does not have go when it is taken back, unless said otherwise:
    where the undone version's own mapping came from. ``stages``: those that there are now.
    """
    configuration = parse_configuration(former.document)
    kept = (
        set(configuration.stages)
        - name_replaced(
            rename_back(undone, former, stages=stages), stages=stages, new_stages=configuration.stages
        ).keys()
    )
    back: dict[str, Any] = {}
    for old, new in undone.renamed.items():
        goal = _find_goal(configuration, old, former) if old not in configuration.stages else None
        if goal is not None:
            back[new] = {"to": goal.stage, "reason_code": goal.reason_code}
    for old, target in undone.mapping.items():
        goal = _find_goal(configuration, old, former)
        if goal is None:
            continue
        # The stage that they were brought to, and the one that is not empty yet.
        for stage in (target["to"], undone.renamed.get(old, old)):
            if stage not in kept:
                back.setdefault(stage, {"to": goal.stage, "reason_code": goal.reason_code})
    return {stage: target for stage, target in back.items() if stage in stages}


def _make_moves_back(
    undone: ConfigurationVersion,
    former: ConfigurationVersion,
    version: ConfigurationVersion,
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
) -> tuple[StageMigration, ...]:
    configuration = parse_configuration(former.document)
    moves = []
    for old, target in undone.mapping.items():
        stands_in = version.renamed.get(target["to"], target["to"])
        goal = _find_goal(configuration, old, former)
        if goal is None or goal.stage == stands_in:
            continue
        probe = StageMigration(
            tenant_id=tenant.id,
            configuration_version=version.number or 0,
            from_stage=stands_in,
            to_stage=goal.stage,
            reason_code=goal.reason_code or "",
            request_id=_request_of(version),
            undo_request_id=undone.request_id,
            undo_from_stage=undone.renamed.get(old, old),
            actor=actor.name,
            actor_kind=actor.kind,
            created_at=now,
            total=0,
        )
        probe.total = customers_of(probe).count()
        if probe.total:
            moves.append(probe)
    return tuple(StageMigration.objects.bulk_create(moves))


def _find_goal(configuration: Configuration, stage: str, former: ConfigurationVersion) -> Target | None:
    """Where customers go that were taken out of ``stage``: there, or where the former version was sending them."""
    if stage in configuration.stages:
        return Target(stage, _any_reason(configuration, stage) or None)
    names = {new: old for old, new in former.renamed.items()}
    sent_to = former.mapping.get(stage) or former.mapping.get(names.get(stage, stage))
    return Target(sent_to["to"], sent_to["reason_code"]) if sent_to else None


def _leave_to_returns(moves: Collection[StageMigration], returns: Collection[StageMigration]) -> None:
    """Count nobody twice: who returns from a stage that goes away does not go by its mapping."""
    for move in moves:
        returning = sum(back.total for back in returns if back.from_stage == move.from_stage)
        if returning:
            move.total = max(0, move.total - returning)
            move.save(update_fields=["total"])


def _request_of(version: ConfigurationVersion) -> UUID:
    """The request id that a published version's moves carry."""
    assert version.request_id is not None  # noqa: S101  publishing gives one
    return version.request_id


def _any_reason(configuration: Configuration, stage: str) -> str:
    """The reason recorded for a return to a stage that asks for one: the first accepted, or what it is."""
    definition = configuration.definition(stage)
    if not definition.requires_reason:
        return ""
    return definition.reason_codes[0] if definition.reason_codes else "Configuration taken back"
