from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.effect_state_enum import EffectStateEnum
from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="EffectDetailResponse")


@_attrs_define
class EffectDetailResponse:
    """One effect with what was sent and answered, without secrets and people.

    Attributes:
        id (UUID): Also the webhook's id; the e-mail's Message-ID is made of it.
        customer_id (UUID): All zeros for a digest, which is about many customers.
        history_id (UUID):
        request_id (UUID):
        effect (str):
        kind (str): A kind of the configuration; `escalation`: a later step of an alert; `digest`: a daily digest.
        recipient (str): Masked for those who may not see contact details.
        state (EffectStateEnum): * `held` - held
            * `due` - due
            * `sending` - sending
            * `done` - done
            * `failed` - failed
            * `unknown` - unknown
            * `cancelled` - cancelled
            * `suppressed` - suppressed
        reason (str): Why it has not run, or not yet: a code.
        due_at (datetime.datetime):
        attempts (int):
        may_be_twice (bool): It may have arrived twice: the receiver knows it by its id.
        finished_at (datetime.datetime | None):
        created_at (datetime.datetime):
        last_attempt (Any | None):
    """

    id: UUID
    customer_id: UUID
    history_id: UUID
    request_id: UUID
    effect: str
    kind: str
    recipient: str
    state: EffectStateEnum
    reason: str
    due_at: datetime.datetime
    attempts: int
    may_be_twice: bool
    finished_at: datetime.datetime | None
    created_at: datetime.datetime
    last_attempt: Any | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        customer_id = str(self.customer_id)

        history_id = str(self.history_id)

        request_id = str(self.request_id)

        effect = self.effect

        kind = self.kind

        recipient = self.recipient

        state = self.state.value

        reason = self.reason

        due_at = self.due_at.isoformat()

        attempts = self.attempts

        may_be_twice = self.may_be_twice

        finished_at: None | str
        if isinstance(self.finished_at, datetime.datetime):
            finished_at = self.finished_at.isoformat()
        else:
            finished_at = self.finished_at

        created_at = self.created_at.isoformat()

        last_attempt: Any | None
        last_attempt = self.last_attempt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "customer_id": customer_id,
                "history_id": history_id,
                "request_id": request_id,
                "effect": effect,
                "kind": kind,
                "recipient": recipient,
                "state": state,
                "reason": reason,
                "due_at": due_at,
                "attempts": attempts,
                "may_be_twice": may_be_twice,
                "finished_at": finished_at,
                "created_at": created_at,
                "last_attempt": last_attempt,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        customer_id = UUID(d.pop("customer_id"))

        history_id = UUID(d.pop("history_id"))

        request_id = UUID(d.pop("request_id"))

        effect = d.pop("effect")

        kind = d.pop("kind")

        recipient = d.pop("recipient")

        state = EffectStateEnum(d.pop("state"))

        reason = d.pop("reason")

        due_at = datetime.datetime.fromisoformat(d.pop("due_at"))

        attempts = d.pop("attempts")

        may_be_twice = d.pop("may_be_twice")

        def _parse_finished_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                finished_at_type_0 = datetime.datetime.fromisoformat(data)

                return finished_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        finished_at = _parse_finished_at(d.pop("finished_at"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        def _parse_last_attempt(data: object) -> Any | None:
            if data is None:
                return data
            return cast(Any | None, data)

        last_attempt = _parse_last_attempt(d.pop("last_attempt"))

        effect_detail_response = cls(
            id=id,
            customer_id=customer_id,
            history_id=history_id,
            request_id=request_id,
            effect=effect,
            kind=kind,
            recipient=recipient,
            state=state,
            reason=reason,
            due_at=due_at,
            attempts=attempts,
            may_be_twice=may_be_twice,
            finished_at=finished_at,
            created_at=created_at,
            last_attempt=last_attempt,
        )

        effect_detail_response.additional_properties = d
        return effect_detail_response

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
