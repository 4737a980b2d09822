from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.why_enum import WhyEnum
from typing import cast
import datetime


T = TypeVar("T", bound="OverruledResponse")


@_attrs_define
class OverruledResponse:
    """A value that does not hold. Of contacts the value is null: only the list that holds is kept.

    Attributes:
        value (Any | None):
        source (str):
        occurred_at (datetime.datetime):
        why (WhyEnum): * `age` - age
            * `priority` - priority
            * `pinned` - pinned
    """

    value: Any | None
    source: str
    occurred_at: datetime.datetime
    why: WhyEnum
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        value: Any | None
        value = self.value

        source = self.source

        occurred_at = self.occurred_at.isoformat()

        why = self.why.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "value": value,
                "source": source,
                "occurred_at": occurred_at,
                "why": why,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_value(data: object) -> Any | None:
            if data is None:
                return data
            return cast(Any | None, data)

        value = _parse_value(d.pop("value"))

        source = d.pop("source")

        occurred_at = datetime.datetime.fromisoformat(d.pop("occurred_at"))

        why = WhyEnum(d.pop("why"))

        overruled_response = cls(
            value=value,
            source=source,
            occurred_at=occurred_at,
            why=why,
        )

        overruled_response.additional_properties = d
        return overruled_response

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
