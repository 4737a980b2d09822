from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast
from uuid import UUID
import datetime


T = TypeVar("T", bound="UndoResponse")


@_attrs_define
class UndoResponse:
    """An undo, and how far it has come.

    Attributes:
        undo_id (UUID):
        request_id (UUID):
        to_move (int):
        moved_since (int): Had been moved on, and stay where they are.
        effects_cancelled (int):
        effects_already_done (int):
        moved (int):
        refused (int):
        finished_at (datetime.datetime | None):
    """

    undo_id: UUID
    request_id: UUID
    to_move: int
    moved_since: int
    effects_cancelled: int
    effects_already_done: int
    moved: int
    refused: int
    finished_at: datetime.datetime | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        undo_id = str(self.undo_id)

        request_id = str(self.request_id)

        to_move = self.to_move

        moved_since = self.moved_since

        effects_cancelled = self.effects_cancelled

        effects_already_done = self.effects_already_done

        moved = self.moved

        refused = self.refused

        finished_at: None | str
        if isinstance(self.finished_at, datetime.datetime):
            finished_at = self.finished_at.isoformat()
        else:
            finished_at = self.finished_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "undo_id": undo_id,
                "request_id": request_id,
                "to_move": to_move,
                "moved_since": moved_since,
                "effects_cancelled": effects_cancelled,
                "effects_already_done": effects_already_done,
                "moved": moved,
                "refused": refused,
                "finished_at": finished_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        undo_id = UUID(d.pop("undo_id"))

        request_id = UUID(d.pop("request_id"))

        to_move = d.pop("to_move")

        moved_since = d.pop("moved_since")

        effects_cancelled = d.pop("effects_cancelled")

        effects_already_done = d.pop("effects_already_done")

        moved = d.pop("moved")

        refused = d.pop("refused")

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

        undo_response = cls(
            undo_id=undo_id,
            request_id=request_id,
            to_move=to_move,
            moved_since=moved_since,
            effects_cancelled=effects_cancelled,
            effects_already_done=effects_already_done,
            moved=moved,
            refused=refused,
            finished_at=finished_at,
        )

        undo_response.additional_properties = d
        return undo_response

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
