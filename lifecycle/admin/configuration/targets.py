"""Stages to choose from as targets of customers, each with the reasons that it accepts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tenants.rules.configuration.definitions import Configuration


@dataclass(frozen=True, slots=True)
class TargetStage:
    """A stage that customers can be moved to, and the reasons that are offered for it; none: any text is taken."""

    name: str
    number: int
    reason_list: tuple[str, ...] = ()

    @property
    def list_id(self) -> str:
        """The id of the list of its reasons in the page."""
        return f"reasons-of-{self.number}"


def list_targets(configuration: Configuration) -> list[TargetStage]:
    """The stages of a valid configuration."""
    stages = enumerate(configuration.definitions)
    return [TargetStage(stage.name, number, stage.reason_codes or ()) for number, stage in stages]


def list_targets_of_document(names: Iterable[str], document: Any) -> list[TargetStage]:
    """The same of a draft's JSON, which may be wrong in any part."""
    listed = document.get("reason_codes") if isinstance(document, Mapping) else None
    by_stage = listed if isinstance(listed, Mapping) else {}
    return [TargetStage(name, number, _read_reasons(by_stage.get(name))) for number, name in enumerate(names)]


def _read_reasons(value: Any) -> tuple[str, ...]:
    return tuple(reason for reason in value if isinstance(reason, str)) if isinstance(value, list) else ()
