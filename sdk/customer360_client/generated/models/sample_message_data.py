from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import Literal, cast


T = TypeVar("T", bound="SampleMessageData")


@_attrs_define
class SampleMessageData:
    """Nothing that happened.

    Attributes:
        tenant (str):
        sequence (Literal[0]):
    """

    tenant: str
    sequence: Literal[0]

    def to_dict(self) -> dict[str, Any]:
        tenant = self.tenant

        sequence = self.sequence

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "tenant": tenant,
                "sequence": sequence,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        tenant = d.pop("tenant")

        sequence = cast(Literal[0], d.pop("sequence"))
        if sequence != 0:
            raise ValueError(f"sequence must match const 0, got '{sequence}'")

        sample_message_data = cls(
            tenant=tenant,
            sequence=sequence,
        )

        return sample_message_data
