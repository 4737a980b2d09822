"""Configuration versions and drafts: what a tenant's lifecycle was, is, and may become.

Publishing also moves customers, which this app does not know:
``lifecycle.services.configuration.publication`` is the whole verb, and ``publish_version`` here its first half.
"""

import datetime as dt
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from uuid_utils.compat import uuid7

from audit.services.administration import record_administration
from storage.database.identity import database_identity
from tenants.actors import Actor, TenantRef
from tenants.models import ConfigurationVersion, Stage, Tenant
from tenants.rules.configuration.document import Configuration
from tenants.rules.configuration.policy import Policy, compile_policy
from tenants.rules.configuration.renames import order_renames
from tenants.services.configuration.policies import TAKE_PUBLICATION

# What the administration log calls the ways to a new version.
PUBLISH: Final = "publish_configuration"
REVERT: Final = "revert_publication"

# Names of former versions, which never change; only the number of tenants is bounded.
KEPT_NAMES: Final = 2000
_known_names: OrderedDict[tuple[str, UUID, int | None], dict[int, dict[str, str]]] = OrderedDict()
_lock = Lock()


class ConfigurationRefused(Exception):
    """Nothing was saved or published; ``tenants.sentences`` says why from ``message`` and ``params``."""

    def __init__(self, message: str, **params: Any) -> None:
        self.message, self.params = message, params
        super().__init__(message, params)


class ConfigurationConflict(ConfigurationRefused):
    """Someone else published, or saved the draft, in the meantime.

    ``current`` is the version or revision there is now, ``expected`` the one that the caller has seen.
    """

    def __init__(self, message: str, *, current: int, expected: int) -> None:
        self.current = current
        super().__init__(message, current=current, expected=expected)


class NoSuchVersion(ConfigurationRefused):
    """There is no such draft or version in this tenant."""


def live_version(tenant: TenantRef) -> ConfigurationVersion | None:
    """The configuration that judges now, or None. Two statements."""
    number = Tenant.objects.filter(id=tenant.id).values_list("configuration_version", flat=True).first()
    return ConfigurationVersion.objects.filter(tenant_id=tenant.id, number=number).first() if number else None


def open_draft(
    *,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    comment: str = "",
    document: Any = None,
    renamed: Mapping[str, str] | None = None,
    mapping: Mapping[str, Any] | None = None,
    draft_id: UUID | None = None,
) -> ConfigurationVersion:
    """A new draft that begins as ``document``, else as the live configuration, or empty when there is none."""
    live = live_version(tenant)
    draft = ConfigurationVersion.objects.create(
        id=draft_id or uuid7(),
        tenant_id=tenant.id,
        document=document if document is not None else live.document if live else {"stages": []},
        renamed=dict(renamed or {}),
        mapping=dict(mapping or {}),
        comment=comment,
        created_at=now,
        created_by=actor.name,
        updated_at=now,
    )
    record_administration("open_draft", draft.pk, tenant_id=tenant.id, actor=actor, reason=comment, now=now)
    return draft


def open_draft_once(draft_id: UUID, *, tenant: TenantRef, **given: Any) -> ConfigurationVersion:
    """As ``open_draft``, under the id that a wish has each time it is sent: a second one gets what the first opened.

    Of two at once the second waits.
    """
    try:
        with transaction.atomic():
            return open_draft(draft_id=draft_id, tenant=tenant, **given)
    except IntegrityError:
        return ConfigurationVersion.objects.get(tenant_id=tenant.id, id=draft_id)


def save_draft(
    draft_id: UUID,
    *,
    document: Any,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    expected_revision: int,
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    comment: str | None = None,
) -> ConfigurationVersion:
    """Replace a draft's content. Errors are allowed: a draft is for working on.

    Raises ConfigurationConflict when the draft is not at ``expected_revision`` any more, NoSuchVersion when it is gone.
    """
    with transaction.atomic():
        draft = lock_draft(draft_id, tenant=tenant, expected_revision=expected_revision)
        draft.document, draft.renamed, draft.mapping = document, dict(renamed), dict(mapping)
        draft.revision += 1
        draft.updated_at = now
        if comment is not None:
            draft.comment = comment
        draft.save()
        detail = {"revision": draft.revision}
        record_administration("save_draft", draft.pk, tenant_id=tenant.id, actor=actor, detail=detail, now=now)
    return draft


