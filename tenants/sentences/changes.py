"""Sentences for what a configuration changes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from tenants.sentences.health import HEALTH_CHANGES

_STAGES: Final[Mapping[str, Any]] = {
    "stage_added": _("Stage “%(stage)s” is added, with the category “%(category)s”."),
    "stage_removed": _("Stage “%(stage)s” is removed."),
    "stage_renamed": _("Stage “%(stage)s” is renamed to “%(to)s”."),
    "stage_replaced": _("Stage “%(stage)s” is removed; another one gets its name."),
    "stages_reordered": _("The order of the stages is now %(stages)s."),
    "initial_changed": _("New customers begin in “%(stage)s” instead of “%(before)s”."),
    "category_changed": _("“%(stage)s” means “%(category)s” instead of “%(category_before)s”."),
    "reason_required": _("“%(stage)s” requires a reason."),
    "reason_not_required": _("“%(stage)s” no longer requires a reason."),
    "reason_codes_changed": _("“%(stage)s” accepts %(reasons)s instead of %(before)s."),
    "any_reason_before": _("“%(stage)s” accepts %(reasons)s instead of any reason."),
    "any_reason_now": _("“%(stage)s” accepts any reason instead of %(before)s."),
    "max_days_changed": _("“%(stage)s” may last at most %(days)s instead of at most %(days_before)s."),
    "any_time_before": _("“%(stage)s” may last at most %(days)s instead of any time."),
    "any_time_now": _("“%(stage)s” may last any time instead of at most %(days_before)s."),
    "color_changed": _("“%(stage)s” has the color %(color)s."),
    "color_of_category": _("“%(stage)s” has the color of its category."),
    "guidance_changed": _("The guidance for “%(stage)s” is changed."),
}
_TRANSITIONS: Final[Mapping[str, Any]] = {
    "transition_added": _("From “%(stage)s” to “%(to)s” becomes possible."),
    "transition_removed": _("From “%(stage)s” to “%(to)s” is no longer possible."),
    "transitions_listed": _("Transitions are listed one by one; before, every stage led to every other."),
    "transitions_opened": _("Every stage leads to every other, including stages added later."),
}
_RULES_AND_EFFECTS: Final[Mapping[str, Any]] = {
    "rule_added": _("The event rule for %(event)s from %(origins)s to “%(to)s” is added."),
    "rule_added_anywhere": _("The event rule for %(event)s from any stage to “%(to)s” is added."),
    "rule_removed": _("The event rule for %(event)s from %(origins)s to “%(to)s” is removed."),
    "rule_removed_anywhere": _("The event rule for %(event)s from any stage to “%(to)s” is removed."),
    "rules_reordered": _("The event rules are tried in another order."),
    "effect_added": _("The automation “%(effect)s” (%(effect_kind)s) is added."),
    "effect_removed": _("The automation “%(effect)s” is removed."),
    "effect_changed": _("The automation “%(effect)s” is changed: %(keys)s."),
    "effect_disabled": _("The automation “%(effect)s” is switched off."),
    "effect_enabled": _("The automation “%(effect)s” is switched on."),
    "effects_reordered": _("The automations are listed in another order."),
}
_MONEY: Final[Mapping[str, Any]] = {
    "currency_set": _("Customers are ranked in %(currency)s."),
    "currency_removed": _("Customers are no longer ranked in a currency of the tenant's own."),
    "rate_set": _("1 %(currency)s counts as %(rate)s %(own)s."),
    "rate_removed": _("The exchange rate of %(currency)s is removed."),
}
_SOURCES: Final[Mapping[str, Any]] = {
    "source_priority_changed": _("For “%(path)s” the sources go in this order: %(sources)s."),
    "source_priority_removed": _("For “%(path)s” no source goes before another: the newest report counts."),
}
_RISK_RULES: Final[Mapping[str, Any]] = {
    "risk_rule_added": _("The at-risk rule “%(rule)s” (to “%(to)s”) is added."),
    "risk_rule_removed": _("The at-risk rule “%(rule)s” is removed."),
    "risk_rule_changed": _("The at-risk rule “%(rule)s” is changed: %(keys)s."),
    "risk_rule_on": _("The at-risk rule “%(rule)s” is switched on."),
    "risk_rule_off": _("The at-risk rule “%(rule)s” is switched off."),
    "risk_rules_reordered": _("The at-risk rules are listed in another order."),
}
CHANGES: Final[Mapping[str, Any]] = MappingProxyType(
    {**_STAGES, **_TRANSITIONS, **_RULES_AND_EFFECTS, **_MONEY, **_SOURCES, **_RISK_RULES, **HEALTH_CHANGES}
)
