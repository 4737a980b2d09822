"""Names for those who changed something, as the one who looks would call them."""

from collections.abc import Collection, Mapping

from django.utils.translation import gettext as _

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.accounts.members import Recorded, name_members_then


def name_people_then(asked: Collection[Recorded], *, tenant: TenantRef, viewer: Identity) -> Mapping[Recorded, str]:
    """What each was called at the time, and to those who look themselves that it was them. One statement at most."""
    return say_you(name_members_then(asked, tenant=tenant), viewer)


def say_you(names: Mapping[Recorded, str], viewer: Identity) -> Mapping[Recorded, str]:
    """The same names, but for the viewer's own."""
    own, you = str(viewer.user_id), _("%(name)s (you)") % {"name": viewer.username}
    return {(id_, at): you if id_ == own else name for (id_, at), name in names.items()}