def discard_draft(
    draft_id: UUID, *, expected_revision: int, tenant: TenantRef, actor: Actor, now: dt.datetime, reason: str = ""
) -> None:
    """Throw a draft away. Raises as ``save_draft``."""
    with transaction.atomic():
        draft = lock_draft(draft_id, tenant=tenant, expected_revision=expected_revision)
        record_administration("discard_draft", draft.pk, tenant_id=tenant.id, actor=actor, reason=reason, now=now)
        draft.delete()


def lock_draft(draft_id: UUID, *, tenant: TenantRef, expected_revision: int) -> ConfigurationVersion:
    """Lock an unpublished draft at the revision that the caller has seen. Raises as ``save_draft``."""
    draft = hold_draft(draft_id, tenant=tenant)
    if draft.revision != expected_revision:
        raise ConfigurationConflict("draft_changed", current=draft.revision, expected=expected_revision)
    return draft


def find_draft(draft_id: UUID | None, *, tenant: TenantRef) -> ConfigurationVersion | None:
    """An unpublished draft, or the one that was edited last; None if there is none. One statement."""
    drafts = ConfigurationVersion.objects.filter(tenant_id=tenant.id, published_at__isnull=True)
    if draft_id is not None:
        drafts = drafts.filter(id=draft_id)
    return drafts.order_by("-updated_at", "id").first()


def hold_draft(draft_id: UUID, *, tenant: TenantRef) -> ConfigurationVersion:
    """Lock an unpublished draft as it is now. Raises NoSuchVersion when it is gone. One statement."""
    drafts = ConfigurationVersion.objects.select_for_update()
    draft = drafts.filter(tenant_id=tenant.id, id=draft_id, published_at__isnull=True).first()
    if draft is None:
        raise NoSuchVersion("no_draft")
    return draft


def lock_live(*, tenant: TenantRef, expected_version: int | None) -> int:
    """Take the publisher's turn: lock the tenant and return the live version's number (0: none yet).

    Waits until no one is moving customers, and keeps them waiting until the end of the transaction. Raises
    ConfigurationConflict when ``expected_version`` is given and is not the live one. Two statements.
    """
    with connection.cursor() as cursor:
        cursor.execute(TAKE_PUBLICATION, {"tenant_id": tenant.id})
    # no_key: who adds a customer has locked the tenant's key, and may be waiting for us.
    row = Tenant.objects.select_for_update(no_key=True).get(id=tenant.id)
    number = row.configuration_version
    if expected_version is not None and expected_version != number:
        raise ConfigurationConflict("version_changed", current=number, expected=expected_version)
    return number


def publish_version(
    configuration: Configuration,
    *,
    number: int,
    renamed: Mapping[str, str],
    mapping: Mapping[str, Any],
    tenant: TenantRef,
    actor: Actor,
    now: dt.datetime,
    comment: str,
    draft: ConfigurationVersion | None = None,
    action: str = PUBLISH,
    detail: Mapping[str, Any] | None = None,
) -> tuple[ConfigurationVersion, Policy]:
    """Make ``configuration`` the live version ``number``. The caller has locked the tenant and moves the customers.

    Stages are renamed where they are, so that their customers come along; new ones are added; those that went away
    stay as leaving, because customers may still be in them. ``action`` is how the administration log calls it, and
    ``detail`` what else it keeps. A bounded number of statements.
    """
    policy = compile_policy(configuration, version=number)
    version = draft or ConfigurationVersion(tenant_id=tenant.id, created_at=now, created_by=actor.name)
    version.number = number
    version.document = configuration.to_document()
    version.renamed, version.mapping = dict(renamed), dict(mapping)
    version.request_id = uuid7()
    version.comment = comment or version.comment
    version.updated_at = version.published_at = now
    version.published_by = actor.name
    version.save()
    _replace_stages(policy, renamed=renamed, tenant=tenant)
    Tenant.objects.filter(id=tenant.id).update(configuration_version=number)
    record_administration(
        action,
        version.pk,
        tenant_id=tenant.id,
        actor=actor,
        reason=comment,
        detail={"version": number, "renamed": version.renamed, "mapping": version.mapping, **(detail or {})},
        request_id=version.request_id,
        now=now,
    )
    return version, policy


