"""A forgotten password: asking for a link by e-mail, and setting a new one behind it. Open to everyone."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from lifecycle.web.passwords import set_behind_link
from tenants.rules.values import LONGEST_USERNAME
from tenants.services.accounts.login_guard import LoginsLimited
from tenants.services.accounts.mails import is_mail_configured
from tenants.services.accounts.password_resets import find_resetting, request_reset, reset_password
from tenants.services.proxies import client_address


class NameForm(forms.Form):
    """Who has forgotten their password."""

    username = forms.CharField(
        max_length=LONGEST_USERNAME,
        error_messages={"required": gettext_lazy("Enter your user name. Nothing was sent.")},
    )


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Send a link to the person of a user name; what is shown is the same whether there is one or not."""
    if not is_mail_configured():
        return render(request, "password_reset.html", {"is_off": True})
    form = NameForm(request.POST or None)
    context: dict[str, object] = {"form": form}
    if request.method != "POST" or not form.is_valid():
        return render(request, "password_reset.html", context, status=400 if form.is_bound else 200)
    try:
        request_reset(form.cleaned_data["username"], address=client_address(request), now=timezone.now())
    except LoginsLimited as limited:
        response = render(request, "password_reset.html", context | {"refusal": str(limited)}, status=429)
        response.headers["Retry-After"] = str(limited.retry_after)
        return response
    return render(request, "password_reset.html", {"is_sent": True})


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def set_new(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let the person of a link set a new password, once; then they log in with it."""
    return set_behind_link(
        request,
        "new_password.html",
        find_resetting(uid, token),
        set_password=reset_password,
        done=_("Your new password is set, and you are logged out everywhere. Log in with it."),
    )
