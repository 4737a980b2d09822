from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.item_request import ItemRequest
    from ..models.mute_request import MuteRequest


T = TypeVar("T", bound="BatchRequest")


@_attrs_define
class BatchRequest:
    """``POST /lifecycle/transitions``. The items are judged one by one: a bad one does not spoil the others.

    Attributes:
        items (list[ItemRequest]):
        dry_run (bool | Unset):  Default: False.
        confirm_effects (int | None | Unset): Refuse the whole request unless the changes start as many effects
            together. A dry run shows them. Needed when they start more than the tenant lets one request start unasked (50,
            unless it has set another number).
        mute_effects (MuteRequest | None | Unset): Start none of the effects; what would have run is listed as
            suppressed. Needs the permission mute_effects.
    """

    items: list[ItemRequest]
    dry_run: bool | Unset = False
    confirm_effects: int | None | Unset = UNSET
    mute_effects: MuteRequest | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.item_request import ItemRequest  # noqa: PLC0415
        from ..models.mute_request import MuteRequest  # noqa: PLC0415

        items = []
        for items_item_data in self.items:
            items_item = items_item_data.to_dict()
            items.append(items_item)

        dry_run = self.dry_run

        confirm_effects: int | None | Unset
        if isinstance(self.confirm_effects, Unset):
            confirm_effects = UNSET
        else:
            confirm_effects = self.confirm_effects

        mute_effects: dict[str, Any] | None | Unset
        if isinstance(self.mute_effects, Unset):
            mute_effects = UNSET
        elif isinstance(self.mute_effects, MuteRequest):
            mute_effects = self.mute_effects.to_dict()
        else:
            mute_effects = self.mute_effects

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "items": items,
            }
        )
        if dry_run is not UNSET:
            field_dict["dry_run"] = dry_run
        if confirm_effects is not UNSET:
            field_dict["confirm_effects"] = confirm_effects
        if mute_effects is not UNSET:
            field_dict["mute_effects"] = mute_effects

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.item_request import ItemRequest  # noqa: PLC0415
        from ..models.mute_request import MuteRequest  # noqa: PLC0415

        d = dict(src_dict)
        items = []
        _items = d.pop("items")
        for items_item_data in _items:
            items_item = ItemRequest.from_dict(items_item_data)

            items.append(items_item)

        dry_run = d.pop("dry_run", UNSET)

        def _parse_confirm_effects(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        confirm_effects = _parse_confirm_effects(d.pop("confirm_effects", UNSET))

        def _parse_mute_effects(data: object) -> MuteRequest | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                mute_effects_type_0 = MuteRequest.from_dict(data)

                return mute_effects_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(MuteRequest | None | Unset, data)

        mute_effects = _parse_mute_effects(d.pop("mute_effects", UNSET))

        batch_request = cls(
            items=items,
            dry_run=dry_run,
            confirm_effects=confirm_effects,
            mute_effects=mute_effects,
        )

        return batch_request
