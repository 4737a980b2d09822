"""The compiled policy of a configuration version: made once a version and process, then free."""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from storage.cursors import prepared_cursor
from storage.database.identity import database_identity
from tenants.models import ConfigurationVersion, Tenant
from tenants.rules.configuration.document import InvalidConfiguration, parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy

# Everyone who moves customers holds this lock with others until they commit; a publisher holds it alone. Without it a
# publication that renames stages and the moves into and out of them would wait for one another. The function (migration
# 0003) takes it and gives the number of the configuration that is live from then on, also when it had to wait for a
# publisher. Parameter: tenant_id.
HOLD_CONFIGURATION: Final = "hold_configuration(%(tenant_id)s::uuid)"
TAKE_PUBLICATION: Final = "SELECT pg_advisory_xact_lock(hashtextextended('configuration:' || %(tenant_id)s::text, 0))"

# Versions are immutable, so nothing here ever goes stale; only the number of them is bounded. After a restore from a
# backup a number may be given again: hence the database's identity.
KEPT = 2000
_policies: OrderedDict[tuple[str, UUID, int], Policy] = OrderedDict()
_lock = Lock()


class NoConfiguration(Exception):
    """The tenant has published no configuration yet: no customer can be in any stage."""

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(f"Tenant {tenant_id} has no lifecycle configuration: publish one first.")


def policy_of_version(tenant_id: UUID, version: int) -> Policy:
    """The compiled policy of one version. One statement the first time in this process, none afterwards.

    Call inside the tenant's context. Raises NoConfiguration when there is no such version.
    """
    policy = known_policy(tenant_id, version)
    if policy is None:
        document = (
            ConfigurationVersion.objects.filter(tenant_id=tenant_id, number=version)
            .values_list("document", flat=True)
            .first()
        )
        if document is None:
            raise NoConfiguration(tenant_id)
        policy = _compile(tenant_id, version, document)
    return policy


def readable_policy(tenant_id: UUID, version: int) -> Policy | None:
    """As ``policy_of_version``; None for a version that was published under older rules than today's."""
    try:
        return policy_of_version(tenant_id, version)
    except InvalidConfiguration:
        return None


def policy_of(version: ConfigurationVersion | None) -> Policy | None:
    """The compiled policy of a published version at hand. No statement.

    None without a version, and for one that was published under older rules than today's.
    """
    if version is None or version.number is None:
        return None
    known = known_policy(version.tenant_id, version.number)
    try:
        return known or _compile(version.tenant_id, version.number, version.document)
    except InvalidConfiguration:
        return None


def _compile(tenant_id: UUID, version: int, document: object) -> Policy:
    key = (database_identity(), tenant_id, version)
    # Those who come at the same time wait for the one who compiles it; no statement is made with the lock held.
    with _lock:
        policy = _policies.get(key)
        if policy is None:
            policy = _policies[key] = compile_policy(parse_configuration(document), version=version)
            while len(_policies) > KEPT:
                _policies.popitem(last=False)
    return policy


def known_policy(tenant_id: UUID, version: int) -> Policy | None:
    """The policy of a version if this process has compiled it already. No statement, no context needed."""
    return _policies.get((database_identity(), tenant_id, version))


def live_policy(tenant_id: UUID) -> Policy:
    """The policy that is live now. One statement, for the version number."""
    version = Tenant.objects.filter(id=tenant_id).values_list("configuration_version", flat=True).first()
    if not version:
        raise NoConfiguration(tenant_id)
    return policy_of_version(tenant_id, version)


def hold_live_policy(tenant_id: UUID) -> Policy:
    """As ``live_policy``, and no one publishes another one before this transaction ends."""
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(f"SELECT {HOLD_CONFIGURATION}", {"tenant_id": tenant_id})
        (version,) = cursor.fetchone()
    if not version:
        raise NoConfiguration(tenant_id)
    return policy_of_version(tenant_id, version)
