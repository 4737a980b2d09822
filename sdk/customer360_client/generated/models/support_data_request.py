from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast


T = TypeVar("T", bound="SupportDataRequest")


@_attrs_define
class SupportDataRequest:
    """What the support system says; null clears.

    Attributes:
        open_issues (int | None | Unset): Issues that are open now.
        csat (float | None | Unset): Satisfaction, a score from 0 to 5.
    """

    open_issues: int | None | Unset = UNSET
    csat: float | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        open_issues: int | None | Unset
        if isinstance(self.open_issues, Unset):
            open_issues = UNSET
        else:
            open_issues = self.open_issues

        csat: float | None | Unset
        if isinstance(self.csat, Unset):
            csat = UNSET
        else:
            csat = self.csat

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if open_issues is not UNSET:
            field_dict["open_issues"] = open_issues
        if csat is not UNSET:
            field_dict["csat"] = csat

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_open_issues(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        open_issues = _parse_open_issues(d.pop("open_issues", UNSET))

        def _parse_csat(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        csat = _parse_csat(d.pop("csat", UNSET))

        support_data_request = cls(
            open_issues=open_issues,
            csat=csat,
        )

        return support_data_request
