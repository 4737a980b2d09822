from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.part_enum import PartEnum


T = TypeVar("T", bound="PointsResponse")


@_attrs_define
class PointsResponse:
    """What one part of the score takes from 100.

    Attributes:
        part (PartEnum): * `stage` - stage
            * `overdue_balance` - overdue_balance
            * `satisfaction` - satisfaction
            * `issues` - issues
            * `time_in_stage` - time_in_stage
            * `renewal` - renewal
        points (int):
    """

    part: PartEnum
    points: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        part = self.part.value

        points = self.points

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "part": part,
                "points": points,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        part = PartEnum(d.pop("part"))

        points = d.pop("points")

        points_response = cls(
            part=part,
            points=points,
        )

        points_response.additional_properties = d
        return points_response

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
