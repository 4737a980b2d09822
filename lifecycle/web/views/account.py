"""Logging in and out, and the super admin's choice of a tenant."""

import re
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from lifecycle.services.demo.scenarios import PASSWORD, SCENARIOS, STAFF, Login
from storage.away import AwayServers
from tenants.authentication import read_impersonation
from tenants.pages import choose_tenant, identify_page, leave_tenant
from tenants.services.accounts.impersonation import IMPERSONATION_MINUTES, LONGEST_REASON, ImpersonationRefused
from tenants.services.accounts.login_devices import mark_device
from tenants.services.accounts.login_guard import LoginsLimited
from tenants.services.accounts.open_sessions import begin_page_session, leave_page_session
from tenants.services.accounts.provider_login import GRANTED
from tenants.services.directory import list_tenants_everywhere

# The address of a page about one customer, one change of many, one undo or one view. The admin's say what is gone.
_OF_ONE: Final = re.compile("/(?:customers|bulk|undo|undos|views)/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class LogInForm(AuthenticationForm):
    """User name and password; a refusal is shown in the words of the one that refused."""

    def get_invalid_login_error(self) -> Any:
        """The sentence that the log-in backend left on the request."""
        error = super().get_invalid_login_error()
        refusal = getattr(self.request, "login_refusal", None)
        if refusal is not None:
            error.message = str(refusal)
        return error


class LogIn(LoginView):
    """The log-in page. In development it names the demo's log-ins."""

    template_name = "login.html"
    authentication_form = LogInForm
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """End a session that no page accepts any more: otherwise page and log-in would send each other in circles."""
        if request.user.is_authenticated and identify_page(request) is None:
            logout(request)
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the demo's log-ins where there can be any."""
        demo = {"demo_logins": list_demo_logins(), "demo_password": PASSWORD} if settings.DEBUG else {}
        return super().get_context_data(**kwargs) | demo

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in, and leave the mark by which this browser is known at the next log-in."""
        response = super().form_valid(form)
        # A password narrows nothing.
        self.request.session.pop(GRANTED, None)
        mark_device(self.request, response, form.cleaned_data["username"])
        begin_page_session(self.request, form.get_user().pk, now=timezone.now())
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again; 429 with Retry-After when there were too many attempts."""
        response = super().form_invalid(form)
        refusal = getattr(self.request, "login_refusal", None)
        if isinstance(refusal, LoginsLimited):
            response.status_code = 429
            response["Retry-After"] = str(refusal.retry_after)
        return response


class LogOut(LogoutView):
    """Ends the session, for the list of sessions and for open streams too."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log out."""
        leave_page_session(request, now=timezone.now())
        return super().post(request, *args, **kwargs)


def list_demo_logins() -> list[Login]:
    """One person of the demo for each role in each of its tenants, and the super admin."""
    people = [login for scenario in SCENARIOS for login in scenario.people if not login.is_service_account]
    chosen = {(login.username.partition("@")[2], login.role): login for login in reversed(people)}
    return [login for login in (*people, *STAFF) if login in (*chosen.values(), *STAFF)]


log_in = never_cache(LogIn.as_view())
log_out = LogOut.as_view()


@never_cache
@require_http_methods(["GET", "POST"])
def switch_tenant(request: HttpRequest) -> HttpResponse:
    """Let a super admin choose the tenant they work for, and say why; anyone else has nothing to choose here.

    The page names a database server that is away: its tenants are not in the list.
    """
    if not request.user.is_authenticated:
        return redirect(f"{settings.LOGIN_URL}?next={reverse('choose-tenant')}")
    target = request.POST.get("next") or request.GET.get("next") or "/"
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = "/"
    if "leave" in request.POST:
        leave_tenant(request)
        return redirect("choose-tenant")
    slug, reason, refusal = request.POST.get("tenant", ""), request.POST.get("reason", ""), ""
    former = read_impersonation(request.session)
    if slug:
        try:
            if choose_tenant(request, slug, reason=reason):
                # What was looked at is another tenant's: the page of one thing would only say that there is none.
                is_same = former is not None and former.slug == slug
                return redirect("overview" if _OF_ONE.match(target) and not is_same else target)
        except ImpersonationRefused as error:
            refusal = str(error)
    away = AwayServers()
    context = {
        "tenants": list_tenants_everywhere(away=away) if request.user.is_superuser else [],
        "away": str(away),
        "next": target,
        "slug": slug or request.GET.get("tenant", ""),
        "unknown": slug if slug and not refusal else "",
        "reason": reason,
        "refusal": refusal,
        "before": read_impersonation(request.session),
        "minutes": IMPERSONATION_MINUTES,
        "longest_reason": LONGEST_REASON,
    }
    return render(request, "tenants.html", context, status=400 if refusal else 404 if slug else 200)
