"""An action of the admin that cannot be undone asks first, with what it would do."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from tenants.services.accounts.impersonation import LONGEST_REASON, ImpersonationRefused, read_reason

CONFIRMED: Final = "confirmed"
REASON: Final = "reason"


def ask_first(
    model_admin: Any,
    request: HttpRequest,
    *,
    action: str,
    title: str,
    consequence: str,
    button: str,
    rows: Sequence[tuple[object, str, str]],
    is_final: bool = True,
    asks_why: bool = False,
) -> HttpResponse | None:
    """The page that asks, or None once it was answered. ``rows`` are the id of each, what it is, and what is known.

    ``asks_why``: for a reason too, which ``read_why`` gives afterwards.
    """
    if request.POST.get(CONFIRMED) == action:
        if not asks_why or read_why(request):
            return None
        said = _("Enter a reason, in at most %(most)s characters. Nothing was changed.")
        messages.error(request, said % {"most": LONGEST_REASON})
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "action": action,
        "consequence": consequence,
        "button": button,
        "rows": rows,
        "is_final": is_final,
        "checkbox": ACTION_CHECKBOX_NAME,
        "confirmed": CONFIRMED,
        "asks_why": asks_why,
        "reason": request.POST.get(REASON, ""),
        "longest_reason": LONGEST_REASON,
    }
    return TemplateResponse(request, "admin/ask_first.html", context)


def read_why(request: HttpRequest) -> str:
    """The reason that was given to the page that asks; '' for none, or for one that cannot be kept."""
    try:
        return read_reason(request.POST.get(REASON, ""))
    except ImpersonationRefused:
        return ""
