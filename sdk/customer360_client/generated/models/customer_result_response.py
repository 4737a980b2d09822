from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.outcome_enum import OutcomeEnum
from ..types import UNSET, Unset
from typing import cast
from uuid import UUID

if TYPE_CHECKING:
    from ..models.fault_response import FaultResponse
    from ..models.rule_refusal_response import RuleRefusalResponse


T = TypeVar("T", bound="CustomerResultResponse")


@_attrs_define
class CustomerResultResponse:
    """What became of what a source says of a customer.

    Attributes:
        external_id (None | str):
        status (int): The status that a request for this item alone has.
        success (bool):
        outcome (OutcomeEnum): * `applied` - applied
            * `noop` - noop
            * `stale` - stale
            * `duplicate` - duplicate
            * `dead` - dead
        created (bool): The customer was not known before.
        changed (bool): It counts against the budget.
        moved (bool): An event rule of the tenant has changed the customer's stage.
        stale (list[str]): Fields of which something newer is known, or that were erased: not written.
        outranked (list[str]): Fields that were not written because they are pinned, were erased, or another source goes
            first.
        rejected (list[str]): Fields that were not written because they do not fit: more decimals than the currency has.
        move_refused (None | RuleRefusalResponse):
        customer_id (UUID | Unset): Left out if the item was refused.
        code (str | Unset):
        detail (str | Unset):
        errors (list[FaultResponse] | Unset):
    """

    external_id: None | str
    status: int
    success: bool
    outcome: OutcomeEnum
    created: bool
    changed: bool
    moved: bool
    stale: list[str]
    outranked: list[str]
    rejected: list[str]
    move_refused: None | RuleRefusalResponse
    customer_id: UUID | Unset = UNSET
    code: str | Unset = UNSET
    detail: str | Unset = UNSET
    errors: list[FaultResponse] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.fault_response import FaultResponse  # noqa: PLC0415
        from ..models.rule_refusal_response import RuleRefusalResponse  # noqa: PLC0415

        external_id: None | str
        external_id = self.external_id

        status = self.status

        success = self.success

        outcome = self.outcome.value

        created = self.created

        changed = self.changed

        moved = self.moved

        stale = self.stale

        outranked = self.outranked

        rejected = self.rejected

        move_refused: dict[str, Any] | None
        if isinstance(self.move_refused, RuleRefusalResponse):
            move_refused = self.move_refused.to_dict()
        else:
            move_refused = self.move_refused

        customer_id: str | Unset = UNSET
        if not isinstance(self.customer_id, Unset):
            customer_id = str(self.customer_id)

        code = self.code

        detail = self.detail

        errors: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.errors, Unset):
            errors = []
            for errors_item_data in self.errors:
                errors_item = errors_item_data.to_dict()
                errors.append(errors_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "external_id": external_id,
                "status": status,
                "success": success,
                "outcome": outcome,
                "created": created,
                "changed": changed,
                "moved": moved,
                "stale": stale,
                "outranked": outranked,
                "rejected": rejected,
                "move_refused": move_refused,
            }
        )
        if customer_id is not UNSET:
            field_dict["customer_id"] = customer_id
        if code is not UNSET:
            field_dict["code"] = code
        if detail is not UNSET:
            field_dict["detail"] = detail
        if errors is not UNSET:
            field_dict["errors"] = errors

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.fault_response import FaultResponse  # noqa: PLC0415
        from ..models.rule_refusal_response import RuleRefusalResponse  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_external_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        external_id = _parse_external_id(d.pop("external_id"))

        status = d.pop("status")

        success = d.pop("success")

        outcome = OutcomeEnum(d.pop("outcome"))

        created = d.pop("created")

        changed = d.pop("changed")

        moved = d.pop("moved")

        stale = cast(list[str], d.pop("stale"))

        outranked = cast(list[str], d.pop("outranked"))

        rejected = cast(list[str], d.pop("rejected"))

        def _parse_move_refused(data: object) -> None | RuleRefusalResponse:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                move_refused_type_0 = RuleRefusalResponse.from_dict(data)

                return move_refused_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RuleRefusalResponse, data)

        move_refused = _parse_move_refused(d.pop("move_refused"))

        _customer_id = d.pop("customer_id", UNSET)
        customer_id: UUID | Unset
        if isinstance(_customer_id, Unset):
            customer_id = UNSET
        else:
            customer_id = UUID(_customer_id)

        code = d.pop("code", UNSET)

        detail = d.pop("detail", UNSET)

        _errors = d.pop("errors", UNSET)
        errors: list[FaultResponse] | Unset = UNSET
        if _errors is not UNSET:
            errors = []
            for errors_item_data in _errors:
                errors_item = FaultResponse.from_dict(errors_item_data)

                errors.append(errors_item)

        customer_result_response = cls(
            external_id=external_id,
            status=status,
            success=success,
            outcome=outcome,
            created=created,
            changed=changed,
            moved=moved,
            stale=stale,
            outranked=outranked,
            rejected=rejected,
            move_refused=move_refused,
            customer_id=customer_id,
            code=code,
            detail=detail,
            errors=errors,
        )

        customer_result_response.additional_properties = d
        return customer_result_response

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
