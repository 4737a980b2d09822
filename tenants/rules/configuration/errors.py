"""What is wrong with a configuration, named at its place."""

from dataclasses import dataclass
from typing import Literal

from tenants.rules.texts import list_texts, quote_text, shorten_text, suggest_text

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong (``error``) or probably not meant (``warning``) in a configuration.

    ``path`` is a JSON pointer into the document (RFC 6901), such as ``/transitions/Prospect/1``.
    """

    path: str
    code: str
    sentence: str
    severity: Severity = ERROR


class InvalidConfiguration(Exception):
    """The document is not a configuration. ``faults`` names every fault, warnings included."""

    code = "invalid_configuration"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        errors = [fault for fault in faults if fault.severity == ERROR]
        more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
        super().__init__(f"{errors[0].path or '/'}: {errors[0].sentence}{more}")


def point(*parts: str | int) -> str:
    """The JSON pointer of a place in the document; parts that are too long or unprintable are shortened."""
    return "".join(
        f"/{part}" if isinstance(part, int) else f"/{shorten_text(part).replace('~', '~0').replace('/', '~1')}"
        for part in parts
    )


def describe_unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """The sentence for a name that is none of the known ones, with the one that was probably meant."""
    suggestion = suggest_text(name, known)
    if suggestion is not None:
        return f"There is no {what} {quote_text(name)}; did you mean {quote_text(suggestion)}?"
    if not known:
        return f"There is no {what} {quote_text(name)}."
    return f"There is no {what} {quote_text(name)}; it must be one of {list_texts(known, last='or')}."
