from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.amount_response import AmountResponse


T = TypeVar("T", bound="SumResponse")


@_attrs_define
class SumResponse:
    """Some customers together.

    Attributes:
        customers (int):
        over_expected (int): Of them over the days expected for their stage.
        money (list[AmountResponse]):
    """

    customers: int
    over_expected: int
    money: list[AmountResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.amount_response import AmountResponse  # noqa: PLC0415

        customers = self.customers

        over_expected = self.over_expected

        money = []
        for money_item_data in self.money:
            money_item = money_item_data.to_dict()
            money.append(money_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customers": customers,
                "over_expected": over_expected,
                "money": money,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.amount_response import AmountResponse  # noqa: PLC0415

        d = dict(src_dict)
        customers = d.pop("customers")

        over_expected = d.pop("over_expected")

        money = []
        _money = d.pop("money")
        for money_item_data in _money:
            money_item = AmountResponse.from_dict(money_item_data)

            money.append(money_item)

        sum_response = cls(
            customers=customers,
            over_expected=over_expected,
            money=money,
        )

        sum_response.additional_properties = d
        return sum_response

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
