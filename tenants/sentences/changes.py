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
_EVENT_RULES: Final[Mapping[str, Any]] = {
    "rule_added": _("New event rule: when %(event)s, customers in %(origins)s move to “%(to)s”."),
    "rule_added_anywhere": _("New event rule: when %(event)s, customers in any stage move to “%(to)s”."),
    "rule_changed": _("The event rule “when %(event)s, move to ‘%(to)s’” is changed: %(keys)s."),
    "rule_removed": _("Event rule removed: when %(event)s, customers in %(origins)s moved to “%(to)s”."),
    "rule_removed_anywhere": _("Event rule removed: when %(event)s, customers in any stage moved to “%(to)s”."),
    "rules_reordered": _("The event rules are tried in another order."),
}
_AUTOMATIONS: Final[Mapping[str, Any]] = {
    "effect_added_enter": _("New automation “%(effect)s”: %(effect_kind)s when a customer enters %(concerned)s."),
    "effect_added_leave": _("New automation “%(effect)s”: %(effect_kind)s when a customer leaves %(concerned)s."),
    "effect_removed": _("The automation “%(effect)s” is removed."),
    "effect_changed": _("The automation “%(effect)s” is changed: %(keys)s."),
    "effect_concerns": _(
        "The automation “%(effect)s” is started by %(concerned)s; before, it was started by %(concerned_before)s."
    ),
    "effect_comes_from": _(
        "The automation “%(effect)s” is for customers who come from %(came_from)s; before, from %(came_from_before)s."
    ),
    "effect_made_by": _(
        "The automation “%(effect)s” is started by changes that come from %(made_by)s; before, from %(made_by_before)s."
    ),
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
    "risk_rule_added": _("New at-risk rule “%(rule)s” for customers in %(looked_at)s, to “%(to)s”."),
    "risk_rule_removed": _("The at-risk rule “%(rule)s” is removed."),
    "risk_rule_changed": _("The at-risk rule “%(rule)s” is changed: %(keys)s."),
    "risk_rule_concerns": _(
        "The at-risk rule “%(rule)s” looks at customers in %(looked_at)s; before, at those in %(looked_at_before)s."
    ),
    "risk_rule_on": _("The at-risk rule “%(rule)s” is switched on."),
    "risk_rule_off": _("The at-risk rule “%(rule)s” is switched off."),
    "risk_rules_reordered": _("The at-risk rules are listed in another order."),
}
# Keys of rules and automations, as the form calls them.
KEYS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "action": _("what it does"),
        "after_minutes": _("the time of the escalation"),
        "body": _("the text"),
        "cap_per_hour": _("the most an hour"),
        "delay_minutes": _("the delay"),
        "escalate": _("the escalation"),
        "for_days": _("how long its conditions must hold"),
        "hold_minutes": _("how long it can be canceled"),
        "kind": _("what it does"),
        "on": _("whether entering or leaving a stage starts it"),
        "reason_code": _("the reason"),
        "subject": _("the subject"),
        "template": _("the template"),
        "to": _("the recipients"),
        "topic": _("the topic"),
        "when": _("its conditions"),
    }
)
# Where a key means another thing in a rule than in an automation.
RULE_KEYS: Final[Mapping[str, Any]] = MappingProxyType({**KEYS, "to": _("the stage that it leads to")})
CHANGES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        **_STAGES,
        **_TRANSITIONS,
        **_EVENT_RULES,
        **_AUTOMATIONS,
        **_MONEY,
        **_SOURCES,
        **_RISK_RULES,
        **HEALTH_CHANGES,
    }
)
