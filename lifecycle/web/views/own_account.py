"""One's own account: who one is here, another password, the sessions that go on and ending them."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language_from_request, override
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from lifecycle.web.own_sessions import show_sessions
from lifecycle.web.passwords import PasswordForm
from tenants.identity import Identity
from tenants.models import User
from tenants.pages import identify_page
from tenants.services.accounts.login_devices import read_device
from tenants.services.accounts.login_guard import LoginsLimited
from tenants.services.accounts.logins import LONGEST_PASSWORD
from tenants.services.accounts.open_sessions import begin_page_session, follow_page_session, read_session_id
from tenants.services.accounts.own_account import WrongPassword, change_password, log_out_everywhere
from tenants.services.accounts.own_sessions import NoSuchSession, end_other_sessions, end_session
from tenants.services.accounts.own_settings import UnknownSetting, choose_settings, languages, time_zones
from tenants.services.accounts.people import PersonChangeRefused
from tenants.services.proxies import client_address


class OwnPasswordForm(PasswordForm):
    """The present password, and a new one, twice."""

    present = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)


View = Callable[..., HttpResponse]


def own_page(*methods: str) -> Callable[[View], View]:
    """Decorator: for everyone who is logged in, whichever their role, and for super admins without a tenant too."""

    def decorate(view: View) -> View:
        @never_cache
        @require_http_methods(list(methods))
        @sensitive_post_parameters("present", "password", "again")
        @wraps(view)
        def page(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            identity = identify_page(request, of_tenant=False)
            if identity is None:
                return redirect_to_login("/account")
            return view(request, identity, **kwargs)

        return page

    return decorate


@own_page("GET", "HEAD")
def show(request: HttpRequest, identity: Identity) -> HttpResponse:
    """The account page. A session from before sessions were noted is noted now."""
    if read_session_id(request) is None:
        begin_page_session(request, identity.user_id, now=timezone.now())
    return _show(request, OwnPasswordForm())


@own_page("POST")
def change(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Another password. This session goes on, every other one ends."""
    form = OwnPasswordForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=400)
    limited: LoginsLimited | None = None
    try:
        user = change_password(
            identity.user_id,
            form.cleaned_data["present"],
            form.cleaned_data["password"],
            address=client_address(request),
            device=read_device(request, identity.username),
            but=read_session_id(request),
            now=timezone.now(),
        )
    except WrongPassword as refusal:
        form.add_error("present", str(refusal))
    except ValidationError as error:
        form.add_error("password", error)
    except PersonChangeRefused as refusal:
        form.add_error(None, str(refusal))
    except LoginsLimited as refusal:
        limited = refusal
        form.add_error(None, _("%(refusal)s Nothing was changed.") % {"refusal": refusal})
    else:
        _go_on(request, user)
        messages.success(request, _("Your password has been changed, and you are logged out everywhere else."))
        return redirect("account")
    response = _show(request, form, status=429 if limited else 400)
    if limited:
        response.headers["Retry-After"] = str(limited.retry_after)
    return response


@own_page("POST")
def choose(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Another language or time zone. The next page is in it already."""
    sent = {name: request.POST.get(name, "") for name in ("language", "time_zone")}
    try:
        choose_settings(identity.user_id, **sent, now=timezone.now())
    except UnknownSetting as refusal:
        sentences = {
            "language": _("There is no such language here. Choose one of the list. Nothing was saved."),
            "time_zone": _("There is no such time zone. Choose one of the list. Nothing was saved."),
        }
        return _show(request, OwnPasswordForm(), status=400, sent=sent, settings_error=sentences[refusal.field])
    except PersonChangeRefused as refusal:
        return _show(request, OwnPasswordForm(), status=400, sent=sent, settings_error=str(refusal))
    # In the language that was just chosen, as the page that shows it.
    with override(sent["language"] or get_language_from_request(request)):
        messages.success(request, _("Your settings are saved."))
    return redirect("account")


@own_page("POST")
def leave_everywhere(request: HttpRequest, identity: Identity) -> HttpResponse:
    """End every session and token, this session too."""
    log_out_everywhere(identity.user_id, now=timezone.now())
    logout(request)
    messages.success(request, _("You are logged out everywhere. Log in again to continue."))
    return redirect("log-in")


@own_page("POST")
def end_one(request: HttpRequest, identity: Identity, session_id: UUID) -> HttpResponse:
    """End one of one's own sessions; that of another person does not exist."""
    try:
        end_session(identity.user_id, session_id, now=timezone.now())
    except NoSuchSession as missing:
        raise Http404 from missing
    if session_id == read_session_id(request):
        logout(request)
        return redirect("log-in")
    messages.success(request, _("The session has ended."))
    return redirect("account")


@own_page("POST")
def end_others(request: HttpRequest, identity: Identity) -> HttpResponse:
    """End every session and token but this session."""
    _go_on(request, end_other_sessions(identity.user_id, but=read_session_id(request), now=timezone.now()))
    messages.success(request, _("All your other sessions have ended."))
    return redirect("account")


def _go_on(request: HttpRequest, user: User) -> None:
    """What ended all sessions leaves this one."""
    update_session_auth_hash(request, user)
    follow_page_session(request)


def _show(request: HttpRequest, form: OwnPasswordForm, *, status: int = 200, **more: Any) -> HttpResponse:
    user: Any = request.user
    context = {
        "form": form,
        "account": user,
        "languages": languages(),
        "time_zones": [(name, name) for name in time_zones() if name != "UTC"],
        "sessions": show_sessions(request),
        "sent": {"language": user.language, "time_zone": user.time_zone},
        **more,
    }
    return render(request, "account.html", context, status=status)
