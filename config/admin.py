"""The admin site: for tenant admins, who see their own tenant, and for internal staff, who choose one."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_htmx.http import HttpResponseClientRedirect

from config.sections import arrange_sections
from lifecycle.web.views.account import log_out
from tenants.context import tenant_context
from tenants.pages import go_to_switcher, identify_page, page_of
from tenants.roles import CONFIGURE_STAGES
from tenants.staff import ask_for_reason


class CustomerAdminSite(admin.AdminSite):
    """Django's admin, with each view inside the context of the tenant at hand.

    What a page may show is decided by the database: outside a tenant's context there are no tenant rows to see.
    """

    site_header = gettext_lazy("Customer 360 administration")
    site_title = "Customer 360"
    index_title = gettext_lazy("Administration")
    site_url = "/"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Those who may configure their tenant, and internal staff."""
        identity = getattr(request, "identity", None) or identify_page(request)
        return identity is not None and identity.may(CONFIGURE_STAGES)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The pages' log-in, with its limits: a second form would be a second entry point."""
        target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        if not request.user.is_authenticated:
            return redirect_to_login(target)
        if self.has_permission(request):
            return redirect("admin:index")
        raise PermissionDenied(_("Only tenant admins and internal staff may open the administration."))

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The pages' own account: a second form would be a second way around its limits."""
        return redirect("account")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The pages' log-out, which also ends the session for the list of sessions and for open streams."""
        return log_out(request)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The entries in sections of our own, *Lifecycle* first; of one app, as Django lists them."""
        apps = super().get_app_list(request, app_label)
        return apps if app_label else arrange_sections(apps, address=reverse("admin:index"))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Wrap a view: who asks, for which tenant, and its rows only. Lazy templates are rendered inside."""
        guarded = super().admin_view(view, cacheable)
        # Of the page's own class, where it is one of a model.
        model_admin = getattr(view, "__self__", None)
        changes_something = getattr(model_admin, "changes_something", lambda _: True)
        needs_tenant = getattr(model_admin, "needs_tenant", False)

        def within_tenant(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            identity = identify_page(request)
            request.identity = identity  # type: ignore[attr-defined]
            if identity is None and getattr(request, "htmx", False):
                # A part of a page cannot show the log-in page: the whole page goes there.
                return HttpResponseClientRedirect(redirect_to_login(page_of(request)).url)
            if needs_tenant and identity is not None and identity.tenant is None:
                # Whose rows internal staff reads, and why, is in that tenant's log before they do.
                return go_to_switcher(request)
            if identity is None or identity.tenant is None:
                return _render(guarded(request, *args, **kwargs))
            with tenant_context(identity.tenant.id):
                asked = ask_for_reason(request, identity) if changes_something(request) else None
                return asked or _render(guarded(request, *args, **kwargs))

        # Django reads these marks off the wrapped view.
        within_tenant.__dict__.update(guarded.__dict__)
        return within_tenant


def _render(response: Any) -> Any:
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.render()
    return response
