from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.category_enum import CategoryEnum
from typing import cast

if TYPE_CHECKING:
    from ..models.amount_response import AmountResponse


T = TypeVar("T", bound="StageSumResponse")


@_attrs_define
class StageSumResponse:
    """The customers of one stage.

    Attributes:
        customers (int):
        over_expected (int): Of them over the days expected for their stage.
        money (list[AmountResponse]):
        stage (str):
        category (CategoryEnum): * `acquisition` - acquisition
            * `onboarding` - onboarding
            * `engaged` - engaged
            * `risk` - risk
            * `renewal` - renewal
            * `lost` - lost
        color (str):
        is_leaving (bool): The stage is not in the configuration any more.
        expected_days (int | None):
    """

    customers: int
    over_expected: int
    money: list[AmountResponse]
    stage: str
    category: CategoryEnum
    color: str
    is_leaving: bool
    expected_days: int | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.amount_response import AmountResponse  # noqa: PLC0415

        customers = self.customers

        over_expected = self.over_expected

        money = []
        for money_item_data in self.money:
            money_item = money_item_data.to_dict()
            money.append(money_item)

        stage = self.stage

        category = self.category.value

        color = self.color

        is_leaving = self.is_leaving

        expected_days: int | None
        expected_days = self.expected_days

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customers": customers,
                "over_expected": over_expected,
                "money": money,
                "stage": stage,
                "category": category,
                "color": color,
                "is_leaving": is_leaving,
                "expected_days": expected_days,
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

        stage = d.pop("stage")

        category = CategoryEnum(d.pop("category"))

        color = d.pop("color")

        is_leaving = d.pop("is_leaving")

        def _parse_expected_days(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        expected_days = _parse_expected_days(d.pop("expected_days"))

        stage_sum_response = cls(
            customers=customers,
            over_expected=over_expected,
            money=money,
            stage=stage,
            category=category,
            color=color,
            is_leaving=is_leaving,
            expected_days=expected_days,
        )

        stage_sum_response.additional_properties = d
        return stage_sum_response

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
