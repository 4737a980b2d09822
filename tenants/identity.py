"""Who is asking: what a verified token or a session says, judged by the membership as it is now."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from tenants.actors import SERVICE, USER, Actor, TenantRef
from tenants.roles import Role


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller and the tenant they work for in this request; ``request.user`` of the API.

    ``permissions`` are those effective now: what the token's roles grant and the membership still grants.
    ``tenant`` is None for a super admin who has not named one. ``public_names`` are the names that ``updated_by``
    may call them by. ``updates_per_hour`` is their budget [SEC-5]. ``scopes`` are those of the API key that was shown,
    or of the token that it was exchanged for; None for anyone who logged in. ``is_granted_by_provider``: what they may
    is what their company's identity provider grants, where that is less than their role here.
    """

    user_id: UUID
    username: str
    role: Role
    tenant: TenantRef | None
    permissions: frozenset[str]
    public_names: frozenset[str]
    is_service_account: bool
    updates_per_hour: int
    scopes: frozenset[str] | None = None
    is_granted_by_provider: bool = False

    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True

    @property
    def pk(self) -> UUID:
        """The user's id under the name that logging and Django's parts ask for."""
        return self.user_id

    def may(self, permission: str) -> bool:
        """Whether they hold one of the permissions of ``tenants.roles`` on the tenant at hand."""
        return permission in self.permissions

    def actor(self) -> Actor:
        """The same caller as the services know them."""
        return Actor(
            kind=SERVICE if self.is_service_account else USER,
            name=str(self.user_id),
            permissions=self.permissions,
            updates_per_hour=self.updates_per_hour,
        )

    def get_username(self) -> str:
        """The name they log in with."""
        return self.username

    def __str__(self) -> str:
        return self.username
