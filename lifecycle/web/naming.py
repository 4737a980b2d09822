"""What people call the values of fields of a customer, and the sources that report them."""

from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.precedence import PEOPLE
from lifecycle.web.tags import SOURCES

_SOURCES: Final = {
    "/crm": gettext_lazy("CRM"),
    "/billing": gettext_lazy("Billing"),
    "/support": gettext_lazy("Support"),
    "/import": gettext_lazy("Import"),
    PEOPLE: gettext_lazy("By hand"),
}


def spell_value(value: Any) -> str:
    """A value as a source gave it, or a dash."""
    return "–" if value in (None, "") else str(value)


def name_source(source: str) -> str:
    """A source as people call it: ``CRM``, ``CRM (eu-1)``."""
    root, _separator, rest = source.removeprefix("/").partition("/")
    name = _SOURCES.get(f"/{root}") if source.startswith("/") else SOURCES.get(source)
    if name is None:
        return source or _("Not known")
    return f"{name} ({rest})" if rest else str(name)
