from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast


T = TypeVar("T", bound="EscalationStep")


@_attrs_define
class EscalationStep:
    """So long after the change, the alert goes to these people.

    Attributes:
        to (list[str]): `owner`, `managers`, `user:NAME`.
        after_minutes (int):
    """

    to: list[str]
    after_minutes: int

    def to_dict(self) -> dict[str, Any]:
        to = self.to

        after_minutes = self.after_minutes

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "to": to,
                "after_minutes": after_minutes,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        to = cast(list[str], d.pop("to"))

        after_minutes = d.pop("after_minutes")

        escalation_step = cls(
            to=to,
            after_minutes=after_minutes,
        )

        return escalation_step
