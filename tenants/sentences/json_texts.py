"""Sentences for why a text is not accepted as JSON: each begins with what the text is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from tenants.rules.strict_json import InvalidJson

_SENTENCES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "json_half_character": _(
            "%(subject)s contains half of a surrogate pair, which is no character: send the whole character."
        ),
        "json_key_twice": _("%(subject)s gives the key %(key)s twice in one object: give it once."),
        "json_malformed": _("%(subject)s is not valid JSON at line %(line)s, column %(column)s: %(detail)s."),
        "json_no_number": _("%(subject)s contains %(number)s, which is not a JSON number."),
        "json_no_object": _("%(subject)s must be a JSON object: { ... }."),
        "json_not_utf8": _("%(subject)s is not UTF-8: byte %(byte)s does not belong there."),
        "json_nul": _("%(subject)s contains a NUL character (\\u0000), which cannot be stored: remove it."),
        "json_number_too_large": _("%(subject)s contains the number %(number)s, which is too large."),
        "json_number_too_long": _("%(subject)s contains a number that is too long."),
        "json_too_deep": _("%(subject)s is nested too deeply: at most %(most)s levels are accepted."),
    }
)


def describe_json(error: InvalidJson, *, subject: str = "") -> str:
    """What is wrong with the text. ``subject`` begins the sentence, such as "The file"; empty: "The body"."""
    name, params = error.message
    return str(_SENTENCES[name] % {**params, "subject": subject or gettext("The body")})
