"""Answers that are files: an Accept for JSON is as good as one for the file, as refusals are JSON."""

from collections.abc import Iterable
from typing import Final

from rest_framework.exceptions import NotAcceptable
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.utils.mediatypes import media_type_matches

from lifecycle.services.lists.exports import CONTENT_TYPES
from tenants.api.negotiation import Negotiation

# The parameter that says which kind of file.
FORMAT: Final = "format"
_SENT: Final = ("application/json", *(kind.partition(";")[0] for kind in CONTENT_TYPES.values()))


class FileNegotiation(Negotiation):
    """Any Accept that takes a file or JSON. Which file is a parameter of the address, whatever DRF makes of one."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """What refusals are rendered with. Raises NotAcceptable."""
        first = next(iter(renderers))
        accepted = self.get_accept_list(request)
        if any(media_type_matches(sent, one) for sent in _SENT for one in accepted):
            return first, first.media_type
        raise NotAcceptable(available_renderers=list(renderers))
