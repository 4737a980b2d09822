"""Request bodies: strict JSON, within bounds, before anything looks at them."""

from collections.abc import Mapping
from typing import IO, Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from tenants.rules import strict_json
from tenants.rules.strict_json import DEEPEST, InvalidJson
from tenants.sentences import describe_json
from tenants.sentences.figures import say_number

__all__ = ["DEEPEST", "LARGEST_BODY", "StrictJSONParser", "parse_object"]

LARGEST_BODY = 1_048_576


class StrictJSONParser(BaseParser):
    """``application/json``: one JSON object of at most LARGEST_BODY bytes, by ``strict_json``.

    Raises ParseError with the sentence of what is refused.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The object that the body describes."""
        raw = stream.read(LARGEST_BODY + 1)
        if len(raw) > LARGEST_BODY:
            raise ParseError(
                _("The body is too long: at most %(most)s bytes are accepted. Split it into several calls.")
                % {"most": say_number(LARGEST_BODY)}
            )
        return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in ``raw``. Raises ParseError."""
    try:
        return strict_json.parse_object(raw)
    except InvalidJson as refusal:
        raise ParseError(describe_json(refusal)) from refusal
