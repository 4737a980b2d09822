"""Being at risk as tables: who came there and why, how it ended, what was done until then, and where they went."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.services.insight.at_risk import AtRisk
from lifecycle.services.insight.reading import Moved, Stages
from lifecycle.web.insight_tables import Cell, Link, Table, count, head
from tenants.rules.configuration.categories import LOST, RISK

# What is counted, as a column and in the sentence of its list.
WAYS: Final[Mapping[str, str | Promise]] = {
    "all": gettext_lazy("Became at risk"),
    "open": gettext_lazy("Still at risk"),
    "recovered": gettext_lazy("Recovered"),
    "lost": gettext_lazy("Lost"),
    "published": gettext_lazy("Moved by a publication"),
    "nothing": gettext_lazy("Nothing done"),
    "note": gettext_lazy("Note written"),
    "task": gettext_lazy("Task added"),
    "message": gettext_lazy("Automation wrote to the customer"),
    "contact": gettext_lazy("Owner wrote a note or did a task"),
}


def at_risk_table(found: Sequence[AtRisk], stages: Stages, link: Link) -> Table:
    """A row for each reason for which customers came to be at risk; all reasons come first."""
    asked = {"stage": list(stages.of_category(RISK)), "from_stage": list(stages.of_category(LOST))}
    rows = []
    for one in found:
        of = asked if one.reason is None else asked | {"reason": one.reason}
        name = _("All reasons") if one.reason is None else one.reason or _("No reason")
        rows.append([head(name), *(count(one.counts[way], link("at_risk", way=way, **of)) for way in WAYS)])
    return Table(
        "risk-by-reason",
        _("Customers that became at risk, by reason: how it ended, and what was done while they were at risk"),
        [_("Reason"), *map(str, WAYS.values())],
        rows,
        note=_(
            "A customer counts each time it comes to an at-risk stage from another one. Still at risk, recovered, lost "
            "and moved by a publication add up to those that came. More than one thing may have been done. Automations "
            "count as long as they are kept."
        ),
    )


def move_tables(moves: Sequence[Moved], stages: Stages, link: Link) -> list[Table]:
    """Who came into stages of risk and why, and where they went from there."""
    risk = set(stages.of_category(RISK))
    came = [one for one in moves if one.to_stage in risk]
    left = [one for one in moves if one.from_stage in risk]

    def rows(of: Sequence[Moved]) -> list[list[Cell]]:
        return [
            [
                head(one.reason_code or _("No reason")),
                Cell(stages.name(one.from_stage) or _("New customers"), is_number=False, stage=bool(one.from_stage)),
                Cell(stages.name(one.to_stage), is_number=False, stage=True),
                count(
                    one.count,
                    link("moves", stage=[one.to_stage], from_stage=[one.from_stage], reason=one.reason_code),
                ),
            ]
            for one in of
        ]

    heads = [_("Reason"), _("From"), _("To"), _("Moves")]
    return [
        Table("into-risk", _("Entered an at-risk stage"), heads, rows(came)),
        Table("out-of-risk", _("Left an at-risk stage"), heads, rows(left)),
    ]
