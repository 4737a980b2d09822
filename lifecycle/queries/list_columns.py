"""The columns of the customer list: the fields that every row has, and the heads of the table on the page.

A field is in every row when its entry says so (``lifecycle.rules.fields``). A head has one entry here and its cell in
``templates/parts/customer_rows.html``.
"""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from lifecycle.rules.fields import FIELDS

# The fields of a customer that every row shows.
LISTED: Final = tuple(field for field in FIELDS if field.is_listed)


@dataclass(frozen=True, slots=True)
class ListColumn:
    """One column of the table. ``ordering``: what a first click on its head asks for; '' where it cannot be sorted."""

    label: str | Promise
    number: bool = False
    ordering: str = ""


LIST_COLUMNS: Final = (
    ListColumn(_("Customer"), ordering="name"),
    ListColumn(_("Stage")),
    ListColumn(_("In stage"), number=True),
    ListColumn(_("Health"), number=True, ordering="health"),
    ListColumn(_("At stake"), number=True, ordering="-urgency"),
    ListColumn(_("ARR"), number=True, ordering="-arr"),
    ListColumn(_("Renewal"), number=True, ordering="renewal_on"),
    ListColumn(_("Owner")),
)
