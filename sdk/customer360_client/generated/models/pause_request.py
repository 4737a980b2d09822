from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset


T = TypeVar("T", bound="PauseRequest")


@_attrs_define
class PauseRequest:
    """``PUT /effects/pause``.

    Attributes:
        paused (bool):
        reason (str): Why, for the administration log.
        effect (str | Unset): One effect, by its name.
        endpoint (str | Unset): One endpoint, by its name.
    """

    paused: bool
    reason: str
    effect: str | Unset = UNSET
    endpoint: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        paused = self.paused

        reason = self.reason

        effect = self.effect

        endpoint = self.endpoint

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "paused": paused,
                "reason": reason,
            }
        )
        if effect is not UNSET:
            field_dict["effect"] = effect
        if endpoint is not UNSET:
            field_dict["endpoint"] = endpoint

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        paused = d.pop("paused")

        reason = d.pop("reason")

        effect = d.pop("effect", UNSET)

        endpoint = d.pop("endpoint", UNSET)

        pause_request = cls(
            paused=paused,
            reason=reason,
            effect=effect,
            endpoint=endpoint,
        )

        return pause_request
