from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..models.category_enum import CategoryEnum
from ..models.effect_definition_sources_item import EffectDefinitionSourcesItem
from ..models.effect_definition_topic_type_1 import EffectDefinitionTopicType1
from ..models.effect_definition_topic_type_2_type_1 import EffectDefinitionTopicType2Type1
from ..models.effect_definition_topic_type_3_type_1 import EffectDefinitionTopicType3Type1
from ..models.effect_kind_enum import EffectKindEnum
from ..models.effect_moment_enum import EffectMomentEnum
from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.escalation_step import EscalationStep


T = TypeVar("T", bound="EffectDefinition")


@_attrs_define
class EffectDefinition:
    """A business process that a move starts.

    Attributes:
        name (str):
        on (EffectMomentEnum): * `enter` - enter
            * `leave` - leave
        kind (EffectKindEnum): * `email` - email
            * `alert` - alert
            * `forecast` - forecast
            * `webhook` - webhook
            * `event` - event
        stages (list[str] | Unset):
        categories (list[CategoryEnum] | Unset):
        from_ (list[str] | Unset): Only for customers who come from these; absent: from any.
        sources (list[EffectDefinitionSourcesItem] | Unset): Only for changes of these sources; absent: of any.
        to (list[str] | Unset): Whom it is for: `owner`, `managers`, `admins`, `user:NAME`; of an e-mail also
            `contacts`, `contacts:ROLE` and addresses; of a webhook names or addresses of endpoints.
        topic (EffectDefinitionTopicType1 | EffectDefinitionTopicType2Type1 | EffectDefinitionTopicType3Type1 | None |
            Unset): Of an event.
        template (None | str | Unset): A name for the system that takes up an event.
        subject (None | str | Unset): It can use `{{ customer.name }}`, `{{ customer.external_id }}`, `{{
            customer.segment }}`, `{{ customer.industry }}`, `{{ customer.owner }}`, `{{ stage }}`, `{{ from_stage }}`, `{{
            reason }}`, `{{ changed_on }}`, `{{ tenant.name }}`, `{{ recipient.name }}`, `{{ link }}`.
        body (None | str | Unset): It can use `{{ customer.name }}`, `{{ customer.external_id }}`, `{{ customer.segment
            }}`, `{{ customer.industry }}`, `{{ customer.owner }}`, `{{ stage }}`, `{{ from_stage }}`, `{{ reason }}`, `{{
            changed_on }}`, `{{ tenant.name }}`, `{{ recipient.name }}`, `{{ link }}`.
        delay_minutes (int | None | Unset): It runs so much later, if the customer is still there.
        hold_minutes (int | None | Unset): It can be taken back for so long; absent: 10 for mail to customers, else 0.
        cap_per_hour (int | None | Unset):
        escalate (EscalationStep | list[EscalationStep] | None | Unset): Whom an alert goes to as well that no one
            acknowledges.
        enabled (bool | None | Unset): Absent: true.
    """

    name: str
    on: EffectMomentEnum
    kind: EffectKindEnum
    stages: list[str] | Unset = UNSET
    categories: list[CategoryEnum] | Unset = UNSET
    from_: list[str] | Unset = UNSET
    sources: list[EffectDefinitionSourcesItem] | Unset = UNSET
    to: list[str] | Unset = UNSET
    topic: (
        EffectDefinitionTopicType1 | EffectDefinitionTopicType2Type1 | EffectDefinitionTopicType3Type1 | None | Unset
    ) = UNSET
    template: None | str | Unset = UNSET
    subject: None | str | Unset = UNSET
    body: None | str | Unset = UNSET
    delay_minutes: int | None | Unset = UNSET
    hold_minutes: int | None | Unset = UNSET
    cap_per_hour: int | None | Unset = UNSET
    escalate: EscalationStep | list[EscalationStep] | None | Unset = UNSET
    enabled: bool | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.escalation_step import EscalationStep  # noqa: PLC0415

        name = self.name

        on = self.on.value

        kind = self.kind.value

        stages: list[str] | Unset = UNSET
        if not isinstance(self.stages, Unset):
            stages = self.stages

        categories: list[str] | Unset = UNSET
        if not isinstance(self.categories, Unset):
            categories = []
            for categories_item_data in self.categories:
                categories_item = categories_item_data.value
                categories.append(categories_item)

        from_: list[str] | Unset = UNSET
        if not isinstance(self.from_, Unset):
            from_ = self.from_

        sources: list[str] | Unset = UNSET
        if not isinstance(self.sources, Unset):
            sources = []
            for sources_item_data in self.sources:
                sources_item = sources_item_data.value
                sources.append(sources_item)

        to: list[str] | Unset = UNSET
        if not isinstance(self.to, Unset):
            to = self.to

        topic: None | str | Unset
        if isinstance(self.topic, Unset):
            topic = UNSET
        elif isinstance(self.topic, EffectDefinitionTopicType1):
            topic = self.topic.value
        elif isinstance(self.topic, EffectDefinitionTopicType2Type1):
            topic = self.topic.value
        elif isinstance(self.topic, EffectDefinitionTopicType3Type1):
            topic = self.topic.value
        else:
            topic = self.topic

        template: None | str | Unset
        if isinstance(self.template, Unset):
            template = UNSET
        else:
            template = self.template

        subject: None | str | Unset
        if isinstance(self.subject, Unset):
            subject = UNSET
        else:
            subject = self.subject

        body: None | str | Unset
        if isinstance(self.body, Unset):
            body = UNSET
        else:
            body = self.body

        delay_minutes: int | None | Unset
        if isinstance(self.delay_minutes, Unset):
            delay_minutes = UNSET
        else:
            delay_minutes = self.delay_minutes

        hold_minutes: int | None | Unset
        if isinstance(self.hold_minutes, Unset):
            hold_minutes = UNSET
        else:
            hold_minutes = self.hold_minutes

        cap_per_hour: int | None | Unset
        if isinstance(self.cap_per_hour, Unset):
            cap_per_hour = UNSET
        else:
            cap_per_hour = self.cap_per_hour

        escalate: dict[str, Any] | list[dict[str, Any]] | None | Unset
        if isinstance(self.escalate, Unset):
            escalate = UNSET
        elif isinstance(self.escalate, EscalationStep):
            escalate = self.escalate.to_dict()
        elif isinstance(self.escalate, list):
            escalate = []
            for escalate_type_1_item_data in self.escalate:
                escalate_type_1_item = escalate_type_1_item_data.to_dict()
                escalate.append(escalate_type_1_item)

        else:
            escalate = self.escalate

        enabled: bool | None | Unset
        if isinstance(self.enabled, Unset):
            enabled = UNSET
        else:
            enabled = self.enabled

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "name": name,
                "on": on,
                "kind": kind,
            }
        )
        if stages is not UNSET:
            field_dict["stages"] = stages
        if categories is not UNSET:
            field_dict["categories"] = categories
        if from_ is not UNSET:
            field_dict["from"] = from_
        if sources is not UNSET:
            field_dict["sources"] = sources
        if to is not UNSET:
            field_dict["to"] = to
        if topic is not UNSET:
            field_dict["topic"] = topic
        if template is not UNSET:
            field_dict["template"] = template
        if subject is not UNSET:
            field_dict["subject"] = subject
        if body is not UNSET:
            field_dict["body"] = body
        if delay_minutes is not UNSET:
            field_dict["delay_minutes"] = delay_minutes
        if hold_minutes is not UNSET:
            field_dict["hold_minutes"] = hold_minutes
        if cap_per_hour is not UNSET:
            field_dict["cap_per_hour"] = cap_per_hour
        if escalate is not UNSET:
            field_dict["escalate"] = escalate
        if enabled is not UNSET:
            field_dict["enabled"] = enabled

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.escalation_step import EscalationStep  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        on = EffectMomentEnum(d.pop("on"))

        kind = EffectKindEnum(d.pop("kind"))

        stages = cast(list[str], d.pop("stages", UNSET))

        _categories = d.pop("categories", UNSET)
        categories: list[CategoryEnum] | Unset = UNSET
        if _categories is not UNSET:
            categories = []
            for categories_item_data in _categories:
                categories_item = CategoryEnum(categories_item_data)

                categories.append(categories_item)

        from_ = cast(list[str], d.pop("from", UNSET))

        _sources = d.pop("sources", UNSET)
        sources: list[EffectDefinitionSourcesItem] | Unset = UNSET
        if _sources is not UNSET:
            sources = []
            for sources_item_data in _sources:
                sources_item = EffectDefinitionSourcesItem(sources_item_data)

                sources.append(sources_item)

        to = cast(list[str], d.pop("to", UNSET))

        def _parse_topic(
            data: object,
        ) -> (
            EffectDefinitionTopicType1
            | EffectDefinitionTopicType2Type1
            | EffectDefinitionTopicType3Type1
            | None
            | Unset
        ):
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                topic_type_1 = EffectDefinitionTopicType1(data)

                return topic_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, str):
                    raise TypeError()
                topic_type_2_type_1 = EffectDefinitionTopicType2Type1(data)

                return topic_type_2_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, str):
                    raise TypeError()
                topic_type_3_type_1 = EffectDefinitionTopicType3Type1(data)

                return topic_type_3_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(
                EffectDefinitionTopicType1
                | EffectDefinitionTopicType2Type1
                | EffectDefinitionTopicType3Type1
                | None
                | Unset,
                data,
            )

        topic = _parse_topic(d.pop("topic", UNSET))

        def _parse_template(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        template = _parse_template(d.pop("template", UNSET))

        def _parse_subject(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        subject = _parse_subject(d.pop("subject", UNSET))

        def _parse_body(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        body = _parse_body(d.pop("body", UNSET))

        def _parse_delay_minutes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        delay_minutes = _parse_delay_minutes(d.pop("delay_minutes", UNSET))

        def _parse_hold_minutes(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        hold_minutes = _parse_hold_minutes(d.pop("hold_minutes", UNSET))

        def _parse_cap_per_hour(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        cap_per_hour = _parse_cap_per_hour(d.pop("cap_per_hour", UNSET))

        def _parse_escalate(data: object) -> EscalationStep | list[EscalationStep] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                escalate_type_0 = EscalationStep.from_dict(data)

                return escalate_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                escalate_type_1 = []
                _escalate_type_1 = data
                for escalate_type_1_item_data in _escalate_type_1:
                    escalate_type_1_item = EscalationStep.from_dict(escalate_type_1_item_data)

                    escalate_type_1.append(escalate_type_1_item)

                return escalate_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(EscalationStep | list[EscalationStep] | None | Unset, data)

        escalate = _parse_escalate(d.pop("escalate", UNSET))

        def _parse_enabled(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        enabled = _parse_enabled(d.pop("enabled", UNSET))

        effect_definition = cls(
            name=name,
            on=on,
            kind=kind,
            stages=stages,
            categories=categories,
            from_=from_,
            sources=sources,
            to=to,
            topic=topic,
            template=template,
            subject=subject,
            body=body,
            delay_minutes=delay_minutes,
            hold_minutes=hold_minutes,
            cap_per_hour=cap_per_hour,
            escalate=escalate,
            enabled=enabled,
        )

        return effect_definition
