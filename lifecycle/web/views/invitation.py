"""Where somebody who was invited sets their first password. Open to those who have the link."""

from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from lifecycle.web.passwords import PasswordForm, show_behind_link
from tenants.services.accounts.invitations import accept_invitation, find_invited
from tenants.services.accounts.people import PersonChangeRefused


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let the invited person set a password, once; then they log in with it."""
    user = find_invited(uid, token)
    if user is None:
        return show_behind_link(request, "invitation.html", {}, status=404)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            accept_invitation(user, form.cleaned_data["password"], now=timezone.now())
        except ValidationError as error:
            form.add_error("password", error)
        except PersonChangeRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Who was logged in here before may be somebody else.
            logout(request)
            messages.success(request, "Your password is set. Log in with it.")
            return redirect("log-in")
    context = {"invited": user, "form": form}
    return show_behind_link(request, "invitation.html", context, status=400 if form.is_bound else 200)
