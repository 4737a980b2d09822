"""Reasons that were chosen or typed, put where they still fit when a form that moves customers is shown again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lifecycle.rules.transitions import LONGEST_REASON

# The field that carries a reason for which no field is left, from one showing of the form to the next.
KEPT: Final = "kept_reason"


@dataclass(frozen=True, slots=True)
class Open:
    """A stage that can be chosen; ``codes``: its reasons, None where any text is one."""

    stage: str
    codes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Reasons:
    """``by_stage``: what the field of each stage has. ``stage`` and ``reason`` are what was asked for and is not
    possible any more: the stage with its reason, or (``is_open``) the reason alone. Empty: nothing of the kind.
    """

    by_stage: Mapping[str, str]
    stage: str = ""
    reason: str = ""
    is_open: bool = False


def keep_reasons(given: Mapping[str, Any], chosen: str, reason: str, offered: Iterable[Open]) -> Reasons:
    """``given``: the form as it was sent; ``chosen`` and ``reason``: what it asks for, empty for nothing."""
    codes = {one.stage: one.codes for one in offered}
    kept = reason if chosen and chosen not in codes and reason else str(given.get(KEPT) or "")[:LONGEST_REASON]
    by_stage = {}
    for stage in codes:
        typed = reason if stage == chosen else given.get(f"reason:{stage}") or kept
        by_stage[stage] = typed if _fits(typed, codes[stage]) else ""
    if chosen and chosen not in codes:
        return Reasons(by_stage, chosen, kept)
    if chosen and reason and not _fits(reason, codes[chosen]):
        return Reasons(by_stage, chosen, reason, is_open=True)
    return Reasons(by_stage)


def _fits(reason: str, codes: tuple[str, ...] | None) -> bool:
    return codes is None or reason in codes
