from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, BinaryIO, TextIO, TYPE_CHECKING, Generator

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

from ..types import UNSET, Unset
from typing import cast

if TYPE_CHECKING:
    from ..models.configuration_categories import ConfigurationCategories
    from ..models.configuration_colors import ConfigurationColors
    from ..models.configuration_guidance import ConfigurationGuidance
    from ..models.configuration_max_days import ConfigurationMaxDays
    from ..models.configuration_rates import ConfigurationRates
    from ..models.configuration_reason_codes import ConfigurationReasonCodes
    from ..models.configuration_source_priority import ConfigurationSourcePriority
    from ..models.configuration_transitions import ConfigurationTransitions
    from ..models.effect_definition import EffectDefinition
    from ..models.event_rule import EventRule


T = TypeVar("T", bound="Configuration")


@_attrs_define
class Configuration:
    """A tenant's lifecycle. An unknown key is an error.

    Attributes:
        stages (list[str]): The stages, in order.
        required_reason_codes (list[str] | Unset): The stages that cannot be entered without a reason.
        initial (str | Unset): Where new customers begin; absent: the first stage.
        transitions (ConfigurationTransitions | Unset): Stage -> the stages it leads to. Without the key every stage
            leads to every other.
        categories (ConfigurationCategories | Unset): Stage -> what it means.
        reason_codes (ConfigurationReasonCodes | Unset): Stage -> accepted reasons.
        event_rules (list[EventRule] | Unset):
        max_days (ConfigurationMaxDays | Unset): Stage -> days expected at most.
        effects (list[EffectDefinition] | Unset):
        colors (ConfigurationColors | Unset): Stage -> its color.
        guidance (ConfigurationGuidance | Unset): Stage -> what to do in it.
        currency (str | Unset): The currency in which customers are ranked by what is at stake.
        rates (ConfigurationRates | Unset): Currency -> the worth of one unit in `currency`. Others have approximate
            rates.
        source_priority (ConfigurationSourcePriority | Unset): Field, or part of the customer -> its sources, the one
            that goes before all others first. Fields that are not named have the newest report.
    """

    stages: list[str]
    required_reason_codes: list[str] | Unset = UNSET
    initial: str | Unset = UNSET
    transitions: ConfigurationTransitions | Unset = UNSET
    categories: ConfigurationCategories | Unset = UNSET
    reason_codes: ConfigurationReasonCodes | Unset = UNSET
    event_rules: list[EventRule] | Unset = UNSET
    max_days: ConfigurationMaxDays | Unset = UNSET
    effects: list[EffectDefinition] | Unset = UNSET
    colors: ConfigurationColors | Unset = UNSET
    guidance: ConfigurationGuidance | Unset = UNSET
    currency: str | Unset = UNSET
    rates: ConfigurationRates | Unset = UNSET
    source_priority: ConfigurationSourcePriority | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        from ..models.configuration_categories import ConfigurationCategories  # noqa: PLC0415
        from ..models.configuration_colors import ConfigurationColors  # noqa: PLC0415
        from ..models.configuration_guidance import ConfigurationGuidance  # noqa: PLC0415
        from ..models.configuration_max_days import ConfigurationMaxDays  # noqa: PLC0415
        from ..models.configuration_rates import ConfigurationRates  # noqa: PLC0415
        from ..models.configuration_reason_codes import ConfigurationReasonCodes  # noqa: PLC0415
        from ..models.configuration_source_priority import ConfigurationSourcePriority  # noqa: PLC0415
        from ..models.configuration_transitions import ConfigurationTransitions  # noqa: PLC0415
        from ..models.effect_definition import EffectDefinition  # noqa: PLC0415
        from ..models.event_rule import EventRule  # noqa: PLC0415

        stages = self.stages

        required_reason_codes: list[str] | Unset = UNSET
        if not isinstance(self.required_reason_codes, Unset):
            required_reason_codes = self.required_reason_codes

        initial = self.initial

        transitions: dict[str, Any] | Unset = UNSET
        if not isinstance(self.transitions, Unset):
            transitions = self.transitions.to_dict()

        categories: dict[str, Any] | Unset = UNSET
        if not isinstance(self.categories, Unset):
            categories = self.categories.to_dict()

        reason_codes: dict[str, Any] | Unset = UNSET
        if not isinstance(self.reason_codes, Unset):
            reason_codes = self.reason_codes.to_dict()

        event_rules: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.event_rules, Unset):
            event_rules = []
            for event_rules_item_data in self.event_rules:
                event_rules_item = event_rules_item_data.to_dict()
                event_rules.append(event_rules_item)

        max_days: dict[str, Any] | Unset = UNSET
        if not isinstance(self.max_days, Unset):
            max_days = self.max_days.to_dict()

        effects: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.effects, Unset):
            effects = []
            for effects_item_data in self.effects:
                effects_item = effects_item_data.to_dict()
                effects.append(effects_item)

        colors: dict[str, Any] | Unset = UNSET
        if not isinstance(self.colors, Unset):
            colors = self.colors.to_dict()

        guidance: dict[str, Any] | Unset = UNSET
        if not isinstance(self.guidance, Unset):
            guidance = self.guidance.to_dict()

        currency = self.currency

        rates: dict[str, Any] | Unset = UNSET
        if not isinstance(self.rates, Unset):
            rates = self.rates.to_dict()

        source_priority: dict[str, Any] | Unset = UNSET
        if not isinstance(self.source_priority, Unset):
            source_priority = self.source_priority.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "stages": stages,
            }
        )
        if required_reason_codes is not UNSET:
            field_dict["required_reason_codes"] = required_reason_codes
        if initial is not UNSET:
            field_dict["initial"] = initial
        if transitions is not UNSET:
            field_dict["transitions"] = transitions
        if categories is not UNSET:
            field_dict["categories"] = categories
        if reason_codes is not UNSET:
            field_dict["reason_codes"] = reason_codes
        if event_rules is not UNSET:
            field_dict["event_rules"] = event_rules
        if max_days is not UNSET:
            field_dict["max_days"] = max_days
        if effects is not UNSET:
            field_dict["effects"] = effects
        if colors is not UNSET:
            field_dict["colors"] = colors
        if guidance is not UNSET:
            field_dict["guidance"] = guidance
        if currency is not UNSET:
            field_dict["currency"] = currency
        if rates is not UNSET:
            field_dict["rates"] = rates
        if source_priority is not UNSET:
            field_dict["source_priority"] = source_priority

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.configuration_categories import ConfigurationCategories  # noqa: PLC0415
        from ..models.configuration_colors import ConfigurationColors  # noqa: PLC0415
        from ..models.configuration_guidance import ConfigurationGuidance  # noqa: PLC0415
        from ..models.configuration_max_days import ConfigurationMaxDays  # noqa: PLC0415
        from ..models.configuration_rates import ConfigurationRates  # noqa: PLC0415
        from ..models.configuration_reason_codes import ConfigurationReasonCodes  # noqa: PLC0415
        from ..models.configuration_source_priority import ConfigurationSourcePriority  # noqa: PLC0415
        from ..models.configuration_transitions import ConfigurationTransitions  # noqa: PLC0415
        from ..models.effect_definition import EffectDefinition  # noqa: PLC0415
        from ..models.event_rule import EventRule  # noqa: PLC0415

        d = dict(src_dict)
        stages = cast(list[str], d.pop("stages"))

        required_reason_codes = cast(list[str], d.pop("required_reason_codes", UNSET))

        initial = d.pop("initial", UNSET)

        _transitions = d.pop("transitions", UNSET)
        transitions: ConfigurationTransitions | Unset
        if isinstance(_transitions, Unset):
            transitions = UNSET
        else:
            transitions = ConfigurationTransitions.from_dict(_transitions)

        _categories = d.pop("categories", UNSET)
        categories: ConfigurationCategories | Unset
        if isinstance(_categories, Unset):
            categories = UNSET
        else:
            categories = ConfigurationCategories.from_dict(_categories)

        _reason_codes = d.pop("reason_codes", UNSET)
        reason_codes: ConfigurationReasonCodes | Unset
        if isinstance(_reason_codes, Unset):
            reason_codes = UNSET
        else:
            reason_codes = ConfigurationReasonCodes.from_dict(_reason_codes)

        _event_rules = d.pop("event_rules", UNSET)
        event_rules: list[EventRule] | Unset = UNSET
        if _event_rules is not UNSET:
            event_rules = []
            for event_rules_item_data in _event_rules:
                event_rules_item = EventRule.from_dict(event_rules_item_data)

                event_rules.append(event_rules_item)

        _max_days = d.pop("max_days", UNSET)
        max_days: ConfigurationMaxDays | Unset
        if isinstance(_max_days, Unset):
            max_days = UNSET
        else:
            max_days = ConfigurationMaxDays.from_dict(_max_days)

        _effects = d.pop("effects", UNSET)
        effects: list[EffectDefinition] | Unset = UNSET
        if _effects is not UNSET:
            effects = []
            for effects_item_data in _effects:
                effects_item = EffectDefinition.from_dict(effects_item_data)

                effects.append(effects_item)

        _colors = d.pop("colors", UNSET)
        colors: ConfigurationColors | Unset
        if isinstance(_colors, Unset):
            colors = UNSET
        else:
            colors = ConfigurationColors.from_dict(_colors)

        _guidance = d.pop("guidance", UNSET)
        guidance: ConfigurationGuidance | Unset
        if isinstance(_guidance, Unset):
            guidance = UNSET
        else:
            guidance = ConfigurationGuidance.from_dict(_guidance)

        currency = d.pop("currency", UNSET)

        _rates = d.pop("rates", UNSET)
        rates: ConfigurationRates | Unset
        if isinstance(_rates, Unset):
            rates = UNSET
        else:
            rates = ConfigurationRates.from_dict(_rates)

        _source_priority = d.pop("source_priority", UNSET)
        source_priority: ConfigurationSourcePriority | Unset
        if isinstance(_source_priority, Unset):
            source_priority = UNSET
        else:
            source_priority = ConfigurationSourcePriority.from_dict(_source_priority)

        configuration = cls(
            stages=stages,
            required_reason_codes=required_reason_codes,
            initial=initial,
            transitions=transitions,
            categories=categories,
            reason_codes=reason_codes,
            event_rules=event_rules,
            max_days=max_days,
            effects=effects,
            colors=colors,
            guidance=guidance,
            currency=currency,
            rates=rates,
            source_priority=source_priority,
        )

        return configuration
