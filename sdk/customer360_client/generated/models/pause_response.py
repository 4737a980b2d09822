from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime


T = TypeVar("T", bound="PauseResponse")


@_attrs_define
class PauseResponse:
    """Something that is paused; ``effect`` empty: everything.

    Attributes:
        effect (str):
        paused_at (datetime.datetime):
        paused_by (str):
        reason (str):
    """

    effect: str
    paused_at: datetime.datetime
    paused_by: str
    reason: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        effect = self.effect

        paused_at = self.paused_at.isoformat()

        paused_by = self.paused_by

        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "effect": effect,
                "paused_at": paused_at,
                "paused_by": paused_by,
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        effect = d.pop("effect")

        paused_at = datetime.datetime.fromisoformat(d.pop("paused_at"))

        paused_by = d.pop("paused_by")

        reason = d.pop("reason")

        pause_response = cls(
            effect=effect,
            paused_at=paused_at,
            paused_by=paused_by,
            reason=reason,
        )

        pause_response.additional_properties = d
        return pause_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
