from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.severity_enum import SeverityEnum


T = TypeVar("T", bound="FindingResponse")


@_attrs_define
class FindingResponse:
    """One thing that is wrong with a configuration (``error``) or probably not meant (``warning``).

    Attributes:
        path (str): Where in the configuration, as a JSON pointer.
        code (str):
        sentence (str): For people.
        severity (SeverityEnum): * `error` - error
            * `warning` - warning
    """

    path: str
    code: str
    sentence: str
    severity: SeverityEnum
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        path = self.path

        code = self.code

        sentence = self.sentence

        severity = self.severity.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "path": path,
                "code": code,
                "sentence": sentence,
                "severity": severity,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        path = d.pop("path")

        code = d.pop("code")

        sentence = d.pop("sentence")

        severity = SeverityEnum(d.pop("severity"))

        finding_response = cls(
            path=path,
            code=code,
            sentence=sentence,
            severity=severity,
        )

        finding_response.additional_properties = d
        return finding_response

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
