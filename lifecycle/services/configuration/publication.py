"""Publishing a configuration over live customers, moving those whose stage went away, and taking it all back.

A stage that goes away with customers in it needs a place for them: ``mapping``. In the publishing transaction the
stage becomes *leaving*: no one can enter it, its customers may go anywhere the new rules allow. As soon as that is
committed, ``stage_migrations`` moves the first of them; the worker moves the others.
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from lifecycle.models import CustomerLifecycleStatus, StageMigration
from lifecycle.services.cache import copies
from lifecycle.services.configuration.plans import Target, complete_renames, read_targets
from lifecycle.services.configuration.returns import (
    leave_to_returns,
    make_moves_back,
    propose_mapping_back,
    rename_back,
)
from lifecycle.services.configuration.stage_migrations import (
    move_after_commit,
    remove_empty_stages,
    request_of,
    supersede_moves,
)
from lifecycle.services.configuration.started import find_leaving
from lifecycle.services.transitions.effects_asked import compare_effects
from storage.timeouts import allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import Configuration, parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.services.configuration import versions

PUBLISHING_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published, and the moves that it started."""

    version: ConfigurationVersion
    moves: tuple[StageMigration, ...]


def publish_configuration(
    configuration: object,
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
    starts_effects: bool = False,
    confirm_effects: int | None = None,
) -> Publication:
    """Publish a configuration, or what a JSON document says, as the tenant's next version; move whose stage goes away.

    ``renamed`` maps stages of the live version to their names in this one; ``mapping`` maps stages that go away to
    ``"stage"`` or ``{"to": "stage", "reason_code": "..."}``. A stage may take the name of one that goes away if the
    mapping names that one; the version records under which name it is emptied. ``former_names``: of stages that are
    gone already, what the history is to call them. ``starts_effects``: the moves of the mapping start what they would
    start by hand, ``confirm_effects`` as seen before; without that number no more than the tenant lets start unasked.

    Raises InvalidConfiguration with every error (of the mapping too, under ``/mapping``), MappingNeeded,
    ConfigurationConflict, EffectsUnconfirmed. Nothing is written then. Call inside the tenant's context; up to a
    thousand customers are moved right after the commit, the worker moves the rest.
    """
    if not isinstance(configuration, Configuration):
        configuration = parse_configuration(configuration)
    renamed = dict(renamed or {})
    is_return = action == versions.REVERT
    with transaction.atomic():
        # It waits for those who move customers, and takes the customers of renamed stages along.
        allow_seconds(PUBLISHING_SECONDS)
        live = versions.lock_live(tenant=tenant, expected_version=expected_version)
        counts = CustomerLifecycleStatus.objects.for_tenant(tenant.id).counts_by_stage()
        stages = versions.list_stages(tenant)
        names = complete_renames(configuration, renamed, stages=stages)
        targets = read_targets(configuration, renamed, mapping or {}, counts, stages, names=names, is_return=is_return)
        leaving = find_leaving(compile_policy(configuration, version=live + 1), targets, counts, names)
        # No one moves a customer until this is published, and no one enters these stages afterwards.
        effects = leaving.count_effects() if starts_effects else Counter()
        compare_effects(effects, tenant=tenant, expected=confirm_effects)
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
            detail={"effects": {effect.name: count for effect, count in effects.items()}} if starts_effects else {},
        )
        # What a stage means and how long a stay is expected shows in every summary.
        copies.refresh_configuration(tenant.id, live + 1)
        supersede_moves(policy, renamed=names, tenant=tenant, now=now)
        moves = _make_moves(
            policy, targets, counts, version=version, starts_effects=starts_effects, tenant=tenant, actor=actor, now=now
        )
        remove_empty_stages(tenant)
        move_after_commit(tenant, now=now)
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
    starts_effects: bool = False,
    confirm_effects: int | None = None,
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
            starts_effects=starts_effects,
            confirm_effects=confirm_effects,
        )


def revert_publication(
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
    it sent its customers. That starts no effects. ``mapping`` is needed for stages that only the live version has and
    that hold customers of their own; None: as ``propose_mapping_back`` has it, an empty one names none. Raises
    NoSuchVersion when there is nothing before the live version, otherwise as ``publish_configuration``.
    """
    with transaction.atomic():
        allow_seconds(PUBLISHING_SECONDS)
        number = versions.lock_live(tenant=tenant, expected_version=expected_version)
        rows = {
            row.number: row
            for row in ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__in=[number - 1, number])
        }
        if number - 1 not in rows:
            raise versions.NoSuchVersion("no_earlier_version")
        undone, former = rows[number], rows[number - 1]
        configuration = parse_configuration(former.document)
        stages = versions.list_stages(tenant)
        renamed = rename_back(undone, configuration, stages=stages)
        publication = publish_configuration(
            configuration,
            renamed=renamed,
            mapping=propose_mapping_back(undone, former, configuration, renamed=renamed, stages=stages)
            if mapping is None
            else mapping,
            tenant=tenant,
            actor=actor,
            now=now,
            comment=comment,
            action=versions.REVERT,
            former_names={new: old for old, new in undone.renamed.items()},
        )
        back = make_moves_back(undone, former, configuration, publication.version, tenant=tenant, actor=actor, now=now)
        leave_to_returns(publication.moves, back)
    return Publication(publication.version, publication.moves + back)


def _make_moves(
    policy: Policy,
    targets: Mapping[str, Target],
    counts: Mapping[str, int],
    *,
    version: ConfigurationVersion,
    starts_effects: bool,
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
            request_id=request_of(version),
            actor=actor.name,
            actor_kind=actor.kind,
            total=counts[stage],
            starts_effects=starts_effects,
            created_at=now,
        )
        for stage, target in targets.items()
        if counts.get(stage)
    ]
    return tuple(StageMigration.objects.bulk_create(moves))
