"""What the rules of a draft would have done: asked for, counted in the background, shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from lifecycle.admin.configuration.gone import draft_gone
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.risk.judging import RuleTally, Tally
from lifecycle.services.risk.past import KNOWN
from lifecycle.services.risk.playing import RuleResult, begin_play, describe_results, find_play
from lifecycle.services.risk.times import as_timestamp
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import InvalidConfiguration, parse_configuration, read_configuration
from tenants.sentences.figures import say_number
from tenants.services.configuration.versions import NoSuchVersion

RULES: Final = "admin:configuration_rules"
HAS_ERRORS: Final = gettext_lazy("The draft has errors: correct them first, then look again.")
_WEEK: Final = 7
_BAR, _STEP, _HEIGHT, _BASE = 22, 26, 70, 84


@dataclass(frozen=True, slots=True)
class Bar:
    """The churns of one week of lead."""

    x: int
    y: int
    height: int
    title: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """One rule with the picture of its leads: a bar a week, the longest lead at the left."""

    result: RuleResult
    bars: Sequence[Bar]
    width: int = (HORIZON_DAYS // _WEEK + 1) * _STEP


def show_rules(request: HttpRequest, draft: ConfigurationVersion) -> HttpResponse | dict[str, Any]:
    """The page; by POST a play is asked for."""
    arguments = service_arguments(request)
    configuration, _findings = read_configuration(draft.document)
    refusal = ""
    if configuration is None:
        refusal = str(HAS_ERRORS)
    elif not configuration.risk_rules:
        refusal = _("The draft has no at-risk rules yet.")
    if request.method == "POST" and not refusal:
        known = request.POST.get("known", "")
        try:
            begin_play(draft, known=known if known in KNOWN else "", **arguments)
        except NoSuchVersion as error:
            raise draft_gone(draft.pk, tenant=arguments["tenant"]) from error
        except InvalidConfiguration:
            # As someone else has saved it between our look and our turn.
            refusal = str(HAS_ERRORS)
        else:
            return HttpResponseRedirect(reverse(RULES, args=[draft.pk]))
    return {"refusal": refusal, **gather_play(draft, arguments["tenant"])}


def gather_play(draft: ConfigurationVersion, tenant: Any) -> dict[str, Any]:
    """The part of the page that is asked for again and again until the play is over."""
    play = find_play(draft.pk, tenant=tenant)
    if play is None:
        return {"draft": draft, "play": None}
    tally = Tally.from_json(play.tally)
    results = describe_results(
        parse_configuration(play.document), tally, since=play.since, until=play.until, managers=play.managers
    )
    first = play.since if tally.since is None else as_timestamp(tally.since)
    return {
        "draft": draft,
        "play": play,
        "is_running": play.finished_at is None,
        "is_of_another": play.revision != draft.revision,
        "churns": tally.churns,
        "first_day": first.date(),
        "last_day": play.until.date(),
        "horizon": HORIZON_DAYS,
        "rules": [Drawn(result, _draw(one)) for result, one in zip(results, tally.rules, strict=True)]
        if play.finished_at is not None
        else [],
    }


def _draw(tally: RuleTally) -> list[Bar]:
    weeks = [0] * (HORIZON_DAYS // _WEEK + 1)
    for days, count in tally.leads.items():
        weeks[days // _WEEK] += count
    most = max(weeks) or 1
    bars = []
    for week, count in enumerate(weeks):
        height = round(_HEIGHT * count / most)
        title = ngettext("%(count)s churn", "%(count)s churns", count) % {"count": say_number(count)}
        said = _("%(first)s to %(last)s days before: %(churns)s") % {
            "first": week * _WEEK,
            "last": week * _WEEK + _WEEK - 1,
            "churns": title,
        }
        bars.append(Bar((len(weeks) - 1 - week) * _STEP + 2, _BASE - height, height, said))
    return bars
