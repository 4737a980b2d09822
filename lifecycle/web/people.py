"""Names for those who changed something, as the one who looks would call them, and for owners of customers."""

from collections.abc import Collection, Iterable, Mapping

from django.utils.translation import gettext as _

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.services.accounts.members import Recorded, name_accounts, name_members_then


def name_people_then(asked: Collection[Recorded], *, tenant: TenantRef, viewer: Identity) -> Mapping[Recorded, str]:
    """What each was called at the time, and to those who look themselves that it was them. One statement at most."""
    return say_you(name_members_then(asked, tenant=tenant), viewer)


def say_you(names: Mapping[Recorded, str], viewer: Identity) -> Mapping[Recorded, str]:
    """The same names, but for the viewer's own."""
    own, you = str(viewer.user_id), _("%(name)s (you)")
    return {(id_, at): you % {"name": name} if id_ == own else name for (id_, at), name in names.items()}


def name_owners(owners: Iterable[str | None], *, tenant: TenantRef) -> Mapping[str, str]:
    """What to call the owners of the customers on a page, by the owner as a customer has it: ``Maria Manager``.

    Owners who are not in it are called as the customer has them. One statement at most.
    """
    return name_accounts({owner for owner in owners if owner}, tenant=tenant)
