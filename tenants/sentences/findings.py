"""Sentences for what is wrong with a configuration, and for what is probably not meant."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from tenants.sentences.health import HEALTH_FINDINGS

_ERRORS: Final[Mapping[str, Any]] = {
    "invalid_color": _("The color must be # and six hexadecimal digits: “#1f6feb”."),
    "invalid_field": _("“%(name)s” is not the name of a field; write for example “open_issues” or “billing.arr”."),
    "invalid_source": _("“%(text)s” is not the name of a source; write for example “/crm” or “/billing/eu-1”."),
    "blank": _("%(subject)s is blank."),
    "boolean_has_no_order": _("Only numbers and texts have an order; true and false have none."),
    "color_not_text": _("The color must be text such as “#1f6feb”, not %(type)s."),
    "control_character": _("%(subject)s “%(text)s” contains the control character %(character)s; remove it."),
    "currency_control_character": _("The currency “%(text)s” contains the control character %(character)s; remove it."),
    "currency_invalid_currency": _("The currency “%(text)s” must be three letters such as EUR."),
    "currency_too_long": ngettext_lazy(
        "The currency “%(text)s” is %(length)s characters long; at most %(most)s fits.",
        "The currency “%(text)s” is %(length)s characters long; at most %(most)s fit.",
        "most",
    ),
    "currency_wrong_type": _("The currency “%(text)s” must be text."),
    "duplicate": _("“%(name)s” is named twice; case makes no difference."),
    "duplicate_currency": _("%(currency)s is named twice; case makes no difference."),
    "duplicate_row": _(
        "Two stages are called “%(name)s”. Give one of them another name: until then the draft cannot be saved."
    ),
    "empty": _("%(subject)s must not be empty. Add at least one, or leave the key out."),
    "exists_not_boolean": _("“exists” takes true or false, not %(type)s."),
    "key_not_object": _("“%(key)s” must be an object, not %(type)s."),
    "line_break": _("%(subject)s must be one line: remove the line break."),
    "malformed_placeholder": _(
        "Only the name of a field goes between “{{” and “}}”, and not “%(text)s”. For two braces write “{{{{”."
    ),
    "missing_currency": _("Exchange rates need “currency”: they say what one unit of another currency is worth in it."),
    "missing_key": _("%(subject)s must have the key “%(key)s”."),
    "missing_to": _("An automation of kind “%(effect_kind)s” must say in “to” whom it is for."),
    "missing_topic": _("An automation of kind “%(effect_kind)s” must say in “topic” what it asks for."),
    "missing_value": _("The condition must have a value to compare “%(field)s” with."),
    "no_stages": _("Add at least one stage."),
    "not_boolean": _("%(subject)s must be true or false, not %(type)s."),
    "not_choice": _("The %(kind)s must be %(choices)s, not %(type)s."),
    "not_email": _("“%(recipient)s” is not an e-mail address; write for example “success@acme.example”."),
    "not_https": _("“%(recipient)s” is not an https address; write for example “https://crm.example/hook”."),
    "not_integer": _("%(subject)s must be a whole number, not %(type)s."),
    "not_list": _("%(subject)s must be a list, not %(type)s."),
    "not_object": _("%(subject)s must be an object, not %(type)s."),
    "not_scalar": _("The value must be a text, a number, true or false, not %(type)s."),
    "not_text": _("%(subject)s must be text, not %(type)s."),
    "number_too_large": _("The value must be within ±%(most)s."),
    "out_of_range": _("%(subject)s must be from %(least)s to %(most)s."),
    "own_currency": _("%(currency)s is the tenant's own currency: its rate is always 1."),
    "rate_not_number": _("An exchange rate must be a number, not %(type)s."),
    "rate_of_no_currency": _("An exchange rate must name its currency."),
    "rate_out_of_range": _("An exchange rate must be greater than 0, and at most %(most)s."),
    "self_transition": _("A stage does not lead to itself; to stay in it is always possible."),
    "surrounding_blanks": _("%(subject)s “%(text)s” begins or ends with a space; remove the space."),
    "too_long": ngettext_lazy(
        "%(subject)s “%(text)s” has %(length)s characters; at most %(most)s is possible.",
        "%(subject)s “%(text)s” has %(length)s characters; at most %(most)s are possible.",
        "most",
    ),
    "too_many": _("%(subject)s must be at most %(most)s, not %(count)s."),
    "too_many_errors": _("More than %(most)s errors; correct these."),
    "too_many_rates": ngettext_lazy(
        "There can be at most %(most)s exchange rate.", "There can be at most %(most)s exchange rates.", "most"
    ),
    "unknown": _("There is no %(kind)s “%(name)s”."),
    "none_chosen": _("No %(kind)s is given; it must be one of %(choices)s."),
    "unknown_choices": _("There is no %(kind)s “%(name)s”; it must be one of %(choices)s."),
    "unknown_placeholder": _("There is no field “%(name)s”. A text can use %(choices)s."),
    "unknown_suggestion": _("There is no %(kind)s “%(name)s”; did you mean “%(suggestion)s”?"),
}
_WARNINGS: Final[Mapping[str, Any]] = {
    "dead_end": _(
        "No transition leads out of “%(stage)s”, and its category is “%(category)s”, not “%(lost_category)s”."
    ),
    "effect_never_starts": _("No change starts this automation: none of its transitions leads from %(origins)s."),
    "effect_without_stage": _("Nothing starts this automation: no stage has the category %(categories)s."),
    "escalates_too_early": _(
        "The alert goes to others after %(after)s minutes, before anyone sees it: it waits %(waits)s minutes itself."
    ),
    "no_lost_stage": _("No stage has the category “%(category)s”: no customer will ever be counted as lost."),
    "no_reason_codes": ngettext_lazy(
        "“%(stage)s” requires a reason but names none: any text of up to %(most)s character works.",
        "“%(stage)s” requires a reason but names none: any text of up to %(most)s characters works.",
        "most",
    ),
    "no_risk_stage": _("No stage has the category “%(category)s”: no customer will ever be listed as at risk."),
    "no_way_out": ngettext_lazy(
        "Customers are expected to leave “%(stage)s” within %(count)s day, but no transition leads out.",
        "Customers are expected to leave “%(stage)s” within %(count)s days, but no transition leads out.",
        "count",
    ),
    "not_a_user": _("“%(recipient)s” has no account here and sees no alerts. Use %(choices)s, or “user:” and a name."),
    "rule_behind_another": _(
        "The rule can never fire: rule %(number)s comes first and fits every event that this one fits."
    ),
    "rule_refused": _("No transition leads to “%(stage)s” from %(closed)s: there the rule is refused."),
    "rule_with_unknown_reason": _("The rule can never fire: “%(reason)s” is not a reason of “%(stage)s”."),
    "rule_without_reason": _("The rule can never fire: “%(stage)s” requires a reason and the rule gives none."),
    "rule_without_transition": _("The rule can never fire: no transition leads from its stages to “%(stage)s”."),
    "template_without_text": _(
        "The name of a template changes nothing in an e-mail: the usual text is sent. Write “subject” and “body”."
    ),
    "unknown_field": _("The event “%(event)s” has no field “%(field)s”."),
    "unknown_recipient": _("There is no recipient “%(recipient)s”. Use %(choices)s, or “user:” and a name."),
    "unknown_source": _("Nothing is reported under “%(source)s”: sources begin with %(choices)s."),
    "unreachable_stage": _("No customer can come from the initial stage to “%(stage)s”: no transitions lead there."),
    "unused_key": _("“%(key)s” is of no use to an automation of kind “%(effect_kind)s”."),
}
_WIDENED: Final[Mapping[str, Any]] = {
    "widened_effect_concerns": _(
        "Any stage at all would start this automation; in the live version it is started by %(concerned_before)s."
        " If that is not meant, choose its stages or categories."
    ),
    "widened_effect_comes_from": _(
        "This automation would be for customers who come from any stage; in the live version, from"
        " %(came_from_before)s. If that is not meant, choose where they come from."
    ),
    "widened_effect_made_by": _(
        "This automation would be started by every change; in the live version, by those that come from"
        " %(made_by_before)s. If that is not meant, choose whose changes start it."
    ),
    "widened_risk_rule_concerns": _(
        "This rule would look at customers in every stage that is not lost; in the live version, at those in"
        " %(looked_at_before)s. If that is not meant, choose its stages or categories."
    ),
}
# Of what becomes of the stages of today: renames, and where their customers go.
_PLANS: Final[Mapping[str, Any]] = {
    "invalid_mapping": _(
        "Give the stage to move to, or an object with “to” and, if a reason is needed, “reason_code”."
    ),
    "mapping_needed": ngettext_lazy(
        "%(count)s customer is in “%(stage)s”: choose their target stage.",
        "%(count)s customers are in “%(stage)s”: choose their target stage.",
        "count",
    ),
    "mapping_of_unknown_stage": _("“%(stage)s” is not a stage of the live version, so no customer can leave it."),
    "name_not_new": _("“%(name)s” is not a stage of the new configuration."),
    "name_not_text": _("This is not a stage of the new configuration."),
    "name_taken": _(
        "“%(name)s” is the name of another stage already. To bring the customers of “%(stage)s” there, let "
        "“%(stage)s” go away and map it to that stage. If that stage goes away and “%(stage)s” takes its name, say in "
        "the mapping where its customers go."
    ),
    "refused_target": _("%(sentence)s"),
    "rename_needed": _("“%(name)s” differs from today's stage “%(stage)s” only in case: rename that one."),
    "renamed_unknown_stage": _("“%(stage)s” is not a stage of the live version."),
}
_RISK_RULES: Final[Mapping[str, Any]] = {
    "figure_needs_number": _("“%(field)s” is a number; give a number to compare it with."),
    "figure_needs_text": _("“%(field)s” is text; give text to compare it with."),
    "risk_rule_without_stage": _("The rule can never fire: it looks at no stage but the one that it leads to."),
    "text_has_no_order": _("“%(field)s” is text: only “eq”, “ne”, “in” and “exists” are possible."),
}
FINDINGS: Final[Mapping[str, Any]] = MappingProxyType(
    {**_ERRORS, **_WARNINGS, **_WIDENED, **_PLANS, **_RISK_RULES, **HEALTH_FINDINGS}
)
