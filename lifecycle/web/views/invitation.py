"""Where somebody who was invited sets his first password. Open to whoever has the link."""

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from tenants.services.invitations import accept_invitation, find_invited
from tenants.services.logins import LONGEST_PASSWORD
from tenants.services.people import PersonChangeRefused


class PasswordForm(forms.Form):
    """A password, twice."""

    password = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)
    again = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)

    def clean_again(self) -> str:
        """The same once more. Raises ValidationError."""
        again: str = self.cleaned_data["again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise ValidationError("The two passwords are not the same: type them again.")
        return again


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let the invited person set a password, once; then he logs in with it."""
    user = find_invited(uid, token)
    if user is None:
        return _show(request, {}, status=404)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            accept_invitation(user, form.cleaned_data["password"], now=timezone.now())
        except ValidationError as error:
            form.add_error("password", error)
        except PersonChangeRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Whoever was logged in here before is somebody else, perhaps.
            logout(request)
            messages.success(request, "Your password is set. Log in with it.")
            return redirect("log-in")
    return _show(request, {"invited": user, "form": form}, status=400 if form.is_bound else 200)


def _show(request: HttpRequest, context: dict[str, object], *, status: int) -> HttpResponse:
    response = render(request, "invitation.html", context, status=status)
    # The address is the key, so only where it was is told. With "no-referrer" the form would come from the origin
    # "null", which the CSRF check refuses.
    response.headers["Referrer-Policy"] = "strict-origin"
    return response
