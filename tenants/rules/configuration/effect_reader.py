"""Reads the effects of a configuration: what each may say is for its kind to say."""

import re
from collections.abc import Mapping
from typing import Any

from tenants.rules.configuration.definitions import CATEGORIES
from tenants.rules.configuration.document_reader import DocumentReader, Place
from tenants.rules.configuration.effect_kinds import (
    EFFECT_KINDS,
    KINDS,
    RECIPIENTS,
    ROLES,
    TOPICS,
    EffectKind,
    find_unused,
)
from tenants.rules.configuration.effects import (
    EFFECT_MOMENTS,
    EFFECT_SOURCES,
    LONGEST_BODY,
    LONGEST_DELAY_MINUTES,
    LONGEST_HOLD_MINUTES,
    LONGEST_STEP_MINUTES,
    LONGEST_SUBJECT,
    MOST_AN_HOUR,
    MOST_STEPS,
    Effect,
    Escalation,
)
from tenants.rules.effect_texts import FIELDS, find_fields, find_malformed

_BREAK = re.compile(r"[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")

MOST_EFFECTS = 100
MOST_RECIPIENTS = 20
MOST_STAGES = 50
LONGEST_TEXT = 255

EFFECT_KEYS = (
    "name",
    "on",
    "stages",
    "categories",
    "from",
    "sources",
    "kind",
    "to",
    "topic",
    "template",
    "subject",
    "body",
    "delay_minutes",
    "hold_minutes",
    "cap_per_hour",
    "escalate",
    "enabled",
)


def read_effects(reader: DocumentReader, document: Mapping[str, Any]) -> tuple[Effect, ...]:
    """The effects, each with a name of its own."""
    value = document.get("effects", [])
    if value == []:
        return ()
    seen: set[str] = set()
    effects = (
        _read_effect(reader, item, place, seen)
        for item, place in reader.read_list(value, ("effects",), "effects", MOST_EFFECTS)
    )
    return tuple(effect for effect in effects if effect is not None)


def _read_effect(reader: DocumentReader, item: object, place: Place, seen: set[str]) -> Effect | None:
    effect = reader.read_object(item, place, "effect", EFFECT_KEYS, required=("name", "on", "kind"))
    if effect is None or not {"name", "on", "kind"} <= effect.keys():
        return None
    name = reader.read_text(effect["name"], (*place, "name"), "name", LONGEST_TEXT)
    if name is not None:
        reader.is_new(name, (*place, "name"), seen)
    on = reader.read_choice(effect["on"], (*place, "on"), "moment", EFFECT_MOMENTS)
    kind = KINDS.get(reader.read_choice(effect["kind"], (*place, "kind"), "effect_kind", EFFECT_KINDS) or "")
    part = _Part(reader, effect, place)
    values: dict[str, Any] = {
        "to": part.recipients(kind),
        "stages": part.stages("stages", "effect_stages"),
        "categories": part.words("categories", "category", "effect_categories", CATEGORIES),
        "template": part.line("template"),
        "from_stages": part.stages("from", "effect_from"),
        "sources": part.words("sources", "source", "effect_sources", EFFECT_SOURCES),
        "topic": part.topic(),
        "subject": part.line("subject", LONGEST_SUBJECT, has_fields=True),
        "body": part.line("body", LONGEST_BODY, multiline=True, has_fields=True),
        "delay_minutes": part.number("delay_minutes", "delay", 0, LONGEST_DELAY_MINUTES) or 0,
        "hold_minutes": part.number("hold_minutes", "hold", 0, LONGEST_HOLD_MINUTES),
        "cap_per_hour": part.number("cap_per_hour", "cap", 1, MOST_AN_HOUR),
        "escalate": part.escalation(),
        "enabled": True if effect.get("enabled") is None else part.switch("enabled"),
    }
    if kind is not None:
        part.check_use(kind)
    if name is None or on is None or kind is None:
        return None
    return Effect(name, on, kind.name, **values)


