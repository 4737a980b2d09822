"""Automations and at-risk rules that a configuration makes more general than they are: seldom meant, easily done."""

from collections.abc import Iterable

from tenants.rules.configuration.definitions import Configuration
from tenants.rules.configuration.diff import (
    EFFECT_COMES_FROM,
    EFFECT_CONCERNS,
    EFFECT_MADE_BY,
    RISK_RULE_CONCERNS,
    ConfigurationChange,
)
from tenants.rules.configuration.errors import WARNING, Finding, point


def warn_of_widening(changes: Iterable[ConfigurationChange], configuration: Configuration) -> list[Finding]:
    """A warning at each automation or rule that was about some customers and is about all with ``configuration``.

    ``changes``: what differs in it from what is live.
    """
    effects = {effect.name: index for index, effect in enumerate(configuration.effects)}
    rules = {rule.name: index for index, rule in enumerate(configuration.risk_rules)}
    found = []
    for change in changes:
        params = change.params
        if change.message == EFFECT_CONCERNS and not any(params["concerned"].values()):
            place: tuple[str | int, ...] = ("effects", effects[params["effect"]], "stages")
        elif change.message == EFFECT_COMES_FROM and not params["came_from"]:
            place = "effects", effects[params["effect"]], "from"
        elif change.message == EFFECT_MADE_BY and not params["made_by"]:
            place = "effects", effects[params["effect"]], "sources"
        elif change.message == RISK_RULE_CONCERNS and not any(params["looked_at"].values()):
            place = "risk_rules", rules[params["rule"]], "stages"
        else:
            continue
        found.append(Finding(point(*place), "widened", f"widened_{change.message}", params, WARNING))
    return found
