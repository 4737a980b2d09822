from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.actor_kind_enum import ActorKindEnum
from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="HistoryResponse")


@_attrs_define
class HistoryResponse:
    """One transition [DM-2].

    Attributes:
        id (UUID):
        customer_id (UUID):
        sequence (int):
        from_stage (None | str):
        to_stage (str):
        from_stage_now (None | str): What the stage is called today.
        to_stage_now (str): What the stage is called today.
        changed_at (datetime.datetime):
        effective_at (datetime.datetime):
        recorded_at (datetime.datetime):
        changed_by (str):
        on_behalf_of (None | str):
        actor_kind (ActorKindEnum): * `user` - user
            * `service` - service
            * `system` - system
        reason_code (str):
        source (str):
        request_id (None | UUID):
        event_id (None | str):
        configuration_version (int):
        note (None | str):
        note_erased (bool): There was a note, and it can no longer be read.
        previous_hash (None | str):
        hash_ (str):
    """

    id: UUID
    customer_id: UUID
    sequence: int
    from_stage: None | str
    to_stage: str
    from_stage_now: None | str
    to_stage_now: str
    changed_at: datetime.datetime
    effective_at: datetime.datetime
    recorded_at: datetime.datetime
    changed_by: str
    on_behalf_of: None | str
    actor_kind: ActorKindEnum
    reason_code: str
    source: str
    request_id: None | UUID
    event_id: None | str
    configuration_version: int
    note: None | str
    note_erased: bool
    previous_hash: None | str
    hash_: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        customer_id = str(self.customer_id)

        sequence = self.sequence

        from_stage: None | str
        from_stage = self.from_stage

        to_stage = self.to_stage

        from_stage_now: None | str
        from_stage_now = self.from_stage_now

        to_stage_now = self.to_stage_now

        changed_at = self.changed_at.isoformat()

        effective_at = self.effective_at.isoformat()

        recorded_at = self.recorded_at.isoformat()

        changed_by = self.changed_by

        on_behalf_of: None | str
        on_behalf_of = self.on_behalf_of

        actor_kind = self.actor_kind.value

        reason_code = self.reason_code

        source = self.source

        request_id: None | str
        if isinstance(self.request_id, UUID):
            request_id = str(self.request_id)
        else:
            request_id = self.request_id

        event_id: None | str
        event_id = self.event_id

        configuration_version = self.configuration_version

        note: None | str
        note = self.note

        note_erased = self.note_erased

        previous_hash: None | str
        previous_hash = self.previous_hash

        hash_ = self.hash_

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "customer_id": customer_id,
                "sequence": sequence,
                "from_stage": from_stage,
                "to_stage": to_stage,
                "from_stage_now": from_stage_now,
                "to_stage_now": to_stage_now,
                "changed_at": changed_at,
                "effective_at": effective_at,
                "recorded_at": recorded_at,
                "changed_by": changed_by,
                "on_behalf_of": on_behalf_of,
                "actor_kind": actor_kind,
                "reason_code": reason_code,
                "source": source,
                "request_id": request_id,
                "event_id": event_id,
                "configuration_version": configuration_version,
                "note": note,
                "note_erased": note_erased,
                "previous_hash": previous_hash,
                "hash": hash_,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        customer_id = UUID(d.pop("customer_id"))

        sequence = d.pop("sequence")

        def _parse_from_stage(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        from_stage = _parse_from_stage(d.pop("from_stage"))

        to_stage = d.pop("to_stage")

        def _parse_from_stage_now(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        from_stage_now = _parse_from_stage_now(d.pop("from_stage_now"))

        to_stage_now = d.pop("to_stage_now")

        changed_at = datetime.datetime.fromisoformat(d.pop("changed_at"))

        effective_at = datetime.datetime.fromisoformat(d.pop("effective_at"))

        recorded_at = datetime.datetime.fromisoformat(d.pop("recorded_at"))

        changed_by = d.pop("changed_by")

        def _parse_on_behalf_of(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        on_behalf_of = _parse_on_behalf_of(d.pop("on_behalf_of"))

        actor_kind = ActorKindEnum(d.pop("actor_kind"))

        reason_code = d.pop("reason_code")

        source = d.pop("source")

        def _parse_request_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                request_id_type_0 = UUID(data)

                return request_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        request_id = _parse_request_id(d.pop("request_id"))

        def _parse_event_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        event_id = _parse_event_id(d.pop("event_id"))

        configuration_version = d.pop("configuration_version")

        def _parse_note(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        note = _parse_note(d.pop("note"))

        note_erased = d.pop("note_erased")

        def _parse_previous_hash(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        previous_hash = _parse_previous_hash(d.pop("previous_hash"))

        hash_ = d.pop("hash")

        history_response = cls(
            id=id,
            customer_id=customer_id,
            sequence=sequence,
            from_stage=from_stage,
            to_stage=to_stage,
            from_stage_now=from_stage_now,
            to_stage_now=to_stage_now,
            changed_at=changed_at,
            effective_at=effective_at,
            recorded_at=recorded_at,
            changed_by=changed_by,
            on_behalf_of=on_behalf_of,
            actor_kind=actor_kind,
            reason_code=reason_code,
            source=source,
            request_id=request_id,
            event_id=event_id,
            configuration_version=configuration_version,
            note=note,
            note_erased=note_erased,
            previous_hash=previous_hash,
            hash_=hash_,
        )

        history_response.additional_properties = d
        return history_response

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
