from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.effect_kind_enum import EffectKindEnum
from ..models.effect_moment_enum import EffectMomentEnum
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.recipient_response import RecipientResponse


T = TypeVar("T", bound="EffectResponse")


@_attrs_define
class EffectResponse:
    """A business process that a move starts. With `effects=detail` also whom it reaches, in which words, and when.

    Attributes:
        name (str):
        kind (EffectKindEnum): * `email` - email
            * `alert` - alert
            * `forecast` - forecast
            * `webhook` - webhook
            * `event` - event
        on (EffectMomentEnum): * `enter` - enter
            * `leave` - leave
        to (list[str]):
        subject (None | str | Unset): Rendered; null where there is none.
        delay_minutes (int | Unset): It runs then if the customer is still there.
        recipients (list[RecipientResponse] | Unset): At most 20.
        recipients_count (int | Unset):
    """

    name: str
    kind: EffectKindEnum
    on: EffectMomentEnum
    to: list[str]
    subject: None | str | Unset = UNSET
    delay_minutes: int | Unset = UNSET
    recipients: list[RecipientResponse] | Unset = UNSET
    recipients_count: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.recipient_response import RecipientResponse  # noqa: PLC0415

        name = self.name

        kind = self.kind.value

        on = self.on.value

        to = self.to

        subject: None | str | Unset
        if isinstance(self.subject, Unset):
            subject = UNSET
        else:
            subject = self.subject

        delay_minutes = self.delay_minutes

        recipients: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.recipients, Unset):
            recipients = []
            for recipients_item_data in self.recipients:
                recipients_item = recipients_item_data.to_dict()
                recipients.append(recipients_item)

        recipients_count = self.recipients_count

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "kind": kind,
                "on": on,
                "to": to,
            }
        )
        if subject is not UNSET:
            field_dict["subject"] = subject
        if delay_minutes is not UNSET:
            field_dict["delay_minutes"] = delay_minutes
        if recipients is not UNSET:
            field_dict["recipients"] = recipients
        if recipients_count is not UNSET:
            field_dict["recipients_count"] = recipients_count

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.recipient_response import RecipientResponse  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        kind = EffectKindEnum(d.pop("kind"))

        on = EffectMomentEnum(d.pop("on"))

        to = cast(list[str], d.pop("to"))

        def _parse_subject(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        subject = _parse_subject(d.pop("subject", UNSET))

        delay_minutes = d.pop("delay_minutes", UNSET)

        _recipients = d.pop("recipients", UNSET)
        recipients: list[RecipientResponse] | Unset = UNSET
        if _recipients is not UNSET:
            recipients = []
            for recipients_item_data in _recipients:
                recipients_item = RecipientResponse.from_dict(recipients_item_data)

                recipients.append(recipients_item)

        recipients_count = d.pop("recipients_count", UNSET)

        effect_response = cls(
            name=name,
            kind=kind,
            on=on,
            to=to,
            subject=subject,
            delay_minutes=delay_minutes,
            recipients=recipients,
            recipients_count=recipients_count,
        )

        effect_response.additional_properties = d
        return effect_response

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
