"""What the categories of stages are called."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CATEGORY_LABELS: Mapping[str, str | Promise] = {
    "acquisition": _("Acquisition"),
    "onboarding": _("Onboarding"),
    "engaged": _("Engaged"),
    "risk": _("At risk"),
    "renewal": _("Renewal"),
    "lost": _("Lost"),
}


def name_category(category: str) -> str:
    """What people call a category, with the word that configurations have for it where that is another one."""
    if category not in CATEGORY_LABELS:
        return category
    label = str(CATEGORY_LABELS[category])
    return label if label.lower() == category else f"{label} ({category})"
