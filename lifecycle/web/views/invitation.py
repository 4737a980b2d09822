"""Where someone who was invited sets their first password. Open to those who have the link."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from lifecycle.web.passwords import set_behind_link
from tenants.services.accounts.invitations import accept_invitation, find_invited


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let the invited person set a password, once; then they log in with it."""
    return set_behind_link(
        request,
        "invitation.html",
        find_invited(uid, token),
        set_password=accept_invitation,
        done=_("Your password is set. Log in with it."),
    )
