"""What every page on which a password is set has in common."""

from collections.abc import Callable
from functools import partial

from django import forms
from django.contrib import messages
from django.contrib.auth import logout
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants.models import User
from tenants.services.accounts.logins import LONGEST_PASSWORD
from tenants.services.accounts.people import PersonChangeRefused


class PasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)
    again = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)

    def clean_again(self) -> str:
        """The same once more. Raises ValidationError."""
        again: str = self.cleaned_data["again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise ValidationError(_("The passwords do not match. Enter them again."))
        return again


def set_behind_link(
    request: HttpRequest, template: str, person: User | None, *, set_password: Callable[..., None], done: str
) -> HttpResponse:
    """The page behind a link on which its ``person`` sets a password, once; then they log in with it.

    ``person`` None: the link is no longer valid. ``set_password(person, password, now=)`` raises ValidationError and
    PersonChangeRefused. ``done``: what to say when it is set.
    """
    show = partial(_show, request, template)
    if person is None:
        return show({}, status=404)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_password(person, form.cleaned_data["password"], now=timezone.now())
        except ValidationError as error:
            form.add_error("password", error)
        except PersonChangeRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            # Who was logged in here before may be someone else.
            logout(request)
            messages.success(request, done)
            return redirect("log-in")
    return show({"person": person, "form": form}, status=400 if form.is_bound else 200)


def _show(request: HttpRequest, template: str, context: dict[str, object], *, status: int) -> HttpResponse:
    """A page whose address is a key, so that other sites learn only where it was.

    With "no-referrer" the form would come from the origin "null", which the CSRF check refuses.
    """
    response = render(request, template, context, status=status)
    response.headers["Referrer-Policy"] = "strict-origin"
    return response
