from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
import datetime

if TYPE_CHECKING:
    from ..models.source_response import SourceResponse


T = TypeVar("T", bound="BillingResponse")


@_attrs_define
class BillingResponse:
    """What Billing reported.

    Attributes:
        currency (str):
        arr (None | str):
        mrr (None | str):
        balance_overdue (None | str):
        renewal_on (datetime.date | None):
        contract_id (str):
        contract_starts_on (datetime.date | None):
        contract_ends_on (datetime.date | None):
        provenance (None | SourceResponse):
    """

    currency: str
    arr: None | str
    mrr: None | str
    balance_overdue: None | str
    renewal_on: datetime.date | None
    contract_id: str
    contract_starts_on: datetime.date | None
    contract_ends_on: datetime.date | None
    provenance: None | SourceResponse
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.source_response import SourceResponse  # noqa: PLC0415

        currency = self.currency

        arr: None | str
        arr = self.arr

        mrr: None | str
        mrr = self.mrr

        balance_overdue: None | str
        balance_overdue = self.balance_overdue

        renewal_on: None | str
        if isinstance(self.renewal_on, datetime.date):
            renewal_on = self.renewal_on.isoformat()
        else:
            renewal_on = self.renewal_on

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

        provenance: dict[str, Any] | None
        if isinstance(self.provenance, SourceResponse):
            provenance = self.provenance.to_dict()
        else:
            provenance = self.provenance

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "currency": currency,
                "arr": arr,
                "mrr": mrr,
                "balance_overdue": balance_overdue,
                "renewal_on": renewal_on,
                "contract_id": contract_id,
                "contract_starts_on": contract_starts_on,
                "contract_ends_on": contract_ends_on,
                "provenance": provenance,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.source_response import SourceResponse  # noqa: PLC0415

        d = dict(src_dict)
        currency = d.pop("currency")

        def _parse_arr(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        arr = _parse_arr(d.pop("arr"))

        def _parse_mrr(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        mrr = _parse_mrr(d.pop("mrr"))

        def _parse_balance_overdue(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        balance_overdue = _parse_balance_overdue(d.pop("balance_overdue"))

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

        def _parse_provenance(data: object) -> None | SourceResponse:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                provenance_type_0 = SourceResponse.from_dict(data)

                return provenance_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | SourceResponse, data)

        provenance = _parse_provenance(d.pop("provenance"))

        billing_response = cls(
            currency=currency,
            arr=arr,
            mrr=mrr,
            balance_overdue=balance_overdue,
            renewal_on=renewal_on,
            contract_id=contract_id,
            contract_starts_on=contract_starts_on,
            contract_ends_on=contract_ends_on,
            provenance=provenance,
        )

        billing_response.additional_properties = d
        return billing_response

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
