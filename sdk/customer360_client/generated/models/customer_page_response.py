from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.listed_response import ListedResponse


T = TypeVar("T", bound="CustomerPageResponse")


@_attrs_define
class CustomerPageResponse:
    """One page of customers.

    Attributes:
        next_ (None | str): The address of the next page.
        previous (None | str): The address of the previous page.
        next_cursor (None | str): `cursor` of the next page; null: this is the last one.
        total (int | None): How many rows the list has on all its pages; null unless it was asked for with `count=true`.
        results (list[ListedResponse]):
    """

    next_: None | str
    previous: None | str
    next_cursor: None | str
    total: int | None
    results: list[ListedResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.listed_response import ListedResponse  # noqa: PLC0415

        next_: None | str
        next_ = self.next_

        previous: None | str
        previous = self.previous

        next_cursor: None | str
        next_cursor = self.next_cursor

        total: int | None
        total = self.total

        results = []
        for results_item_data in self.results:
            results_item = results_item_data.to_dict()
            results.append(results_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "next": next_,
                "previous": previous,
                "next_cursor": next_cursor,
                "total": total,
                "results": results,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.listed_response import ListedResponse  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_next_(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_ = _parse_next_(d.pop("next"))

        def _parse_previous(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        previous = _parse_previous(d.pop("previous"))

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor"))

        def _parse_total(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        total = _parse_total(d.pop("total"))

        results = []
        _results = d.pop("results")
        for results_item_data in _results:
            results_item = ListedResponse.from_dict(results_item_data)

            results.append(results_item)

        customer_page_response = cls(
            next_=next_,
            previous=previous,
            next_cursor=next_cursor,
            total=total,
            results=results,
        )

        customer_page_response.additional_properties = d
        return customer_page_response

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
