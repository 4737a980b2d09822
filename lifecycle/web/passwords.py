"""What every page on which a password is set has in common."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tenants.services.accounts.logins import LONGEST_PASSWORD


class PasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)
    again = forms.CharField(strip=False, max_length=LONGEST_PASSWORD)

    def clean_again(self) -> str:
        """The same once more. Raises ValidationError."""
        again: str = self.cleaned_data["again"]
        if "password" in self.cleaned_data and again != self.cleaned_data["password"]:
            raise ValidationError("The passwords do not match. Enter them again.")
        return again


def show_behind_link(request: HttpRequest, template: str, context: dict[str, Any], *, status: int) -> HttpResponse:
    """A page whose address is a key, so that other sites learn only where it was.

    With "no-referrer" the form would come from the origin "null", which the CSRF check refuses.
    """
    response = render(request, template, context, status=status)
    response.headers["Referrer-Policy"] = "strict-origin"
    return response
