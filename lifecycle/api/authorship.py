"""Who is said to have made a change: ``updated_by`` is checked, never believed."""

from collections.abc import Collection

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.members import find_members

MISMATCH = (
    "updated_by names somebody else than the caller: leave it out, or name yourself. Only a service account may name a"
    " user, and only one of its own tenant."
)


def resolve_authors(names: Collection[str], *, identity: Identity, tenant: TenantRef) -> dict[str, str]:
    """For each name that the caller may give, the user on whose behalf he acts; empty for the caller himself.

    A name that is absent from the answer is refused (``actor_mismatch``). No statement unless a service account
    names somebody else, then one.
    """
    own = {name: "" for name in names if name in identity.public_names}
    others = [name for name in names if name not in own]
    if not others or not identity.is_service_account:
        return own
    return own | {name: str(user_id) for name, user_id in find_members(others, tenant=tenant).items()}
