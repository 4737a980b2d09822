"""Internal staff at work for a tenant: each use leaves a trace with the tenant, and each change says why."""

from dataclasses import replace
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from rest_framework.request import Request

from tenants.authentication import CHOSEN_TENANT, read_impersonation
from tenants.identity import Identity
from tenants.middleware import current_request_id
from tenants.refusals import RequestRefused
from tenants.roles import Role
from tenants.services.accounts.impersonation import LONGEST_REASON, ImpersonationRefused, note_use, read_reason

# The field of a form, and the header of a request, that say why.
FIELD: Final = "change_reason"
# Forms that ask everyone why have a field of their own for it.
FIELDS: Final = (FIELD, "reason", "comment")
HEADER: Final = "X-Reason"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SAY_WHY: Final = gettext_noop(
    "You are internal staff, so a change needs a reason: send it in the header %(header)s, in at most %(most)s"
    " characters. It is kept in the tenant's administration log. Nothing was changed."
)


def note_api_use(request: Request, identity: Identity, *, changes: bool) -> None:
    """Leave the trace of a super admin's request, before it begins. Raises RequestRefused for a change without reason.

    Call outside of the request's transaction: the trace stays, whatever becomes of it.
    """
    tenant = identity.tenant
    if identity.role != Role.SUPER_ADMIN or tenant is None:
        return
    try:
        reason = read_reason(_decode(request.META.get("HTTP_X_REASON", "")))
    except ImpersonationRefused as refused:
        raise RequestRefused("invalid_request", f"{HEADER}: {refused}") from refused
    if changes and not reason:
        raise RequestRefused("reason_required", _(SAY_WHY) % {"header": HEADER, "most": LONGEST_REASON}, header=HEADER)
    note_use(
        tenant=tenant,
        actor=identity.actor(),
        reason=reason,
        source="API",
        now=timezone.now(),
        request_id=current_request_id(),
    )


def ask_for_reason(request: HttpRequest, identity: Identity) -> HttpResponse | None:
    """The page that asks a super admin why they change something, with all that they sent; None when they have said it.

    Then it is in the tenant's log, in the transaction of the change, and offered again for the next one.
    """
    tenant = identity.tenant
    if request.method in SAFE or identity.role != Role.SUPER_ADMIN or tenant is None:
        return None
    chosen, refusal, reason = read_impersonation(request.session), "", ""
    try:
        reason = next(filter(None, (read_reason(request.POST.get(name, "")) for name in FIELDS)), "")
    except ImpersonationRefused as refused:
        refusal = str(refused)
    if not reason:
        return _show(request, refusal, chosen.change_reason if chosen else "")
    note_use(
        tenant=tenant,
        actor=identity.actor(),
        reason=reason,
        source="UI",
        now=timezone.now(),
        request_id=current_request_id(),
    )
    if chosen is not None and chosen.change_reason != reason and FIELD in request.POST:
        request.session[CHOSEN_TENANT] = replace(chosen, change_reason=reason).to_session()
    return None


def _show(request: HttpRequest, refusal: str, reason: str) -> HttpResponse:
    sent = [
        (name, value)
        for name, values in request.POST.lists()
        for value in values
        if name not in (FIELD, "csrfmiddlewaretoken")
    ]
    htmx: Any = getattr(request, "htmx", False)
    context = {
        "sent": sent,
        "refusal": refusal,
        "reason_given": reason,
        # A browser sends a file once: it has to be chosen again, in the form itself.
        "lost_files": bool(request.FILES),
        "target": getattr(htmx, "target", None) if htmx else None,
    }
    part = "change_reason.html#dialog" if htmx else "change_reason.html"
    return render(request, part, context, status=400)


def _decode(header: str) -> str:
    """A header as it was meant: servers hand its bytes over as Latin-1, and people write UTF-8."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header
