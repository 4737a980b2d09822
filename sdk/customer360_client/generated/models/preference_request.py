from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.alert_preference_enum import AlertPreferenceEnum
from ..types import UNSET, Unset


T = TypeVar("T", bound="PreferenceRequest")


@_attrs_define
class PreferenceRequest:
    """``PATCH /notifications/preferences``.

    Attributes:
        alerts (AlertPreferenceEnum | Unset): * `at_once` - at_once
            * `digest` - digest
            * `off` - off
        time_zone (str | Unset): An IANA name, such as Europe/Berlin.
    """

    alerts: AlertPreferenceEnum | Unset = UNSET
    time_zone: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        alerts: str | Unset = UNSET
        if not isinstance(self.alerts, Unset):
            alerts = self.alerts.value

        time_zone = self.time_zone

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if alerts is not UNSET:
            field_dict["alerts"] = alerts
        if time_zone is not UNSET:
            field_dict["time_zone"] = time_zone

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _alerts = d.pop("alerts", UNSET)
        alerts: AlertPreferenceEnum | Unset
        if isinstance(_alerts, Unset):
            alerts = UNSET
        else:
            alerts = AlertPreferenceEnum(_alerts)

        time_zone = d.pop("time_zone", UNSET)

        preference_request = cls(
            alerts=alerts,
            time_zone=time_zone,
        )

        return preference_request
