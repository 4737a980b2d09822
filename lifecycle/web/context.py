"""What every page shows around its content: who is logged in, for which tenant, and where else to go."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from lifecycle.web.live import PERSON_ALONE, Ticket, stream_url
from tenants.actors import TenantRef
from tenants.authentication import Impersonation, read_impersonation
from tenants.models import User
from tenants.roles import ROLE_PERMISSIONS, UPDATE_LIFECYCLE, VIEW_HISTORY, Role


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Read by templates/base.html. ``user`` is None while no one is logged in."""

    user: User | None
    place: str
    impersonation: Impersonation | None
    debug: bool
    # Of the tenant at hand.
    is_sandbox: bool
    # Where a page that has no stream of its own hears that the person's notifications are others now.
    bell_stream: str

    @property
    def role(self) -> str:
        """The role as people call it."""
        return str(Role(self.user.role).label) if self.user else ""

    @property
    def chosen(self) -> str:
        """The slug of the tenant that a super admin works for; empty before they choose and when their time is over."""
        return (
            self.impersonation.slug
            if self.impersonation is not None and self.impersonation.until > timezone.now()
            else ""
        )

    @property
    def until(self) -> dt.datetime | None:
        """Until when they may."""
        return self.impersonation.until if self.impersonation is not None else None

    @property
    def change_reason(self) -> str:
        """What a super admin last said about a change, to be offered again."""
        return self.impersonation.change_reason if self.impersonation is not None else ""

    @property
    def tenant(self) -> str:
        """The name of the tenant at hand; of the super admin's choice only the slug is known here."""
        own = self.user.tenant if self.user else None
        return own.name if own else self.chosen

    @property
    def sees_tasks(self) -> bool:
        """Whether the user has a page of tasks."""
        return self.user is not None and VIEW_HISTORY in ROLE_PERMISSIONS[Role(self.user.role)]

    @property
    def may_update(self) -> bool:
        """Whether their role moves customers."""
        return self.user is not None and UPDATE_LIFECYCLE in ROLE_PERMISSIONS[Role(self.user.role)]

    @property
    def may_switch(self) -> bool:
        """Whether the user chooses the tenant they work for."""
        return self.user is not None and self.user.role == Role.SUPER_ADMIN


def page(request: HttpRequest) -> dict[str, Any]:
    """Context processor. No statement of its own: the user was read by the authentication middleware."""
    found = getattr(request, "user", None)
    user = found if isinstance(found, User) else None
    session = getattr(request, "session", {})
    match = request.resolver_match
    return {
        "page": Surroundings(
            user=user,
            place=(match.url_name or "") if match else "",
            impersonation=read_impersonation(session),
            debug=settings.DEBUG,
            is_sandbox=_is_sandbox(request, user),
            bell_stream=_bell_stream(request, user),
        )
    }


def _is_sandbox(request: HttpRequest, user: User | None) -> bool:
    tenant: TenantRef | None = getattr(request, "tenant", None)
    own = user.tenant if user is not None else None
    return tenant.is_sandbox if tenant is not None else own is not None and own.is_sandbox


def _bell_stream(request: HttpRequest, user: User | None) -> str:
    tenant: TenantRef | None = getattr(request, "tenant", None)
    tenant_id = tenant.id if tenant else getattr(user, "tenant_id", None)
    if user is None or tenant_id is None:
        return ""
    return stream_url(request, Ticket(tenant_id, str(user.pk), PERSON_ALONE))
