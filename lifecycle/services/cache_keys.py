"""The names under which the cache and its bookkeeping stand in Redis."""

from typing import Final
from uuid import UUID

GENERATION: Final = "c360:generation"


def live_channel(tenant_id: UUID | str) -> str:
    """The channel on which a tenant's changes are announced."""
    return f"c360:live:{tenant_id}"


def part_key(tenant_id: UUID, customer_id: UUID | str, part: str) -> str:
    """One cached part of a customer."""
    return f"c360:{tenant_id}:{customer_id}:{part}"


def generation_key(tenant_id: UUID) -> str:
    """The tenant's generation; a value of another one is a miss."""
    return f"c360:{tenant_id}:generation"


def stamp_keys(tenant_id: UUID | str) -> list[str]:
    """What a sum over the tenant depends on: both generations and the number of changes."""
    return [GENERATION, f"c360:{tenant_id}:generation", f"c360:{tenant_id}:changes"]


def writing_key(tenant_id: UUID | str) -> str:
    """Set while somebody is about to commit: nobody offers a sum then."""
    return f"c360:{tenant_id}:writing"


def sum_key(tenant_id: UUID) -> str:
    """The sum over all customers of a tenant."""
    return f"c360:{tenant_id}:sum"


def bulk_key(tenant_id: UUID) -> str:
    """The bulk changes that are running: nobody fills then."""
    return f"c360:{tenant_id}:bulk"
