from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.effect_kind_enum import EffectKindEnum


T = TypeVar("T", bound="ForeseenResponse")


@_attrs_define
class ForeseenResponse:
    """How often an effect would be started, and whom that would reach.

    Attributes:
        name (str):
        kind (EffectKindEnum): * `email` - email
            * `alert` - alert
            * `forecast` - forecast
            * `webhook` - webhook
            * `event` - event
        count (int):
        recipients (int): Messages that would be sent.
        suppressed (int): Those that would reach no one.
    """

    name: str
    kind: EffectKindEnum
    count: int
    recipients: int
    suppressed: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        kind = self.kind.value

        count = self.count

        recipients = self.recipients

        suppressed = self.suppressed

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "kind": kind,
                "count": count,
                "recipients": recipients,
                "suppressed": suppressed,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        kind = EffectKindEnum(d.pop("kind"))

        count = d.pop("count")

        recipients = d.pop("recipients")

        suppressed = d.pop("suppressed")

        foreseen_response = cls(
            name=name,
            kind=kind,
            count=count,
            recipients=recipients,
            suppressed=suppressed,
        )

        foreseen_response.additional_properties = d
        return foreseen_response

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
