"""What every page of a tenant's data begins with: the session's user, their right, their tenant."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import rotate_token
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django_htmx.http import HttpResponseClientRedirect
from rest_framework.exceptions import APIException

from tenants.actors import TenantRef
from tenants.authentication import CHOSEN_TENANT, Impersonation, identify_session, read_impersonation
from tenants.context import tenant_context
from tenants.identity import Identity
from tenants.middleware import note_refusal
from tenants.permissions import CHANGING, describe_denial, has_permission
from tenants.reading import read_from_replica
from tenants.roles import Role
from tenants.services.accounts.impersonation import begin_impersonation
from tenants.services.directory import find_tenant
from tenants.staff import ask_for_reason

# The name of the address where a super admin chooses a tenant; it takes the address to return to as ``next``.
SWITCHER = "choose-tenant"
# What a view has that only takes forms: its address is no page to come back to.
FORMS_ONLY: Final = "takes_forms_only"


class PageGone(Http404):
    """What a page was about is no longer there: ``sentence`` says what became of it, and by whom where that is known.

    ``links``: where to go from there, addresses with their words; without any, to the home page.
    """

    def __init__(self, sentence: str, *links: tuple[str, str]) -> None:
        super().__init__(sentence)
        self.sentence, self.links = sentence, links


class TenantRequest(HttpRequest):
    """A request inside ``tenant_page``: who asks, and for which tenant."""

    identity: Identity
    tenant: TenantRef


PageView = Callable[..., HttpResponse]


def tenant_page(
    permission: str, *, on_replica: bool = False, is_newest: Callable[[Any], bool] = bool
) -> Callable[[PageView], PageView]:
    """Decorator of a function view: only for those who hold ``permission``, inside their tenant's context.

    The view gets ``request.identity`` and ``request.tenant``. No one logged in: to the log-in page. A super admin
    without a tenant: to the switcher; one with a tenant says why before anything is changed. No right:
    PermissionDenied, which shows the 403 page with the reason. A lazy template response is rendered before the context
    is left.

    ``on_replica``: a view that writes nothing may be answered by the replica (``tenants.reading``), but for a super
    admin, and never with less than all that is committed where ``is_newest(request)`` says so.
    """

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def page(request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
            identity = identify_page(request)
            if identity is None:
                return _go_to_login(request)
            if identity.tenant is None:
                return go_to_switcher(request)
            if not has_permission(identity, permission):
                _refuse(request, identity, permission)
            request.identity, request.tenant = identity, identity.tenant
            tenant_id = identity.tenant.id

            def answer() -> HttpResponse:
                response = ask_for_reason(request, identity) or view(request, *args, **kwargs)
                if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                    response.render()
                return response

            if on_replica and identity.role != Role.SUPER_ADMIN:
                reader = str(identity.user_id)
                return read_from_replica(answer, tenant_id=tenant_id, reader=reader, is_newest=is_newest(request))
            with tenant_context(tenant_id):
                return answer()

        return page

    return decorate


def choose_tenant(request: HttpRequest, slug: str, *, reason: str) -> TenantRef | None:
    """Let a super admin work for the tenant of this slug in this session, for an hour; None if there is none.

    It is recorded with the tenant, and looked up again on every request: a tenant suspended in the meantime is no
    longer shown. Raises ImpersonationRefused without a reason.
    """
    identity = identify_page(request)
    tenant = find_tenant(slug)
    if identity is None or identity.role != Role.SUPER_ADMIN or tenant is None:
        return None
    until = begin_impersonation(tenant=tenant, actor=identity.actor(), reason=reason, now=timezone.now())
    before = read_impersonation(request.session)
    if before is None or before.slug != tenant.slug:
        # Forms of the tenant before, open in other tabs, have expired: sent, they would act on this one.
        rotate_token(request)
    request.session[CHOSEN_TENANT] = Impersonation(tenant.slug, until).to_session()
    _note_choice(request)
    return tenant


def leave_tenant(request: HttpRequest) -> None:
    """End the impersonation."""
    request.session.pop(CHOSEN_TENANT, None)
    _note_choice(request)


def keep_choice(request: HttpRequest) -> None:
    """Before the session is saved, which is saved as a whole: the tenant that was chosen, or left, in another tab since
    this request began stays chosen, or left. One statement where the request knows of one, else none.

    Forms that are open in the other tab would act on the tenant before.
    """
    mine = read_impersonation(request.session)
    if mine is None or "chooses_tenant" in request.__dict__:
        return
    kept = read_impersonation(type(request.session)(request.session.session_key))
    if kept is None:
        request.session.pop(CHOSEN_TENANT)
    else:
        same = replace(kept, change_reason=mine.change_reason)
        request.session[CHOSEN_TENANT] = (same if kept.slug == mine.slug else kept).to_session()


def _note_choice(request: HttpRequest) -> None:
    request.__dict__["chooses_tenant"] = True


def identify_page(request: HttpRequest, *, of_tenant: bool = True) -> Identity | None:
    """Who looks at a page, and for which tenant; None when no one is logged in, or no longer may be.

    Without ``of_tenant`` a page is about its reader alone: the tenant that a super admin has chosen is neither looked
    up, which another server may have, nor forgotten.
    """
    try:
        return identify_session(request, slug=None if of_tenant else "")
    except APIException:
        # Deactivated in the meantime, or the chosen tenant is gone: choose, or log in, again.
        if request.session.pop(CHOSEN_TENANT, None) is None:
            return None
        _note_choice(request)
        return identify_page(request, of_tenant=of_tenant)


def _refuse(request: HttpRequest, identity: Identity, permission: str) -> None:
    sentence = describe_denial(identity, permission)
    if permission in CHANGING:
        customer_id = request.resolver_match.kwargs.get("customer_id") if request.resolver_match else None
        note_refusal(request, identity, source="UI", code="permission_denied", detail=sentence, customer_id=customer_id)
    raise PermissionDenied(sentence)


def _go_to_login(request: HttpRequest) -> HttpResponse:
    if getattr(request, "htmx", False):
        # A fragment cannot show the log-in page: the whole page goes there.
        return HttpResponseClientRedirect(redirect_to_login(page_of(request)).url)
    return redirect_to_login(page_of(request))


def go_to_switcher(request: HttpRequest) -> HttpResponse:
    """To the page on which a super admin chooses a tenant and says why, and back from there."""
    target = f"{reverse(SWITCHER)}?{urlencode({'next': page_of(request)})}"
    return HttpResponseClientRedirect(target) if getattr(request, "htmx", False) else redirect(target)


def page_of(request: Any) -> str:
    """The address of the page itself, also when htmx asks for a part of it, or when a form was sent from it to an
    address that is none.
    """
    htmx, match = getattr(request, "htmx", None), request.resolver_match
    if htmx and htmx.current_url_abs_path:
        return str(htmx.current_url_abs_path)
    return _find_sender(request) if match and hasattr(match.func, FORMS_ONLY) else str(request.get_full_path())


def _find_sender(request: HttpRequest) -> str:
    """The page of ours from which a form was sent; the first page where the browser does not say."""
    sender = request.headers.get("Referer", "")
    if url_has_allowed_host_and_scheme(sender, {request.get_host()}, require_https=request.is_secure()):
        address = urlsplit(sender)
        with suppress(Resolver404):
            # The page that asks for a reason has the address of what it asks about.
            if not hasattr(resolve(address.path).func, FORMS_ONLY):
                return urlunsplit(("", "", address.path, address.query, ""))
    return "/"
