"""The names under which the cache and its bookkeeping stand in Redis."""

from uuid import UUID

from storage.database.identity import database_identity

# The global generations that this process has used: one, but for restores of the database (``all_generation_keys``).
_used: dict[str, None] = {}
MOST_USED = 16


def global_generation_key() -> str:
    """The generation of everything that was read from the database as it is now.

    After a restore it has another name, so that nothing that was cached before is of the present generation.
    """
    key = f"c360:generation:{database_identity()}"
    if key not in _used:
        while len(_used) >= MOST_USED:
            _used.pop(next(iter(_used)), None)
        _used[key] = None
    return key


def all_generation_keys() -> list[str]:
    """Every global generation that this process may have filled the cache under. Needs no connection."""
    return list(_used)


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
    return [global_generation_key(), f"c360:{tenant_id}:generation", f"c360:{tenant_id}:changes"]


def writing_key(tenant_id: UUID | str) -> str:
    """Set while somebody is about to commit: nobody offers a sum then."""
    return f"c360:{tenant_id}:writing"


def sum_key(tenant_id: UUID) -> str:
    """The sum over all customers of a tenant."""
    return f"c360:{tenant_id}:sum"


def bulk_key(tenant_id: UUID) -> str:
    """The bulk changes that are running: nobody fills then."""
    return f"c360:{tenant_id}:bulk"
