from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from typing import cast

if TYPE_CHECKING:
    from ..models.change_response import ChangeResponse
    from ..models.finding_response import FindingResponse
    from ..models.overdue_count_response import OverdueCountResponse
    from ..models.refused_move_response import RefusedMoveResponse
    from ..models.stage_count_response import StageCountResponse


T = TypeVar("T", bound="PreviewResponse")


@_attrs_define
class PreviewResponse:
    """What a configuration would do. When it is not ``valid``, only ``faults`` says something.

    Attributes:
        valid (bool):
        faults (list[FindingResponse]):
        plan_faults (list[FindingResponse]): Of ``renamed`` and ``mapping``.
        live_version (int): 0: none yet.
        changes (list[ChangeResponse]):
        customers (int):
        stages_going_away (list[StageCountResponse]):
        mapping_needed (list[str]):
        new_dead_ends (list[StageCountResponse]):
        overdue (list[OverdueCountResponse]):
        history_days (int):
        moves_judged (int):
        moves_refused (int):
        refused_moves (list[RefusedMoveResponse]):
    """

    valid: bool
    faults: list[FindingResponse]
    plan_faults: list[FindingResponse]
    live_version: int
    changes: list[ChangeResponse]
    customers: int
    stages_going_away: list[StageCountResponse]
    mapping_needed: list[str]
    new_dead_ends: list[StageCountResponse]
    overdue: list[OverdueCountResponse]
    history_days: int
    moves_judged: int
    moves_refused: int
    refused_moves: list[RefusedMoveResponse]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.change_response import ChangeResponse  # noqa: PLC0415
        from ..models.finding_response import FindingResponse  # noqa: PLC0415
        from ..models.overdue_count_response import OverdueCountResponse  # noqa: PLC0415
        from ..models.refused_move_response import RefusedMoveResponse  # noqa: PLC0415
        from ..models.stage_count_response import StageCountResponse  # noqa: PLC0415

        valid = self.valid

        faults = []
        for faults_item_data in self.faults:
            faults_item = faults_item_data.to_dict()
            faults.append(faults_item)

        plan_faults = []
        for plan_faults_item_data in self.plan_faults:
            plan_faults_item = plan_faults_item_data.to_dict()
            plan_faults.append(plan_faults_item)

        live_version = self.live_version

        changes = []
        for changes_item_data in self.changes:
            changes_item = changes_item_data.to_dict()
            changes.append(changes_item)

        customers = self.customers

        stages_going_away = []
        for stages_going_away_item_data in self.stages_going_away:
            stages_going_away_item = stages_going_away_item_data.to_dict()
            stages_going_away.append(stages_going_away_item)

        mapping_needed = self.mapping_needed

        new_dead_ends = []
        for new_dead_ends_item_data in self.new_dead_ends:
            new_dead_ends_item = new_dead_ends_item_data.to_dict()
            new_dead_ends.append(new_dead_ends_item)

        overdue = []
        for overdue_item_data in self.overdue:
            overdue_item = overdue_item_data.to_dict()
            overdue.append(overdue_item)

        history_days = self.history_days

        moves_judged = self.moves_judged

        moves_refused = self.moves_refused

        refused_moves = []
        for refused_moves_item_data in self.refused_moves:
            refused_moves_item = refused_moves_item_data.to_dict()
            refused_moves.append(refused_moves_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "valid": valid,
                "faults": faults,
                "plan_faults": plan_faults,
                "live_version": live_version,
                "changes": changes,
                "customers": customers,
                "stages_going_away": stages_going_away,
                "mapping_needed": mapping_needed,
                "new_dead_ends": new_dead_ends,
                "overdue": overdue,
                "history_days": history_days,
                "moves_judged": moves_judged,
                "moves_refused": moves_refused,
                "refused_moves": refused_moves,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.change_response import ChangeResponse  # noqa: PLC0415
        from ..models.finding_response import FindingResponse  # noqa: PLC0415
        from ..models.overdue_count_response import OverdueCountResponse  # noqa: PLC0415
        from ..models.refused_move_response import RefusedMoveResponse  # noqa: PLC0415
        from ..models.stage_count_response import StageCountResponse  # noqa: PLC0415

        d = dict(src_dict)
        valid = d.pop("valid")

        faults = []
        _faults = d.pop("faults")
        for faults_item_data in _faults:
            faults_item = FindingResponse.from_dict(faults_item_data)

            faults.append(faults_item)

        plan_faults = []
        _plan_faults = d.pop("plan_faults")
        for plan_faults_item_data in _plan_faults:
            plan_faults_item = FindingResponse.from_dict(plan_faults_item_data)

            plan_faults.append(plan_faults_item)

        live_version = d.pop("live_version")

        changes = []
        _changes = d.pop("changes")
        for changes_item_data in _changes:
            changes_item = ChangeResponse.from_dict(changes_item_data)

            changes.append(changes_item)

        customers = d.pop("customers")

        stages_going_away = []
        _stages_going_away = d.pop("stages_going_away")
        for stages_going_away_item_data in _stages_going_away:
            stages_going_away_item = StageCountResponse.from_dict(stages_going_away_item_data)

            stages_going_away.append(stages_going_away_item)

        mapping_needed = cast(list[str], d.pop("mapping_needed"))

        new_dead_ends = []
        _new_dead_ends = d.pop("new_dead_ends")
        for new_dead_ends_item_data in _new_dead_ends:
            new_dead_ends_item = StageCountResponse.from_dict(new_dead_ends_item_data)

            new_dead_ends.append(new_dead_ends_item)

        overdue = []
        _overdue = d.pop("overdue")
        for overdue_item_data in _overdue:
            overdue_item = OverdueCountResponse.from_dict(overdue_item_data)

            overdue.append(overdue_item)

        history_days = d.pop("history_days")

        moves_judged = d.pop("moves_judged")

        moves_refused = d.pop("moves_refused")

        refused_moves = []
        _refused_moves = d.pop("refused_moves")
        for refused_moves_item_data in _refused_moves:
            refused_moves_item = RefusedMoveResponse.from_dict(refused_moves_item_data)

            refused_moves.append(refused_moves_item)

        preview_response = cls(
            valid=valid,
            faults=faults,
            plan_faults=plan_faults,
            live_version=live_version,
            changes=changes,
            customers=customers,
            stages_going_away=stages_going_away,
            mapping_needed=mapping_needed,
            new_dead_ends=new_dead_ends,
            overdue=overdue,
            history_days=history_days,
            moves_judged=moves_judged,
            moves_refused=moves_refused,
            refused_moves=refused_moves,
        )

        preview_response.additional_properties = d
        return preview_response

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
