from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime


T = TypeVar("T", bound="RenewalResponse")


@_attrs_define
class RenewalResponse:
    """When the contract is to be renewed.

    Attributes:
        renewal_on (datetime.date | None):
        days_to_renewal (int | None):
        contract_id (str):
        contract_starts_on (datetime.date | None):
        contract_ends_on (datetime.date | None):
    """

    renewal_on: datetime.date | None
    days_to_renewal: int | None
    contract_id: str
    contract_starts_on: datetime.date | None
    contract_ends_on: datetime.date | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        renewal_on: None | str
        if isinstance(self.renewal_on, datetime.date):
            renewal_on = self.renewal_on.isoformat()
        else:
            renewal_on = self.renewal_on

        days_to_renewal: int | None
        days_to_renewal = self.days_to_renewal

        contract_id = self.contract_id

        contract_starts_on: None | str
        if isinstance(self.contract_starts_on, datetime.date):
            contract_starts_on = self.contract_starts_on.isoformat()
        else:
            contract_starts_on = self.contract_starts_on

        contract_ends_on: None | str
        if isinstance(self.contract_ends_on, datetime.date):
            contract_ends_on = self.contract_ends_on.isoformat()
        else:
            contract_ends_on = self.contract_ends_on

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "renewal_on": renewal_on,
                "days_to_renewal": days_to_renewal,
                "contract_id": contract_id,
                "contract_starts_on": contract_starts_on,
                "contract_ends_on": contract_ends_on,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_renewal_on(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                renewal_on_type_0 = datetime.date.fromisoformat(data)

                return renewal_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        renewal_on = _parse_renewal_on(d.pop("renewal_on"))

        def _parse_days_to_renewal(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        days_to_renewal = _parse_days_to_renewal(d.pop("days_to_renewal"))

        contract_id = d.pop("contract_id")

        def _parse_contract_starts_on(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                contract_starts_on_type_0 = datetime.date.fromisoformat(data)

                return contract_starts_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        contract_starts_on = _parse_contract_starts_on(d.pop("contract_starts_on"))

        def _parse_contract_ends_on(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                contract_ends_on_type_0 = datetime.date.fromisoformat(data)

                return contract_ends_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        contract_ends_on = _parse_contract_ends_on(d.pop("contract_ends_on"))

        renewal_response = cls(
            renewal_on=renewal_on,
            days_to_renewal=days_to_renewal,
            contract_id=contract_id,
            contract_starts_on=contract_starts_on,
            contract_ends_on=contract_ends_on,
        )

        renewal_response.additional_properties = d
        return renewal_response

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
