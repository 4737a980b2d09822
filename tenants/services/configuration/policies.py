"""The compiled policy of a configuration version: made once a version and process, then free."""

from collections import OrderedDict
from threading import Lock
from typing import Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS

from storage.cursors import prepared_cursor
from storage.database.identity import database_identity
from tenants.models import ConfigurationVersion, Tenant
from tenants.rules.configuration.document import parse_configuration
from tenants.rules.configuration.policy import Policy, compile_policy

# Whoever moves customers holds this lock with others until he commits; a publisher holds it alone (TAKE_PUBLICATION).
# Without it a publication that renames stages and the moves into and out of them would wait for one another. As a
# condition it is taken before the statement reads its first row. Parameter: tenant_id.
_KEY: Final = "hashtextextended('configuration:' || %(tenant_id)s::text, 0)"
HOLD_CONFIGURATION: Final = f"(SELECT pg_advisory_xact_lock_shared({_KEY})) IS NOT NULL"
TAKE_PUBLICATION: Final = f"SELECT pg_advisory_xact_lock({_KEY})"
HELD_VERSION: Final = f"""
SELECT configuration_version FROM tenants_tenant WHERE id = %(tenant_id)s::uuid AND {HOLD_CONFIGURATION}
"""  # noqa: S608  constants

# Versions are immutable, so nothing here ever goes stale; only the number of them is bounded. After a restore from a
# backup a number may be given again: hence the database's identity.
KEPT = 2000
_policies: OrderedDict[tuple[str, UUID, int], Policy] = OrderedDict()
_lock = Lock()


class NoConfiguration(Exception):
    """The tenant has published no configuration yet: nobody can stand in any stage."""

    def __init__(self, tenant_id: UUID) -> None:
        super().__init__(f"Tenant {tenant_id} has no lifecycle configuration: publish one first.")


def policy_of_version(tenant_id: UUID, version: int) -> Policy:
    """The compiled policy of one version. One statement the first time in this process, none afterwards.

    Call inside the tenant's context. Raises NoConfiguration when there is no such version.
    """
    key = (database_identity(), tenant_id, version)
    policy = _policies.get(key)
    if policy is None:
        document = (
            ConfigurationVersion.objects.filter(tenant_id=tenant_id, number=version)
            .values_list("document", flat=True)
            .first()
        )
        if document is None:
            raise NoConfiguration(tenant_id)
        # Whoever came at the same time waits for the one who compiles it; nobody holds the lock for a statement.
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
    """As ``live_policy``, and nobody publishes another one before this transaction ends.

    Having waited for a publisher it may still name the version before: whoever writes compares the number again.
    """
    with prepared_cursor(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(HELD_VERSION, {"tenant_id": tenant_id})
        row = cursor.fetchone()
    if row is None or not row[0]:
        raise NoConfiguration(tenant_id)
    return policy_of_version(tenant_id, row[0])
