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
