from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="RefusedMoveResponse")


@_attrs_define
class RefusedMoveResponse:
    """Moves that really happened and would be refused, by kind, with customers for example.

    Attributes:
        from_stage (str):
        to_stage (str):
        reason_code (str):
        source (str):
        code (str):
        sentence (str):
        count (int):
        last_at (datetime.datetime):
        examples (list[UUID]):
    """

    from_stage: str
    to_stage: str
    reason_code: str
    source: str
    code: str
    sentence: str
    count: int
    last_at: datetime.datetime
    examples: list[UUID]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from_stage = self.from_stage

        to_stage = self.to_stage

        reason_code = self.reason_code

        source = self.source

        code = self.code

        sentence = self.sentence

        count = self.count

        last_at = self.last_at.isoformat()

        examples = []
        for examples_item_data in self.examples:
            examples_item = str(examples_item_data)
            examples.append(examples_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "from_stage": from_stage,
                "to_stage": to_stage,
                "reason_code": reason_code,
                "source": source,
                "code": code,
                "sentence": sentence,
                "count": count,
                "last_at": last_at,
                "examples": examples,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        from_stage = d.pop("from_stage")

        to_stage = d.pop("to_stage")

        reason_code = d.pop("reason_code")

        source = d.pop("source")

        code = d.pop("code")

        sentence = d.pop("sentence")

        count = d.pop("count")

        last_at = datetime.datetime.fromisoformat(d.pop("last_at"))

        examples = []
        _examples = d.pop("examples")
        for examples_item_data in _examples:
            examples_item = UUID(examples_item_data)

            examples.append(examples_item)

        refused_move_response = cls(
            from_stage=from_stage,
            to_stage=to_stage,
            reason_code=reason_code,
            source=source,
            code=code,
            sentence=sentence,
            count=count,
            last_at=last_at,
            examples=examples,
        )

        refused_move_response.additional_properties = d
        return refused_move_response

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
