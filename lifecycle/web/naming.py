"""What people call fields of a customer, their values, and the sources that report them."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.precedence import PEOPLE
from lifecycle.services.customers.offers import PEOPLE_FIELD
from lifecycle.web.tags import SOURCES

# What figures are called, by their path; the others by the name of their field.
_FIGURES: Final[Mapping[str, Promise]] = {
    "billing.arr": gettext_lazy("Annual revenue"),
    "billing.mrr": gettext_lazy("Monthly revenue"),
    "billing.currency": gettext_lazy("Currency"),
    "billing.balance_overdue": gettext_lazy("Overdue balance"),
    "billing.renewal_on": gettext_lazy("Renewal"),
    "billing.contract_starts_on": gettext_lazy("Contract begins"),
    "billing.contract_ends_on": gettext_lazy("Contract ends"),
    "support.open_issues": gettext_lazy("Open issues"),
    "support.csat": gettext_lazy("Satisfaction"),
    PEOPLE_FIELD: gettext_lazy("Contacts"),
}
_SOURCES: Final = {
    "/crm": gettext_lazy("CRM"),
    "/billing": gettext_lazy("Billing"),
    "/support": gettext_lazy("Support"),
    "/import": gettext_lazy("Import"),
    PEOPLE: gettext_lazy("By hand"),
}


def name_field(path: str) -> str:
    """What a field is called."""
    known = _FIGURES.get(path)
    return str(known) if known is not None else _(path.rpartition(".")[2].replace("_", " ").capitalize())


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
