"""The parts of a tenant's health in words: those of the usual formula translated, others as the tenant calls them."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.figures import BALANCE, CSAT, ISSUES, RENEWAL
from lifecycle.rules.health import START
from lifecycle.sentences.fields import FIELD_NAMES
from tenants.rules.configuration.health_formula import USUAL_HEALTH, HealthFormula
from tenants.sentences.figures import say_number

_PARTS: Final[dict[str, str | Promise]] = {
    START: gettext_lazy("Where the score begins"),
    "stage": gettext_lazy("Stage"),
    "overdue_balance": FIELD_NAMES[BALANCE],
    "satisfaction": FIELD_NAMES[CSAT],
    "issues": FIELD_NAMES[ISSUES],
    "time_in_stage": gettext_lazy("Time in this stage"),
    "renewal": FIELD_NAMES[RENEWAL],
}


def name_part(part: str) -> str:
    """The name of a part as it is shown."""
    return str(_PARTS.get(part, part))


def explain_health(formula: HealthFormula) -> str:
    """How the score of a customer comes about, in a sentence or two."""
    if formula == USUAL_HEALTH:
        most = {part.measure: part.most for part in formula.parts}
        risk = dict(formula.parts[0].categories)["risk"]
        return _(
            "100 points minus deductions: an at-risk stage %(risk)s, an overdue balance up to %(arrears)s,"
            " satisfaction up to %(csat)s, open issues up to %(issues)s, days past the target up to %(late)s, a"
            " renewal that is near up to %(renewal)s. A figure that is missing costs nothing."
        ) % {
            "risk": risk,
            "arrears": most["overdue_share"],
            "csat": most["csat"],
            "issues": most["open_issues"],
            "late": most["days_over"],
            "renewal": most["days_to_renewal"],
        }
    parts = _(", ").join(
        _("%(part)s up to %(most)s") % {"part": name_part(part.name), "most": say_number(part.most)}
        for part in formula.parts
        if part.most
    )
    return _(
        "Your company's own formula: %(start)s points less %(parts)s. Good from %(good)s, to be watched from %(watch)s."
    ) % {
        "start": say_number(formula.start),
        "parts": parts or "0",
        "good": say_number(formula.good_from),
        "watch": say_number(formula.watch_from),
    }
