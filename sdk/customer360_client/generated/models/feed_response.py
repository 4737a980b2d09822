from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.feed_row_response import FeedRowResponse


T = TypeVar("T", bound="FeedResponse")


@_attrs_define
class FeedResponse:
    """Changes in the order in which they were committed.

    Attributes:
        results (list[FeedRowResponse]):
        next_cursor (str): `after` of the next request, also when there is nothing more now.
        has_more (bool): There is more: ask again at once. Otherwise wait a little.
        total (int | None): How many rows the list has on all its pages; null unless it was asked for with `count=true`.
    """

    results: list[FeedRowResponse]
    next_cursor: str
    has_more: bool
    total: int | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.feed_row_response import FeedRowResponse  # noqa: PLC0415

        results = []
        for results_item_data in self.results:
            results_item = results_item_data.to_dict()
            results.append(results_item)

        next_cursor = self.next_cursor

        has_more = self.has_more

        total: int | None
        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "results": results,
                "next_cursor": next_cursor,
                "has_more": has_more,
                "total": total,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.feed_row_response import FeedRowResponse  # noqa: PLC0415

        d = dict(src_dict)
        results = []
        _results = d.pop("results")
        for results_item_data in _results:
            results_item = FeedRowResponse.from_dict(results_item_data)

            results.append(results_item)

        next_cursor = d.pop("next_cursor")

        has_more = d.pop("has_more")

        def _parse_total(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        total = _parse_total(d.pop("total"))

        feed_response = cls(
            results=results,
            next_cursor=next_cursor,
            has_more=has_more,
            total=total,
        )

        feed_response.additional_properties = d
        return feed_response

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
