"""Who does something: a person, a service account, or the system itself. An actor is never missing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from tenants.roles import PERMISSIONS

USER, SERVICE, SYSTEM = "user", "service", "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and what they may do for the tenant at hand.

    ``name`` is what history keeps: the user's id, or ``system:<name>``. ``updates_per_hour`` is None for actors
    without a budget.
    """

    kind: str
    name: str
    permissions: frozenset[str] = field(default=frozenset())
    updates_per_hour: int | None = None

    def may(self, permission: str) -> bool:
        """Whether the actor holds one of the permissions of ``tenants.roles``."""
        return permission in self.permissions


def system_actor(name: str) -> Actor:
    """A part of the system, for example ``system_actor("consume_events")``: it holds every permission."""
    return Actor(kind=SYSTEM, name=f"system:{name}", permissions=frozenset(PERMISSIONS))


# Tenants are few, and their ids are written out several times a request.
as_text: Callable[[UUID], str] = lru_cache(maxsize=10_000)(str)


@dataclass(frozen=True, slots=True)
class TenantRef:
    """A tenant as the services need it: no query hides behind it.

    ``is_sandbox`` is known where someone was identified or an event named the tenant, and False elsewhere: it is shown,
    and says whether to take turns with the reset. Nothing is allowed or refused by it.
    """

    id: UUID
    slug: str
    is_sandbox: bool = field(default=False, compare=False, repr=False)
