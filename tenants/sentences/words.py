"""Words that sentences about a configuration are made with: of what they speak, of which kind and type it is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from tenants.sentences.health import HEALTH_KINDS, HEALTH_SUBJECTS

SUBJECTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "body": _("The text of the message"),
        "cap": _("The cap an hour"),
        "condition": _("The condition"),
        "conditions": _("The conditions"),
        "configuration": _("The configuration"),
        "days": _("The number of days"),
        "delay": _("The delay in minutes"),
        "effect": _("The automation"),
        "effect_categories": _("The categories of the automation"),
        "effect_from": _("The stages that the automation starts from"),
        "effect_sources": _("The sources of the automation"),
        "effect_stages": _("The stages of the automation"),
        "effects": _("The automations"),
        "enabled": _("“enabled”"),
        "escalation": _("The escalation"),
        "escalation_time": _("The time until the escalation, in minutes,"),
        "event_rule": _("The event rule"),
        "event_rules": _("The event rules"),
        "field": _("The field"),
        "guidance": _("The guidance"),
        "hold": _("The hold in minutes"),
        "name": _("The name"),
        "operator": _("The operator"),
        "rates": _("The exchange rates"),
        "reason": _("The reason"),
        "reasons": _("The reasons"),
        "recipients": _("The recipients"),
        "required": _("The stages that require a reason"),
        "risk_rule": _("The at-risk rule"),
        "risk_rules": _("The at-risk rules"),
        "rule_categories": _("The categories of the rule"),
        "rule_origins": _("The stages of the rule"),
        "rule_stages": _("The stages of the rule"),
        "source": _("The source"),
        "source_priority": _("The order of sources"),
        "sources": _("The sources"),
        "stage": _("The stage"),
        "stages": _("The stages"),
        "subject": _("The subject"),
        "targets": _("The stages it leads to"),
        "template": _("The template"),
        "text": _("The text"),
        "value": _("The value"),
        "values": _("The values"),
        "wait": _("The number of days that the conditions must hold"),
        **HEALTH_SUBJECTS,
    }
)
KINDS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "action": _("action"),
        "category": _("category"),
        "effect_kind": _("kind of automation"),
        "event": _("event"),
        "field": _("field"),
        "key": _("key"),
        "moment": _("moment"),
        "operator": _("operator"),
        "source": _("source"),
        "stage": _("stage"),
        "topic": _("topic"),
        **HEALTH_KINDS,
    }
)
TYPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "false": _("false"),
        "list": _("a list"),
        "null": _("null"),
        "number": _("a number"),
        "object": _("an object"),
        "other": _("something that is not JSON"),
        "text": _("text"),
        "true": _("true"),
    }
)
