"""What a stage change starts, as a configuration says it: the values of an effect, and their JSON."""

from dataclasses import dataclass
from typing import Any, Final

from tenants.rules.effect_texts import DEFAULT_BODY, DEFAULT_SUBJECT

EFFECT_MOMENTS: Final = ("enter", "leave")
# The sources of history rows whose changes may start effects; imports and the moves of a configuration only where that
# is asked for. Taking a change back starts none.
EFFECT_SOURCES: Final = ("UI", "API", "EventListener", "Import", "Rule", "Configuration")

MOST_STEPS: Final = 5
LONGEST_SUBJECT: Final = 255
LONGEST_BODY: Final = 5_000
# A year, a week, and a year.
LONGEST_DELAY_MINUTES: Final = 525_600
LONGEST_HOLD_MINUTES: Final = 10_080
LONGEST_STEP_MINUTES: Final = 525_600
MOST_AN_HOUR: Final = 100_000


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step of an alert that no one acknowledged: whom it goes to, so long after the change."""

    to: tuple[str, ...]
    after_minutes: int


@dataclass(frozen=True, slots=True)
class Effect:
    """A business process that entering or leaving a stage starts [BP-1].

    It concerns the stages named and those of the categories named; with neither, every stage. ``from_stages`` and
    ``sources`` narrow it to changes that begin there; empty: any. ``hold_minutes`` None: as long as is usual.
    """

    name: str
    on: str
    kind: str
    to: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    template: str | None = None
    from_stages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    topic: str | None = None
    subject: str | None = None
    body: str | None = None
    delay_minutes: int = 0
    hold_minutes: int | None = None
    cap_per_hour: int | None = None
    escalate: tuple[Escalation, ...] = ()
    enabled: bool = True

    def concerns(self, stage: str, category: str) -> bool:
        """Whether the effect is started by this stage of this category."""
        if not self.enabled:
            return False
        if not self.stages and not self.categories:
            return True
        return stage in self.stages or category in self.categories

    def begins_with(self, from_stage: str | None, source: str | None) -> bool:
        """Whether it is started by a change from this stage (None: the first) and of this source (None: any)."""
        if self.from_stages and from_stage not in self.from_stages:
            return False
        return not self.sources or source is None or source in self.sources

    @property
    def has_conditions(self) -> bool:
        """Whether more decides about it than the stage that is entered or left."""
        return bool(self.from_stages or self.sources)

    @property
    def subject_text(self) -> str:
        """The subject with its fields still to be filled in."""
        return self.subject or DEFAULT_SUBJECT

    @property
    def body_text(self) -> str:
        """The text with its fields still to be filled in."""
        return self.body or DEFAULT_BODY


def write_effect(effect: Effect) -> dict[str, Any]:
    """The canonical JSON of an effect: what is as usual is left out."""
    written: dict[str, Any] = {"name": effect.name, "on": effect.on}
    conditions = {
        "stages": list(effect.stages),
        "categories": list(effect.categories),
        "from": list(effect.from_stages),
        "sources": list(effect.sources),
    }
    written |= {key: value for key, value in conditions.items() if value}
    written["kind"] = effect.kind
    if effect.to:
        written["to"] = list(effect.to)
    texts = {"topic": effect.topic, "template": effect.template, "subject": effect.subject, "body": effect.body}
    numbers = {
        "delay_minutes": effect.delay_minutes or None,
        "hold_minutes": effect.hold_minutes,
        "cap_per_hour": effect.cap_per_hour,
    }
    written |= {key: value for key, value in {**texts, **numbers}.items() if value is not None}
    if effect.escalate:
        written["escalate"] = [{"to": list(step.to), "after_minutes": step.after_minutes} for step in effect.escalate]
    if not effect.enabled:
        written["enabled"] = False
    return written