class _Part:
    """Reads the keys of one effect that it need not have; null counts as not given."""

    def __init__(self, reader: DocumentReader, effect: Mapping[str, Any], place: Place) -> None:
        self.reader = reader
        self.effect = effect
        self.place = place

    def line(
        self, key: str, limit: int = LONGEST_TEXT, *, multiline: bool = False, has_fields: bool = False
    ) -> str | None:
        """A text; with ``has_fields`` one that is filled in later."""
        if self.effect.get(key) is None:
            return None
        where = (*self.place, key)
        if not multiline and isinstance(self.effect[key], str) and _BREAK.search(self.effect[key].strip()):
            # Elsewhere a break counts as a blank; in a mail it could begin a header.
            self.reader.add_error(where, "control_character", "line_break", subject=key)
            return None
        text = self.reader.read_text(self.effect[key], where, key, limit, multiline=multiline)
        if text is not None and has_fields:
            _check_fields(self.reader, text, where)
        return text

    def number(self, key: str, subject: str, least: int, most: int) -> int | None:
        """A whole number within bounds."""
        if self.effect.get(key) is None:
            return None
        return self.reader.read_integer(self.effect[key], (*self.place, key), subject, least, most)

    def switch(self, key: str) -> bool:
        """True or false."""
        return self.reader.read_boolean(self.effect[key], (*self.place, key), key)

    def stages(self, key: str, subject: str) -> tuple[str, ...]:
        """Stages, in the order of the configuration."""
        if key not in self.effect:
            return ()
        return self.reader.read_stages(self.effect[key], (*self.place, key), subject, MOST_STAGES)

    def words(self, key: str, kind: str, subject: str, choices: tuple[str, ...]) -> tuple[str, ...]:
        """Some of a few words, in their order."""
        if key not in self.effect:
            return ()
        found: set[str] = set()
        seen: set[str] = set()
        where = (*self.place, key)
        for item, at in self.reader.read_list(self.effect[key], where, subject, len(choices)):
            word = self.reader.read_choice(item, at, kind, choices)
            if word is not None and self.reader.is_new(word, at, seen):
                found.add(word)
        return tuple(word for word in choices if word in found)

    def topic(self) -> str | None:
        """One of the topics that there are."""
        if self.effect.get("topic") is None:
            return None
        return self.reader.read_choice(self.effect["topic"], (*self.place, "topic"), "topic", tuple(TOPICS))

    def recipients(self, kind: EffectKind | None) -> tuple[str, ...]:
        """Whom it is for."""
        if "to" not in self.effect:
            return ()
        return _read_recipients(self.reader, self.effect["to"], (*self.place, "to"), kind)

    def escalation(self) -> tuple[Escalation, ...]:
        """Its steps; one alone need not be in a list."""
        value, where = self.effect.get("escalate"), (*self.place, "escalate")
        if value is None or value == []:
            return ()
        if isinstance(value, Mapping):
            step = _read_step(self.reader, value, where)
            return () if step is None else (step,)
        steps = (
            _read_step(self.reader, item, at)
            for item, at in self.reader.read_list(value, where, "escalation", MOST_STEPS)
        )
        return tuple(step for step in steps if step is not None)

    def check_use(self, kind: EffectKind) -> None:
        """Note what the kind needs and is not given, and what is given and has no use in it."""
        for key in kind.required:
            if self.effect.get(key) is None:
                where = (*self.place, key)
                self.reader.add_error(where, "missing_key", f"missing_{key}", effect_kind=kind.name, key=key)
        for key in find_unused(kind, self.effect):
            self.reader.add_warning((*self.place, key), "unused_key", key=key, effect_kind=kind.name)
        has_text = any(self.effect.get(key) is not None for key in ("subject", "body"))
        if kind.name == "email" and self.effect.get("template") is not None and not has_text:
            self.reader.add_warning((*self.place, "template"), "template_without_text")


def _read_step(reader: DocumentReader, item: object, place: Place) -> Escalation | None:
    step = reader.read_object(item, place, "escalation", ("to", "after_minutes"), required=("to", "after_minutes"))
    if step is None or not {"to", "after_minutes"} <= step.keys():
        return None
    to = _read_recipients(reader, step["to"], (*place, "to"), KINDS["alert"])
    where = (*place, "after_minutes")
    after = reader.read_integer(step["after_minutes"], where, "escalation_time", 1, LONGEST_STEP_MINUTES)
    return None if after is None else Escalation(to, after)


def _read_recipients(reader: DocumentReader, value: object, place: Place, kind: EffectKind | None) -> tuple[str, ...]:
    recipients = reader.read_texts(value, place, "recipients", MOST_RECIPIENTS, LONGEST_TEXT)
    if kind is None:
        return recipients
    for index, recipient in enumerate(recipients):
        problem = kind.check_recipient(recipient)
        if problem is None:
            continue
        is_error, code, message = problem
        if is_error:
            reader.add_error((*place, index), code, message, recipient=recipient)
        else:
            choices = RECIPIENTS if kind.reach == "people" else ROLES
            reader.add_warning((*place, index), code, message, recipient=recipient, choices=choices)
    return recipients


def _check_fields(reader: DocumentReader, text: str, place: Place) -> None:
    for name in find_fields(text):
        if name not in FIELDS:
            reader.add_error(place, "unknown_placeholder", name=name, choices=tuple(FIELDS))
    if (wrong := find_malformed(text)) is not None:
        reader.add_error(place, "malformed_placeholder", text=wrong)
