"""An action of the admin that cannot be undone asks first, with what it would do."""

from collections.abc import Sequence
from typing import Any, Final

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

CONFIRMED: Final = "confirmed"


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
) -> HttpResponse | None:
    """The page that asks, or None once it was answered. ``rows`` are the id of each, what it is, and what is known."""
    if request.POST.get(CONFIRMED) == action:
        return None
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
    }
    return TemplateResponse(request, "admin/ask_first.html", context)
