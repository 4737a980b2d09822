from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime

if TYPE_CHECKING:
    from ..models.overruled_response import OverruledResponse


T = TypeVar("T", bound="ProvenanceResponse")


@_attrs_define
class ProvenanceResponse:
    """Where the value of a field comes from, and what it was chosen over.

    Attributes:
        source (str): `/crm`, `/billing`, `/support`, `/import`; `/people`: set by hand.
        occurred_at (datetime.datetime):
        pinned_by (None | str): The user's id.
        pinned_at (datetime.datetime | None):
        pinned_until (datetime.datetime | None):
        pin_reason (None | str):
        overruled (list[OverruledResponse]):
        version (int): For If-Match when the field is pinned or unpinned.
    """

    source: str
    occurred_at: datetime.datetime
    pinned_by: None | str
    pinned_at: datetime.datetime | None
    pinned_until: datetime.datetime | None
    pin_reason: None | str
    overruled: list[OverruledResponse]
    version: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.overruled_response import OverruledResponse  # noqa: PLC0415

        source = self.source

        occurred_at = self.occurred_at.isoformat()

        pinned_by: None | str
        pinned_by = self.pinned_by

        pinned_at: None | str
        if isinstance(self.pinned_at, datetime.datetime):
            pinned_at = self.pinned_at.isoformat()
        else:
            pinned_at = self.pinned_at

        pinned_until: None | str
        if isinstance(self.pinned_until, datetime.datetime):
            pinned_until = self.pinned_until.isoformat()
        else:
            pinned_until = self.pinned_until

        pin_reason: None | str
        pin_reason = self.pin_reason

        overruled = []
        for overruled_item_data in self.overruled:
            overruled_item = overruled_item_data.to_dict()
            overruled.append(overruled_item)

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "source": source,
                "occurred_at": occurred_at,
                "pinned_by": pinned_by,
                "pinned_at": pinned_at,
                "pinned_until": pinned_until,
                "pin_reason": pin_reason,
                "overruled": overruled,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.overruled_response import OverruledResponse  # noqa: PLC0415

        d = dict(src_dict)
        source = d.pop("source")

        occurred_at = datetime.datetime.fromisoformat(d.pop("occurred_at"))

        def _parse_pinned_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        pinned_by = _parse_pinned_by(d.pop("pinned_by"))

        def _parse_pinned_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                pinned_at_type_0 = datetime.datetime.fromisoformat(data)

                return pinned_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        pinned_at = _parse_pinned_at(d.pop("pinned_at"))

        def _parse_pinned_until(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                pinned_until_type_0 = datetime.datetime.fromisoformat(data)

                return pinned_until_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        pinned_until = _parse_pinned_until(d.pop("pinned_until"))

        def _parse_pin_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        pin_reason = _parse_pin_reason(d.pop("pin_reason"))

        overruled = []
        _overruled = d.pop("overruled")
        for overruled_item_data in _overruled:
            overruled_item = OverruledResponse.from_dict(overruled_item_data)

            overruled.append(overruled_item)

        version = d.pop("version")

        provenance_response = cls(
            source=source,
            occurred_at=occurred_at,
            pinned_by=pinned_by,
            pinned_at=pinned_at,
            pinned_until=pinned_until,
            pin_reason=pin_reason,
            overruled=overruled,
            version=version,
        )

        provenance_response.additional_properties = d
        return provenance_response

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
