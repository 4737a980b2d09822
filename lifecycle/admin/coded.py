"""Columns and filters of the admin whose values are codes: people read words, the address keeps the code."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.utils.text import capfirst

from lifecycle.sentences.codes import (
    DEAD_LETTER_STATES,
    DEAD_LETTERS,
    EFFECT_KINDS,
    EFFECT_STATES,
    REFUSALS,
    name_code,
    name_entry_point,
)
from tenants.admin.everywhere import ValuesOfAllServers


class CodedFilter(admin.AllValuesFieldListFilter):
    """The codes that there are, in words."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        raise NotImplementedError

    def choices(self, changelist: Any) -> Iterator[Any]:
        """As Django has them; the first one is that for all."""
        for number, choice in enumerate(super().choices(changelist)):
            shown = choice["display"]
            yield {**choice, "display": self.name_of(str(shown)) if number and isinstance(shown, str) else shown}


def name_effect_state(code: str) -> str:
    """The state of an automation run, at the beginning of a line."""
    return capfirst(name_code(EFFECT_STATES, code))


def name_effect_kind(code: str) -> str:
    """The kind of an automation, at the beginning of a line."""
    return capfirst(name_code(EFFECT_KINDS, code))


def name_refusal(code: str) -> str:
    """Why a move was refused, in a few words."""
    return capfirst(name_code(REFUSALS, code))


def name_dead_letter(code: str) -> str:
    """Why a message could not be applied, in a few words."""
    return capfirst(name_code(DEAD_LETTERS, code))


def name_dead_letter_state(code: str) -> str:
    """Whether it was dealt with."""
    return capfirst(name_code(DEAD_LETTER_STATES, code))


class DeadLetterFilter(CodedFilter, ValuesOfAllServers):
    """By why a message could not be applied."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_dead_letter(code)


class DeadLetterStateFilter(CodedFilter):
    """By whether it was dealt with."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_dead_letter_state(code)


class EffectStateFilter(CodedFilter):
    """By the state of an automation run."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_effect_state(code)


class EffectKindFilter(CodedFilter):
    """By the kind of an automation."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_effect_kind(code)


class RefusalFilter(CodedFilter):
    """By why a move was refused."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_refusal(code)


class EntryPointFilter(CodedFilter):
    """By how a change came about."""

    @staticmethod
    def name_of(code: str) -> str:
        """The word for a code."""
        return name_entry_point(code)
