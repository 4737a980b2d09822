"""What people call the fields of a customer, and those of the data of events."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# By their path; the others by the name of their field.
FIELD_NAMES: Final[Mapping[str, str | Promise]] = {
    "billing.arr": gettext_lazy("Annual revenue"),
    "billing.mrr": gettext_lazy("Monthly revenue"),
    "billing.currency": gettext_lazy("Currency"),
    "billing.balance_overdue": gettext_lazy("Overdue balance"),
    "billing.renewal_on": gettext_lazy("Renewal"),
    "billing.contract_id": gettext_lazy("Contract"),
    "billing.contract_starts_on": gettext_lazy("Contract begins"),
    "billing.contract_ends_on": gettext_lazy("Contract ends"),
    "support.open_issues": gettext_lazy("Open issues"),
    "support.csat": gettext_lazy("Satisfaction"),
    "support.last_issue_id": gettext_lazy("Last closed issue"),
    "support.last_issue_severity": gettext_lazy("Severity of the last closed issue"),
    "support.last_issue_closed_at": gettext_lazy("Last issue closed at"),
    "contacts": gettext_lazy("Contacts"),
}
# Named after their fields alone; the catalogs have to know them.
_BY_THEMSELVES: Final = (gettext_lazy("Website"),)


def name_field(path: str) -> str:
    """What a field is called."""
    known: Any = FIELD_NAMES.get(path)
    return str(known) if known is not None else _(path.rpartition(".")[2].replace("_", " ").capitalize())
