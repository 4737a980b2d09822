from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.event_rule_event import EventRuleEvent
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.event_condition import EventCondition


T = TypeVar("T", bound="EventRule")


@_attrs_define
class EventRule:
    """An event that moves a customer by itself.

    Attributes:
        event (EventRuleEvent):
        to (str):
        from_ (list[str] | Unset): Absent: every stage.
        reason_code (None | str | Unset):
        when (list[EventCondition] | Unset): All of them must hold.
    """

    event: EventRuleEvent
    to: str
    from_: list[str] | Unset = UNSET
    reason_code: None | str | Unset = UNSET
    when: list[EventCondition] | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.event_condition import EventCondition  # noqa: PLC0415

        event = self.event.value

        to = self.to

        from_: list[str] | Unset = UNSET
        if not isinstance(self.from_, Unset):
            from_ = self.from_

        reason_code: None | str | Unset
        if isinstance(self.reason_code, Unset):
            reason_code = UNSET
        else:
            reason_code = self.reason_code

        when: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.when, Unset):
            when = []
            for when_item_data in self.when:
                when_item = when_item_data.to_dict()
                when.append(when_item)

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "event": event,
                "to": to,
            }
        )
        if from_ is not UNSET:
            field_dict["from"] = from_
        if reason_code is not UNSET:
            field_dict["reason_code"] = reason_code
        if when is not UNSET:
            field_dict["when"] = when

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.event_condition import EventCondition  # noqa: PLC0415

        d = dict(src_dict)
        event = EventRuleEvent(d.pop("event"))

        to = d.pop("to")

        from_ = cast(list[str], d.pop("from", UNSET))

        def _parse_reason_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason_code = _parse_reason_code(d.pop("reason_code", UNSET))

        _when = d.pop("when", UNSET)
        when: list[EventCondition] | Unset = UNSET
        if _when is not UNSET:
            when = []
            for when_item_data in _when:
                when_item = EventCondition.from_dict(when_item_data)

                when.append(when_item)

        event_rule = cls(
            event=event,
            to=to,
            from_=from_,
            reason_code=reason_code,
            when=when,
        )

        return event_rule
