"""Reads values out of an untrusted JSON document and notes every error at its place instead of stopping at one."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tenants.rules.configuration.errors import WARNING, Finding, describe_unknown, point
from tenants.rules.texts import clean_line, find_text_error, fold_text, normalize_text

MOST_FINDINGS = 200
MOST_KEYS = 200

Place = tuple[str | int, ...]


class DocumentReader:
    """Collects findings while a document is read. Every method returns None for what cannot be used.

    ``stages`` is filled first; then names of stages are checked against it. A name that was in the list of stages
    but was refused there is not reported a second time where it is referred to. What a value is in the configuration
    (``subject``: "stage", "event_rules") and its ``kind`` ("category") are words of the sentences.
    """

    def __init__(self) -> None:
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []
        self.stages: tuple[str, ...] = ()
        self.mentioned: set[str] = set()
        self.has_stages = False

    @property
    def is_full(self) -> bool:
        """Whether so many errors are noted that reading on is of no use."""
        return len(self.errors) > MOST_FINDINGS

    @property
    def findings(self) -> list[Finding]:
        """Errors, then warnings."""
        return self.errors + self.warnings

    def add_error(self, place: Place, code: str, message: str = "", **params: Any) -> None:
        """Note an error; past ``MOST_FINDINGS`` only that there are more."""
        if len(self.errors) < MOST_FINDINGS:
            self.errors.append(Finding(point(*place), code, message, params))
        elif len(self.errors) == MOST_FINDINGS:
            self.errors.append(Finding("", "too_many_errors", params={"most": MOST_FINDINGS}))

    def add_warning(self, place: Place, code: str, message: str = "", **params: Any) -> None:
        """Note something that is possible but probably not meant; past ``MOST_FINDINGS`` nothing more."""
        if len(self.warnings) < MOST_FINDINGS:
            self.warnings.append(Finding(point(*place), code, message, params, WARNING))

    def add_unknown(self, place: Place, code: str, kind: str, name: str, known: tuple[str, ...]) -> None:
        """Note a name that is none of the known ones."""
        message, params = describe_unknown(kind, name, known)
        self.add_error(place, code, message, **params)

    def read_text(
        self, value: object, place: Place, subject: str, limit: int, *, multiline: bool = False
    ) -> str | None:
        """A text of 1 to ``limit`` characters, in composed form."""
        if not isinstance(value, str):
            self.add_error(place, "wrong_type", "not_text", subject=subject, type=name_type(value))
            return None
        if len(value) <= 2 * limit:
            value = normalize_text(value).strip() if multiline else clean_line(value)
        error = find_text_error(value, limit, multiline=multiline)
        if error is not None:
            self.add_error(place, error.code, subject=subject, text=value, **error.params)
            return None
        return value

    def read_list(self, value: object, place: Place, subject: str, most: int) -> Iterator[tuple[object, Place]]:
        """The items of a list of 1 to ``most``, each with its place."""
        if not isinstance(value, list | tuple):
            self.add_error(place, "wrong_type", "not_list", subject=subject, type=name_type(value))
            return
        if not value:
            self.add_error(place, "empty", subject=subject)
        if len(value) > most:
            self.add_error(place, "too_many", subject=subject, most=most, count=len(value))
        for index, item in enumerate(value[:most]):
            if self.is_full:
                return
            yield item, (*place, index)

    def read_texts(self, value: object, place: Place, subject: str, most: int, limit: int) -> tuple[str, ...]:
        """A list of texts without duplicates; case does not make a difference."""
        texts: list[str] = []
        seen: set[str] = set()
        for item, where in self.read_list(value, place, subject, most):
            text = self.read_text(item, where, "text", limit)
            if text is not None and self.is_new(text, where, seen):
                texts.append(text)
        return tuple(texts)

    def is_new(self, text: str, place: Place, seen: set[str]) -> bool:
        """Whether a name was not seen yet; a duplicate is noted."""
        key = fold_text(text)
        if key in seen:
            self.add_error(place, "duplicate", name=text)
            return False
        seen.add(key)
        return True

    def read_choice(self, value: object, place: Place, kind: str, choices: tuple[str, ...]) -> str | None:
        """One of a few words."""
        if isinstance(value, str) and value in choices:
            return value
        if isinstance(value, str):
            self.add_unknown(place, "unknown_value", kind, value, choices)
        else:
            self.add_error(place, "wrong_type", "not_choice", kind=kind, choices=choices, type=name_type(value))
        return None

    def read_integer(self, value: object, place: Place, subject: str, least: int, most: int) -> int | None:
        """A whole number within bounds; 30.0 is one, true is none."""
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self.add_error(place, "wrong_type", "not_integer", subject=subject, type=name_type(value))
            return None
        if not least <= value <= most:
            self.add_error(place, "out_of_range", subject=subject, least=least, most=most)
            return None
        return value

    def read_boolean(self, value: object, place: Place, subject: str) -> bool:
        """True or false; what is neither is noted, and counts as true."""
        if not isinstance(value, bool):
            self.add_error(place, "wrong_type", "not_boolean", subject=subject, type=name_type(value))
            return True
        return value

    def read_stage(self, value: object, place: Place) -> str | None:
        """The name of a stage of this configuration."""
        if not isinstance(value, str):
            self.add_error(place, "wrong_type", "not_text", subject="stage", type=name_type(value))
            return None
        name = clean_line(value) if len(value) <= MOST_KEYS else value
        if name in self.stages:
            return name
        if self.has_stages and name not in self.mentioned:
            self.add_unknown(place, "unknown_stage", "stage", name, self.stages)
        return None

    def read_stages(self, value: object, place: Place, subject: str, most: int) -> tuple[str, ...]:
        """A list of stages without duplicates, in the order of the configuration's stages."""
        found: set[str] = set()
        seen: set[str] = set()
        for item, where in self.read_list(value, place, subject, most):
            stage = self.read_stage(item, where)
            if stage is not None and self.is_new(stage, where, seen):
                found.add(stage)
        return self.in_order(found)

    def in_order(self, names: set[str]) -> tuple[str, ...]:
        """Stages in the order of the configuration."""
        return tuple(stage for stage in self.stages if stage in names)

    def read_object(
        self, value: object, place: Place, subject: str, keys: tuple[str, ...], required: tuple[str, ...] = ()
    ) -> Mapping[str, Any] | None:
        """An object with known keys; the others, and those that are missing, are noted."""
        if not isinstance(value, Mapping):
            self.add_error(place, "wrong_type", "not_object", subject=subject, type=name_type(value))
            return None
        for key in islice((key for key in value if key not in keys), MOST_KEYS):
            self.add_unknown((*place, str(key)), "unknown_key", "key", str(key), keys)
        for key in required:
            if key not in value:
                self.add_error((*place, key), "missing_key", subject=subject, key=key)
        return value

    def read_by_stage(self, document: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any, Place]]:
        """The entries of an object whose keys are stages: stage, value and place of each."""
        value = document.get(key, {})
        if not isinstance(value, Mapping):
            self.add_error((key,), "wrong_type", "key_not_object", key=key, type=name_type(value))
            return
        seen: set[str] = set()
        for name, entry in islice(value.items(), MOST_KEYS):
            if self.is_full:
                return
            place = (key, str(name))
            stage = self.read_stage(name, place)
            if stage is not None and self.is_new(stage, place, seen):
                yield stage, entry, place


def name_type(value: object) -> str:
    """What kind of JSON value this is: a word of the sentences."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (str, "text"),
        ((int, float), "number"),
        ((list, tuple), "list"),
        (Mapping, "object"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "other")
