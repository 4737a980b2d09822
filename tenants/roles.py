"""The role matrix [SEC-1]: four roles and their permissions, in one place."""

from django.db import models
from django.utils.translation import gettext_lazy as _

VIEW_LIFECYCLE = "view_lifecycle"
UPDATE_LIFECYCLE = "update_lifecycle"
VIEW_HISTORY = "view_history"
CONFIGURE_STAGES = "configure_stages"
# To change a stage without starting what the configuration says.
MUTE_EFFECTS = "mute_effects"
# To see e-mail addresses and phone numbers of the people at a customer.
REVEAL_CONTACTS = "reveal_contacts"
# To make, change and deactivate people: what the key of a company's directory needs, and nothing else.
MANAGE_PEOPLE = "manage_people"
PERMISSIONS = (
    VIEW_LIFECYCLE,
    UPDATE_LIFECYCLE,
    VIEW_HISTORY,
    REVEAL_CONTACTS,
    CONFIGURE_STAGES,
    MUTE_EFFECTS,
    MANAGE_PEOPLE,
)


class Role(models.TextChoices):
    """What someone is for their tenant; a super admin is internal staff."""

    VIEWER = "viewer", _("Customer Viewer")
    ACCOUNT_MANAGER = "account_manager", _("Account Manager")
    TENANT_ADMIN = "tenant_admin", _("Tenant Admin")
    SUPER_ADMIN = "super_admin", _("Super Admin")

    @property
    def claim(self) -> str:
        """The role's name in a token, for example ROLE_ACCOUNT_MANAGER [API-4]."""
        return _CLAIMS[self]


_CLAIMS = {
    Role.VIEWER: "ROLE_CUSTOMER_VIEWER",
    Role.ACCOUNT_MANAGER: "ROLE_ACCOUNT_MANAGER",
    Role.TENANT_ADMIN: "ROLE_TENANT_ADMIN",
    Role.SUPER_ADMIN: "ROLE_SUPER_ADMIN",
}
ROLE_OF_CLAIM = {claim: role for role, claim in _CLAIMS.items()}

ROLE_PERMISSIONS: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset({VIEW_LIFECYCLE}),
    Role.ACCOUNT_MANAGER: frozenset({VIEW_LIFECYCLE, UPDATE_LIFECYCLE, VIEW_HISTORY, REVEAL_CONTACTS}),
    Role.TENANT_ADMIN: frozenset(PERMISSIONS),
    Role.SUPER_ADMIN: frozenset(PERMISSIONS),
}
