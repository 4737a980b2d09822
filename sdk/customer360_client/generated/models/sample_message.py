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
    from ..models.sample_message_data import SampleMessageData


T = TypeVar("T", bound="SampleMessage")


@_attrs_define
class SampleMessage:
    """A sample, sent when an admin tests the endpoint.

    Attributes:
        type_ (Literal['customer360.test']):
        timestamp (datetime.datetime):
        data (SampleMessageData): Nothing that happened.
    """

    type_: Literal["customer360.test"]
    timestamp: datetime.datetime
    data: SampleMessageData

    def to_dict(self) -> dict[str, Any]:
        from ..models.sample_message_data import SampleMessageData  # noqa: PLC0415

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
        from ..models.sample_message_data import SampleMessageData  # noqa: PLC0415

        d = dict(src_dict)
        type_ = cast(Literal["customer360.test"], d.pop("type"))
        if type_ != "customer360.test":
            raise ValueError(f"type must match const 'customer360.test', got '{type_}'")

        timestamp = datetime.datetime.fromisoformat(d.pop("timestamp"))

        data = SampleMessageData.from_dict(d.pop("data"))

        sample_message = cls(
            type_=type_,
            timestamp=timestamp,
            data=data,
        )

        return sample_message
