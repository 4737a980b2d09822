from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime


T = TypeVar("T", bound="SupportResponse")


@_attrs_define
class SupportResponse:
    """Support's figures; ``csat`` from 0 to 5.

    Attributes:
        open_issues (int | None):
        csat (None | str):
        last_issue_id (str):
        last_issue_severity (str):
        last_issue_closed_at (datetime.datetime | None):
    """

    open_issues: int | None
    csat: None | str
    last_issue_id: str
    last_issue_severity: str
    last_issue_closed_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        open_issues: int | None
        open_issues = self.open_issues

        csat: None | str
        csat = self.csat

        last_issue_id = self.last_issue_id

        last_issue_severity = self.last_issue_severity

        last_issue_closed_at: None | str
        if isinstance(self.last_issue_closed_at, datetime.datetime):
            last_issue_closed_at = self.last_issue_closed_at.isoformat()
        else:
            last_issue_closed_at = self.last_issue_closed_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "open_issues": open_issues,
                "csat": csat,
                "last_issue_id": last_issue_id,
                "last_issue_severity": last_issue_severity,
                "last_issue_closed_at": last_issue_closed_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_open_issues(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        open_issues = _parse_open_issues(d.pop("open_issues"))

        def _parse_csat(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        csat = _parse_csat(d.pop("csat"))

        last_issue_id = d.pop("last_issue_id")

        last_issue_severity = d.pop("last_issue_severity")

        def _parse_last_issue_closed_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                last_issue_closed_at_type_0 = datetime.datetime.fromisoformat(data)

                return last_issue_closed_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        last_issue_closed_at = _parse_last_issue_closed_at(d.pop("last_issue_closed_at"))

        support_response = cls(
            open_issues=open_issues,
            csat=csat,
            last_issue_id=last_issue_id,
            last_issue_severity=last_issue_severity,
            last_issue_closed_at=last_issue_closed_at,
        )

        support_response.additional_properties = d
        return support_response

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
