from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from typing import Literal, cast
import datetime

if TYPE_CHECKING:
    from ..models.lifecycle_changed_message_data import LifecycleChangedMessageData


T = TypeVar("T", bound="LifecycleChangedMessage")


@_attrs_define
class LifecycleChangedMessage:
    """A customer changed stage, and an effect of the configuration sends it here.

    Attributes:
        type_ (Literal['customer.lifecycle.changed']):
        timestamp (datetime.datetime):
        data (LifecycleChangedMessageData): What happened to the customer.
    """

    type_: Literal["customer.lifecycle.changed"]
    timestamp: datetime.datetime
    data: LifecycleChangedMessageData

    def to_dict(self) -> dict[str, Any]:
        from ..models.lifecycle_changed_message_data import LifecycleChangedMessageData  # noqa: PLC0415

        type_ = self.type_

        timestamp = self.timestamp.isoformat()

        data = self.data.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "type": type_,
                "timestamp": timestamp,
                "data": data,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.lifecycle_changed_message_data import LifecycleChangedMessageData  # noqa: PLC0415

        d = dict(src_dict)
        type_ = cast(Literal["customer.lifecycle.changed"], d.pop("type"))
        if type_ != "customer.lifecycle.changed":
            raise ValueError(f"type must match const 'customer.lifecycle.changed', got '{type_}'")

        timestamp = datetime.datetime.fromisoformat(d.pop("timestamp"))

        data = LifecycleChangedMessageData.from_dict(d.pop("data"))

        lifecycle_changed_message = cls(
            type_=type_,
            timestamp=timestamp,
            data=data,
        )

        return lifecycle_changed_message
