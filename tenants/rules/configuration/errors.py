"""What is wrong with a configuration, or probably not meant, named at its place and without a word of any language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tenants.rules.texts import shorten_text, suggest_text

Severity = Literal["error", "warning"]
ERROR: Severity = "error"
WARNING: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong (``error``) or probably not meant (``warning``) in a configuration.

    ``path`` is a JSON pointer into the document (RFC 6901), such as ``/transitions/Prospect/1``; ``code`` is for
    programs. The sentence for people is made at the edge (``tenants.sentences``) of ``message``, which names it, and
    ``params``: names as they were written, numbers, and words of the sentence such as ``stage`` or ``number``.
    """

    path: str
    code: str
    message: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    severity: Severity = ERROR

    def __post_init__(self) -> None:
        if not self.message:
            object.__setattr__(self, "message", self.code)


class InvalidConfiguration(Exception):
    """The document is not a configuration. ``findings`` names everything that is wrong, warnings included."""

    code = "invalid_configuration"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        super().__init__(", ".join(f"{error.path or '/'}: {error.message}" for error in self.errors[:3]))

    @property
    def errors(self) -> list[Finding]:
        """What has to be corrected."""
        return errors_in(self.findings)


def errors_in(findings: "tuple[Finding, ...] | list[Finding]") -> list[Finding]:
    """Those of the findings that keep a configuration from being published."""
    return [finding for finding in findings if finding.severity == ERROR]


def point(*parts: str | int) -> str:
    """The JSON pointer of a place in the document; parts that are too long or unprintable are shortened."""
    return "".join(
        f"/{part}" if isinstance(part, int) else f"/{shorten_text(part).replace('~', '~0').replace('/', '~1')}"
        for part in parts
    )


def describe_unknown(kind: str, name: str, known: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """Message and parameters for a name that is none of the known ones, with the one that was probably meant.

    ``kind`` is a word of the sentence: ``stage``, ``key``, ``category``, ``event``, ...
    """
    if known and not name:
        return "none_chosen", {"kind": kind, "choices": known}
    suggestion = suggest_text(name, known)
    if suggestion is not None:
        return "unknown_suggestion", {"kind": kind, "name": name, "suggestion": suggestion}
    if not known:
        return "unknown", {"kind": kind, "name": name}
    return "unknown_choices", {"kind": kind, "name": name, "choices": known}
