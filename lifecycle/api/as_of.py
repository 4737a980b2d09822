"""The parameters that ask for a past day."""

import datetime as dt
import re
from typing import Final

from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from lifecycle.api.filters import refuse_parameter
from lifecycle.services.insight.as_of import EFFECTIVE, RECORDED

AS_OF, KNOWN = "as_of", "known"
AS_OF_PARAMETERS: Final = (
    OpenApiParameter(
        AS_OF,
        OpenApiTypes.DATE,
        description="The customer at the end of this day (UTC); a day ahead counts as today. Needs the right to see"
        " histories. `version` is that of then, `transitions` is empty, and 404 says that it was not here yet.",
    ),
    OpenApiParameter(
        KNOWN,
        str,
        enum=[EFFECTIVE, RECORDED],
        description="With as_of: `effective` for how it was by what is known now, which is usual, or `recorded` for how"
        " it was known here by then.",
    ),
)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def read_day(parameters: QueryDict) -> dt.date:
    """The day that is asked for, today at the latest. Raises RequestRefused."""
    text = parameters.get(AS_OF, "")
    try:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return min(dt.date.fromisoformat(text), timezone.now().date())
    except ValueError as error:
        raise refuse_parameter(AS_OF, _("The parameter as_of must be a day, written as 2026-01-31.")) from error
