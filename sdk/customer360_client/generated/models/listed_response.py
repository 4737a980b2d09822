from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.actor_kind_enum import ActorKindEnum
from ..models.category_enum import CategoryEnum
from typing import cast
from uuid import UUID
import datetime

if TYPE_CHECKING:
    from ..models.health_response import HealthResponse


T = TypeVar("T", bound="ListedResponse")


@_attrs_define
class ListedResponse:
    """One customer of the list.

    Attributes:
        customer_id (UUID):
        stage (str):
        stage_entered_at (datetime.datetime):
        updated_at (datetime.datetime):
        updated_by (str): The user's id, or system:<name>.
        actor_kind (ActorKindEnum): * `user` - user
            * `service` - service
            * `system` - system
        source (str):
        reason_code (str):
        version (int):
        id (UUID): The same as customer_id.
        external_id (str):
        name (str):
        industry (str):
        segment (str):
        owner (str):
        currency (str):
        arr (None | str):
        balance_overdue (None | str):
        renewal_on (datetime.date | None):
        open_issues (int | None):
        csat (None | str):
        category (CategoryEnum): * `acquisition` - acquisition
            * `onboarding` - onboarding
            * `engaged` - engaged
            * `risk` - risk
            * `renewal` - renewal
            * `lost` - lost
        color (str):
        days_in_stage (int):
        days_over (int):
        days_to_renewal (int | None):
        health (HealthResponse): How the customer is doing: 0 (poor) to 100; null and ``unknown`` while no figure is
            known.
        urgency (float): What is at stake now, in the tenant's currency (US dollars if it has named none), for comparing
            customers: annual revenue x risk x time to the renewal.
        at_stake (None | str): The same in the customer's own currency; null where nothing is at stake or known.
        urgency_reason (str): The figures behind the urgency, in one sentence.
    """

    customer_id: UUID
    stage: str
    stage_entered_at: datetime.datetime
    updated_at: datetime.datetime
    updated_by: str
    actor_kind: ActorKindEnum
    source: str
    reason_code: str
    version: int
    id: UUID
    external_id: str
    name: str
    industry: str
    segment: str
    owner: str
    currency: str
    arr: None | str
    balance_overdue: None | str
    renewal_on: datetime.date | None
    open_issues: int | None
    csat: None | str
    category: CategoryEnum
    color: str
    days_in_stage: int
    days_over: int
    days_to_renewal: int | None
    health: HealthResponse
    urgency: float
    at_stake: None | str
    urgency_reason: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.health_response import HealthResponse  # noqa: PLC0415

        customer_id = str(self.customer_id)

        stage = self.stage

        stage_entered_at = self.stage_entered_at.isoformat()

        updated_at = self.updated_at.isoformat()

        updated_by = self.updated_by

        actor_kind = self.actor_kind.value

        source = self.source

        reason_code = self.reason_code

        version = self.version

        id = str(self.id)

        external_id = self.external_id

        name = self.name

        industry = self.industry

        segment = self.segment

        owner = self.owner

        currency = self.currency

        arr: None | str
        arr = self.arr

        balance_overdue: None | str
        balance_overdue = self.balance_overdue

        renewal_on: None | str
        if isinstance(self.renewal_on, datetime.date):
            renewal_on = self.renewal_on.isoformat()
        else:
            renewal_on = self.renewal_on

        open_issues: int | None
        open_issues = self.open_issues

        csat: None | str
        csat = self.csat

        category = self.category.value

        color = self.color

        days_in_stage = self.days_in_stage

        days_over = self.days_over

        days_to_renewal: int | None
        days_to_renewal = self.days_to_renewal

        health = self.health.to_dict()

        urgency = self.urgency

        at_stake: None | str
        at_stake = self.at_stake

        urgency_reason = self.urgency_reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "customer_id": customer_id,
                "stage": stage,
                "stage_entered_at": stage_entered_at,
                "updated_at": updated_at,
                "updated_by": updated_by,
                "actor_kind": actor_kind,
                "source": source,
                "reason_code": reason_code,
                "version": version,
                "id": id,
                "external_id": external_id,
                "name": name,
                "industry": industry,
                "segment": segment,
                "owner": owner,
                "currency": currency,
                "arr": arr,
                "balance_overdue": balance_overdue,
                "renewal_on": renewal_on,
                "open_issues": open_issues,
                "csat": csat,
                "category": category,
                "color": color,
                "days_in_stage": days_in_stage,
                "days_over": days_over,
                "days_to_renewal": days_to_renewal,
                "health": health,
                "urgency": urgency,
                "at_stake": at_stake,
                "urgency_reason": urgency_reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.health_response import HealthResponse  # noqa: PLC0415

        d = dict(src_dict)
        customer_id = UUID(d.pop("customer_id"))

        stage = d.pop("stage")

        stage_entered_at = datetime.datetime.fromisoformat(d.pop("stage_entered_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        updated_by = d.pop("updated_by")

        actor_kind = ActorKindEnum(d.pop("actor_kind"))

        source = d.pop("source")

        reason_code = d.pop("reason_code")

        version = d.pop("version")

        id = UUID(d.pop("id"))

        external_id = d.pop("external_id")

        name = d.pop("name")

        industry = d.pop("industry")

        segment = d.pop("segment")

        owner = d.pop("owner")

        currency = d.pop("currency")

        def _parse_arr(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        arr = _parse_arr(d.pop("arr"))

        def _parse_balance_overdue(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        balance_overdue = _parse_balance_overdue(d.pop("balance_overdue"))

        def _parse_renewal_on(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                renewal_on_type_0 = datetime.date.fromisoformat(data)

                return renewal_on_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        renewal_on = _parse_renewal_on(d.pop("renewal_on"))

        def _parse_open_issues(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        open_issues = _parse_open_issues(d.pop("open_issues"))

        def _parse_csat(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        csat = _parse_csat(d.pop("csat"))

        category = CategoryEnum(d.pop("category"))

        color = d.pop("color")

        days_in_stage = d.pop("days_in_stage")

        days_over = d.pop("days_over")

        def _parse_days_to_renewal(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        days_to_renewal = _parse_days_to_renewal(d.pop("days_to_renewal"))

        health = HealthResponse.from_dict(d.pop("health"))

        urgency = d.pop("urgency")

        def _parse_at_stake(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        at_stake = _parse_at_stake(d.pop("at_stake"))

        urgency_reason = d.pop("urgency_reason")

        listed_response = cls(
            customer_id=customer_id,
            stage=stage,
            stage_entered_at=stage_entered_at,
            updated_at=updated_at,
            updated_by=updated_by,
            actor_kind=actor_kind,
            source=source,
            reason_code=reason_code,
            version=version,
            id=id,
            external_id=external_id,
            name=name,
            industry=industry,
            segment=segment,
            owner=owner,
            currency=currency,
            arr=arr,
            balance_overdue=balance_overdue,
            renewal_on=renewal_on,
            open_issues=open_issues,
            csat=csat,
            category=category,
            color=color,
            days_in_stage=days_in_stage,
            days_over=days_over,
            days_to_renewal=days_to_renewal,
            health=health,
            urgency=urgency,
            at_stake=at_stake,
            urgency_reason=urgency_reason,
        )

        listed_response.additional_properties = d
        return listed_response

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
