"""The names under which a tenant's copies are in Redis."""

import hashlib
from uuid import UUID


def live_channel(tenant_id: UUID | str) -> str:
    """The channel on which a tenant's changes are announced."""
    return f"c360:live:{tenant_id}"


def part_key(tenant_id: UUID | str, customer_id: UUID | str, part: str) -> str:
    """One cached part of a customer."""
    return f"c360:{tenant_id}:{customer_id}:{part}"


def configuration_key(tenant_id: UUID | str) -> str:
    """The number of the tenant's live configuration."""
    return f"c360:{tenant_id}:configuration"


def count_key(tenant_id: UUID) -> str:
    """The number of changes of the tenant's customers, and of its configuration: the version of its totals."""
    return f"c360:{tenant_id}:changes"


def totals_key(tenant_id: UUID, *of: str) -> str:
    """The totals over all customers of a tenant, or others of them by what they are ``of``, which may name people."""
    if not of:
        return f"c360:{tenant_id}:totals"
    return f"c360:{tenant_id}:totals:{hashlib.sha256(repr(of).encode()).hexdigest()[:32]}"
