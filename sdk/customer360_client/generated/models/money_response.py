from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast


T = TypeVar("T", bound="MoneyResponse")


@_attrs_define
class MoneyResponse:
    """Billing's figures, in ``currency``; null where nothing is known.

    Attributes:
        currency (str):
        arr (None | str):
        mrr (None | str):
        balance_overdue (None | str):
    """

    currency: str
    arr: None | str
    mrr: None | str
    balance_overdue: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        currency = self.currency

        arr: None | str
        arr = self.arr

        mrr: None | str
        mrr = self.mrr

        balance_overdue: None | str
        balance_overdue = self.balance_overdue

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "currency": currency,
                "arr": arr,
                "mrr": mrr,
                "balance_overdue": balance_overdue,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
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

        money_response = cls(
            currency=currency,
            arr=arr,
            mrr=mrr,
            balance_overdue=balance_overdue,
        )

        money_response.additional_properties = d
        return money_response

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
