from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.alert_preference_enum import AlertPreferenceEnum
from typing import cast
import datetime


T = TypeVar("T", bound="PreferenceResponse")


@_attrs_define
class PreferenceResponse:
    """How the caller hears of alerts.

    Attributes:
        alerts (AlertPreferenceEnum): * `at_once` - at_once
            * `digest` - digest
            * `off` - off
        time_zone (str): The digest comes at 8 in the morning there.
        next_digest_at (datetime.datetime | None):
    """

    alerts: AlertPreferenceEnum
    time_zone: str
    next_digest_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        alerts = self.alerts.value

        time_zone = self.time_zone

        next_digest_at: None | str
        if isinstance(self.next_digest_at, datetime.datetime):
            next_digest_at = self.next_digest_at.isoformat()
        else:
            next_digest_at = self.next_digest_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "alerts": alerts,
                "time_zone": time_zone,
                "next_digest_at": next_digest_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        alerts = AlertPreferenceEnum(d.pop("alerts"))

        time_zone = d.pop("time_zone")

        def _parse_next_digest_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                next_digest_at_type_0 = datetime.datetime.fromisoformat(data)

                return next_digest_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        next_digest_at = _parse_next_digest_at(d.pop("next_digest_at"))

        preference_response = cls(
            alerts=alerts,
            time_zone=time_zone,
            next_digest_at=next_digest_at,
        )

        preference_response.additional_properties = d
        return preference_response

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
