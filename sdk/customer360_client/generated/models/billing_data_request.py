from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast
import datetime


T = TypeVar("T", bound="BillingDataRequest")


@_attrs_define
class BillingDataRequest:
    """What the billing system says; null clears.

    Attributes:
        currency (None | str | Unset): ISO 4217 code, such as EUR.
        arr (float | None | str | Unset): Annual recurring revenue. A number, or a text that spells it, with at most as
            many decimals as the currency has (two, where it is not said).
        mrr (float | None | str | Unset): Monthly recurring revenue. A number, or a text that spells it, with at most as
            many decimals as the currency has (two, where it is not said).
        balance_overdue (float | None | str | Unset): Balance overdue; negative is a credit. A number, or a text that
            spells it, with at most as many decimals as the currency has (two, where it is not said).
        renewal_on (datetime.date | None | Unset): When the contract is to be renewed.
    """

    currency: None | str | Unset = UNSET
    arr: float | None | str | Unset = UNSET
    mrr: float | None | str | Unset = UNSET
    balance_overdue: float | None | str | Unset = UNSET
    renewal_on: datetime.date | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        currency: None | str | Unset
        if isinstance(self.currency, Unset):
            currency = UNSET
        else:
            currency = self.currency

        arr: float | None | str | Unset
        if isinstance(self.arr, Unset):
            arr = UNSET
        else:
            arr = self.arr

        mrr: float | None | str | Unset
        if isinstance(self.mrr, Unset):
            mrr = UNSET
        else:
            mrr = self.mrr

        balance_overdue: float | None | str | Unset
        if isinstance(self.balance_overdue, Unset):
            balance_overdue = UNSET
        else:
            balance_overdue = self.balance_overdue

        renewal_on: None | str | Unset
        if isinstance(self.renewal_on, Unset):
            renewal_on = UNSET
        elif isinstance(self.renewal_on, datetime.date):
            renewal_on = self.renewal_on.isoformat()
        else:
            renewal_on = self.renewal_on

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if currency is not UNSET:
            field_dict["currency"] = currency
        if arr is not UNSET:
            field_dict["arr"] = arr
        if mrr is not UNSET:
            field_dict["mrr"] = mrr
        if balance_overdue is not UNSET:
            field_dict["balance_overdue"] = balance_overdue
        if renewal_on is not UNSET:
            field_dict["renewal_on"] = renewal_on

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_currency(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        currency = _parse_currency(d.pop("currency", UNSET))

        def _parse_arr(data: object) -> float | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | str | Unset, data)

        arr = _parse_arr(d.pop("arr", UNSET))

        def _parse_mrr(data: object) -> float | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | str | Unset, data)

        mrr = _parse_mrr(d.pop("mrr", UNSET))

        def _parse_balance_overdue(data: object) -> float | None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | str | Unset, data)

        balance_overdue = _parse_balance_overdue(d.pop("balance_overdue", UNSET))

        def _parse_renewal_on(data: object) -> datetime.date | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                renewal_on_type_0 = datetime.date.fromisoformat(data)

                return renewal_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None | Unset, data)

        renewal_on = _parse_renewal_on(d.pop("renewal_on", UNSET))

        billing_data_request = cls(
            currency=currency,
            arr=arr,
            mrr=mrr,
            balance_overdue=balance_overdue,
            renewal_on=renewal_on,
        )

        return billing_data_request
