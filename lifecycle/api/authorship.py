"""Who is said to have made a change: ``updated_by`` is checked, never believed."""

from collections.abc import Collection

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from tenants.actors import TenantRef
from tenants.identity import Identity
from tenants.refusals import RequestRefused
from tenants.rules.texts import clean_line, fold_text
from tenants.services.accounts.members import find_members

MISMATCH = gettext_noop(
    "updated_by names someone other than the caller: leave it out, or name yourself. Only a service account may name a"
    " user, and only one of its own tenant."
)


def find_authors(names: Collection[str], *, identity: Identity, tenant: TenantRef) -> dict[str, str | None]:
    """For each name that the caller may give, the user on whose behalf they act; None for the callers themselves.

    A name that is absent from the answer is refused. No statement unless a service account names somebody else, then
    one.
    """
    own: dict[str, str | None] = {
        name: None
        for name in names
        if name in identity.public_names or fold_text(clean_line(name)) in (identity.username, str(identity.user_id))
    }
    others = [name for name in names if name not in own]
    if not others or not identity.is_service_account:
        return own
    return own | {name: str(user_id) for name, user_id in find_members(others, tenant=tenant).items()}


def find_author(name: str | None, *, identity: Identity, tenant: TenantRef) -> str | RequestRefused | None:
    """The user on whose behalf the caller acts (None: their own), or the refusal of a name not theirs to give."""
    if name is None:
        return None
    authors = find_authors([name], identity=identity, tenant=tenant)
    if name in authors:
        return authors[name]
    error = {"pointer": "#/updated_by", "detail": _(MISMATCH), "code": "actor_mismatch"}
    return RequestRefused("actor_mismatch", _(MISMATCH), errors=[error])
