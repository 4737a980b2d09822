"""May this caller do that? One function answers for pages and API; one DRF class asks it before every view."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from tenants.identity import Identity
from tenants.middleware import note_refusal
from tenants.roles import (
    CONFIGURE_STAGES,
    MANAGE_PEOPLE,
    MUTE_EFFECTS,
    REVEAL_CONTACTS,
    ROLE_PERMISSIONS,
    UPDATE_LIFECYCLE,
    VIEW_HISTORY,
    VIEW_LIFECYCLE,
    Role,
)

# For each permission what people without it read.
DENIALS: Mapping[str, str | Promise] = {
    VIEW_LIFECYCLE: gettext_lazy("You don't have access to customers. Ask a tenant admin."),
    UPDATE_LIFECYCLE: gettext_lazy("You have view-only access. Ask an account manager."),
    VIEW_HISTORY: gettext_lazy("History is not available to your role. Ask an account manager."),
    CONFIGURE_STAGES: gettext_lazy("Only tenant admins can change the lifecycle configuration."),
    REVEAL_CONTACTS: gettext_lazy("You don't have access to contact details. Ask an account manager."),
    MUTE_EFFECTS: gettext_lazy("Only tenant admins can change a stage without starting its automations."),
    MANAGE_PEOPLE: gettext_lazy("Only tenant admins, and the keys they make for a directory, can manage people."),
}
# Refusals of these are kept: somebody tried to change something, or to see what is hidden.
CHANGING = frozenset({UPDATE_LIFECYCLE, CONFIGURE_STAGES, MUTE_EFFECTS, REVEAL_CONTACTS, MANAGE_PEOPLE})


def has_permission(identity: Identity, permission: str) -> bool:
    """Whether the caller holds the permission on the tenant at hand, as of now."""
    return identity.may(permission)


def describe_denial(identity: Identity, permission: str, action: str | None = None) -> str:
    """Why not, and whom to ask.

    ``action`` ends "cannot": what was asked for, where that is not what the permission usually is about.
    """
    if permission in ROLE_PERMISSIONS[identity.role]:
        if identity.scopes is not None and permission not in identity.scopes:
            return _(
                "This needs the scope %(permission)s, which your API key, or the token that you got for it, does not"
                " have."
            ) % {"permission": permission}
        if identity.is_granted_by_provider:
            return _(
                "Your identity provider gives you a role that may not do this, although you are %(role)s here. Ask your"
                " administrator."
            ) % {"role": identity.role.label}
        return _(
            "Your token was issued before you became %(role)s and does not hold the permission %(permission)s yet: log"
            " in again or refresh it."
        ) % {"role": identity.role.label, "permission": permission}
    if action is not None:
        holders = [
            str(role.label) for role in Role if role != Role.SUPER_ADMIN and permission in ROLE_PERMISSIONS[role]
        ]
        return _("Your role cannot %(action)s. Who can: %(holders)s.") % {
            "action": action,
            "holders": _(" or ").join(holders),
        }
    return str(DENIALS[permission])


class RequiredPermission(BasePermission):
    """Reads ``view.required_permissions``: action (or method in lower case) -> permission of ``tenants.roles``, and
    ``view.denied_actions``, if there are any: action -> what it does, for the sentence of a refusal.

    An action without an entry is refused to everybody: forgetting one closes the action instead of opening it.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the caller may; raises PermissionDenied with the reason, False when no one is logged in."""
        identity = request.user
        if not isinstance(identity, Identity):
            return False
        action = getattr(view, "action", request.method.lower() if request.method else None)
        if action is None or request.method == "OPTIONS" or not hasattr(view, (request.method or "").lower()):
            # A method that the address does not have: nothing will run, and DRF answers 405.
            return True
        required: Mapping[str, str] = getattr(view, "required_permissions", {})
        permission = required.get(action)
        if permission is None:
            raise PermissionDenied(_("No role has access: no permission is defined for this."))
        if has_permission(identity, permission):
            return True
        sentence = describe_denial(identity, permission, getattr(view, "denied_actions", {}).get(action))
        if permission in CHANGING:
            note_refusal(
                request,
                identity,
                source="API",
                code="permission_denied",
                detail=sentence,
                customer_id=customer_of(view),
            )
        raise PermissionDenied(sentence)


def customer_of(view: Any) -> UUID | None:
    """The customer that the view's address names, if it does."""
    kwargs = getattr(view, "kwargs", {})
    value = kwargs.get("customer_id") or kwargs.get("pk") or kwargs.get("id")
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        return None
