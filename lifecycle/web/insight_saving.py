"""The save rate as a table: who recovered, by what was done, beside those alike for whom nothing was done."""

from collections.abc import Mapping, Sequence
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.insight.saving import ALIKE, COMPARABLE, NOTHING, RECOVERED, Saved, Share
from lifecycle.services.insight.reading import Stages
from lifecycle.web.insight_tables import Cell, Link, Table, count
from tenants.rules.configuration.categories import LOST, RISK
from tenants.sentences.figures import say_number, say_percent, sign_percent

ACTIONS: Final[Mapping[str, str | Promise]] = {
    NOTHING: gettext_lazy("Nothing"),
    "note": gettext_lazy("A note was written"),
    "task": gettext_lazy("A task was added"),
    "message": gettext_lazy("An automation wrote to the customer"),
    "contact": gettext_lazy("The owner wrote a note or did a task"),
}
# What a list of the customers behind a figure is asked for, and how it is called.
WAYS: Final[Mapping[str, str | Promise]] = {
    **ACTIONS,
    f"{NOTHING} {RECOVERED}": gettext_lazy("Nothing, and they recovered"),
    f"note {RECOVERED}": gettext_lazy("A note was written, and they recovered"),
    f"task {RECOVERED}": gettext_lazy("A task was added, and they recovered"),
    f"message {RECOVERED}": gettext_lazy("An automation wrote to the customer, and they recovered"),
    f"contact {RECOVERED}": gettext_lazy("The owner wrote a note or did a task, and they recovered"),
}
# Those of an action that are compared, and those that they are compared with; of either those that recovered.
_SIDES: Final[Mapping[str, str | Promise]] = {
    COMPARABLE: gettext_lazy("%(done)s (those with customers to compare)"),
    ALIKE: gettext_lazy("Nothing (those like the customers of: %(done)s)"),
}


def say_way(way: str) -> str:
    """The customers that a list of ``rules.insight.saving.WAYS`` has, in words; '' for others."""
    action, *more = way.split(" ")
    if way in WAYS or not more or action not in ACTIONS or action == NOTHING or more[0] not in _SIDES:
        return str(WAYS.get(way, ""))
    done = ACTIONS[action] if len(more) == 1 or more[0] == ALIKE else WAYS[f"{action} {RECOVERED}"]
    said = str(_SIDES[more[0]]) % {"done": done}
    return said if len(more) == 1 or more[0] == COMPARABLE else _("%(done)s, and they recovered") % {"done": said}


def save_table(found: Sequence[Saved], stages: Stages, link: Link) -> Table:
    """A row for each reason and action; those without anything done come first."""
    return Table(
        "save-rate",
        _("At-risk customers that recovered within %(days)s days, by what was done in the first week")
        % {"days": HORIZON_DAYS},
        [
            _("Reason"),
            _("Done in the first week"),
            _("Customers"),
            _("Recovered"),
            _("95% interval"),
            _("With customers to compare"),
            _("Of them recovered"),
            _("Similar, nothing done: recovered"),
            _("95% interval"),
            _("Difference"),
        ],
        [_row(one, stages, link) for one in found],
        note=_(
            "This is not proof of cause: people choose whom they call, and they know more of a customer than is here. "
            "Customers count from the day on which they came to an at-risk stage, if they still were at risk after a "
            "week and %(days)s days are over. They recovered if they left at-risk stages within these days for a stage "
            "that is not lost. Alike are customers of the same reason and stage, and of the same severity when they "
            "came there: none, one or more of a tenth of the revenue overdue, satisfaction below 3, and three open "
            "issues. Their share is weighed as they occur among those to the left. Automations count as long as they "
            "are kept."
        )
        % {"days": HORIZON_DAYS},
    )


def _row(one: Saved, stages: Stages, link: Link) -> list[Cell]:
    asked = {"stage": list(stages.of_category(RISK)), "from_stage": list(stages.of_category(LOST))}
    if one.reason is not None:
        asked["reason"] = one.reason  # type: ignore[assignment]

    def listed(*way: str) -> str:
        return link("saved", way=" ".join(way), **asked)

    compared = [Cell("–"), Cell("–"), Cell("–"), Cell("–")]
    if one.matched is not None and one.alike is not None and one.difference is not None:
        points = round(100 * one.difference)
        compared = [
            _percent(one.matched, listed(one.action, COMPARABLE, RECOVERED)),
            Cell(
                _("%(share)s of %(count)s")
                % {"share": say_percent(one.alike.share), "count": say_number(one.alike.count)},
                listed(one.action, ALIKE),
                f"{100 * one.alike.share:.1f}% ({one.alike.recovered} of {one.alike.count})",
            ),
            _interval(one.alike),
            Cell(f"{points:+d}", plain=f"{100 * one.difference:+.1f}"),
        ]
    is_nothing = one.action == NOTHING
    return [
        Cell(_("All reasons") if one.reason is None else one.reason or _("No reason"), is_number=False, is_head=True),
        Cell(str(ACTIONS[one.action]), is_number=False),
        count(one.all.count, listed(one.action)),
        _percent(one.all, listed(one.action, RECOVERED)),
        _interval(one.all),
        Cell("–") if is_nothing else count(one.comparable, listed(one.action, COMPARABLE)),
        *compared,
    ]


def _percent(share: Share, address: str) -> Cell:
    if not share.count:
        return Cell("–")
    return Cell(
        f"{say_percent(share.share)} ({say_number(share.recovered)})",
        address if share.recovered else "",
        f"{100 * share.share:.0f}% ({share.recovered})",
    )


def _interval(share: Share) -> Cell:
    if not share.count:
        return Cell("–")
    between = f"{100 * share.low:.0f}–{100 * share.high:.0f}"
    return Cell(sign_percent(between), plain=f"{between}%")