def _replace_stages(policy: Policy, *, renamed: Mapping[str, str], tenant: TenantRef) -> None:
    rows = list(Stage.objects.select_for_update().filter(tenant_id=tenant.id).order_by("id"))
    for current, name in order_renames({row.name: renamed.get(row.name, row.name) for row in rows}):
        Stage.objects.filter(tenant_id=tenant.id, name=current).update(name=name)
    Stage.objects.filter(tenant_id=tenant.id).exclude(name__in=policy.stages).update(is_leaving=True)
    Stage.objects.bulk_create(
        [
            Stage(tenant_id=tenant.id, name=name, position=position, category=policy.category(name), is_leaving=False)
            for position, name in enumerate(policy.stages)
        ],
        update_conflicts=True,
        unique_fields=["tenant", "name"],
        update_fields=["position", "category", "is_leaving"],
    )


def list_stages(tenant: TenantRef) -> list[str]:
    """The stages that there are now, in order, also those that are leaving. One statement."""
    return list(Stage.objects.filter(tenant_id=tenant.id).order_by("position", "id").values_list("name", flat=True))


def leaving_stages(tenant: TenantRef) -> list[str]:
    """Stages that went away and may still hold customers. One statement."""
    return list(Stage.objects.filter(tenant_id=tenant.id, is_leaving=True).values_list("name", flat=True))


def remove_stage(name: str, *, tenant: TenantRef) -> None:
    """Delete a leaving stage. The database refuses it (IntegrityError) while a customer is there."""
    Stage.objects.filter(tenant_id=tenant.id, name=name, is_leaving=True).delete()


def present_names(tenant: TenantRef, *, live: int | None = None) -> dict[int, dict[str, str]]:
    """For each version that renamed stages: name before -> name after. For showing today's name of an old stage.

    One statement. ``live``: the number of the version that counts as today's, where it is known: what versions up to it
    have renamed never changes, so a process asks once.
    """
    key = (database_identity(), tenant.id, live)
    known = None if live is None else _known_names.get(key)
    if known is None:
        versions = ConfigurationVersion.objects.filter(tenant_id=tenant.id, number__isnull=False).exclude(renamed={})
        if live is not None:
            versions = versions.filter(number__lte=live)
        rows = versions.order_by("number").values_list("number", "renamed")
        known = {number: renamed for number, renamed in rows if number is not None}
        if live is not None:
            _keep_names(key, known)
    return known


def _keep_names(key: tuple[str, UUID, int | None], names: dict[int, dict[str, str]]) -> None:
    with _lock:
        _known_names[key] = names
        while len(_known_names) > KEPT_NAMES:
            _known_names.popitem(last=False)


def present_name(stage: str, version: int, renames: Mapping[int, Mapping[str, str]]) -> str:
    """What a stage, called so when ``version`` was live, is called now."""
    for number in sorted(renames):
        if number > version:
            stage = renames[number].get(stage, stage)
    return stage


def find_renamed(stage: str, tenant: TenantRef) -> str | None:
    """What the stage that was last called so is called now; None if none was renamed from it. One statement."""
    renames = present_names(tenant)
    for number in sorted(renames, reverse=True):
        if stage in renames[number]:
            return present_name(renames[number][stage], number, renames)
    return None
