from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.replayable_state_enum import ReplayableStateEnum
from ..types import UNSET, Unset
from typing import cast
import datetime


T = TypeVar("T", bound="ReplayRequest")


@_attrs_define
class ReplayRequest:
    """``POST /effects/replay``.

    Attributes:
        since (datetime.datetime): Effects that were started since then.
        state (ReplayableStateEnum | Unset): * `failed` - failed
            * `held` - held Default: ReplayableStateEnum.FAILED.
        effect (str | Unset): Only those of this effect.
    """

    since: datetime.datetime
    state: ReplayableStateEnum | Unset = ReplayableStateEnum.FAILED
    effect: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        since = self.since.isoformat()

        state: str | Unset = UNSET
        if not isinstance(self.state, Unset):
            state = self.state.value

        effect = self.effect

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "since": since,
            }
        )
        if state is not UNSET:
            field_dict["state"] = state
        if effect is not UNSET:
            field_dict["effect"] = effect

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        since = datetime.datetime.fromisoformat(d.pop("since"))

        _state = d.pop("state", UNSET)
        state: ReplayableStateEnum | Unset
        if isinstance(_state, Unset):
            state = UNSET
        else:
            state = ReplayableStateEnum(_state)

        effect = d.pop("effect", UNSET)

        replay_request = cls(
            since=since,
            state=state,
            effect=effect,
        )

        return replay_request
