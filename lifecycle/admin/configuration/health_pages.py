"""What a draft would make of the health of all customers, and what its bands would have said of who churned."""

from typing import Any, Final

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.admin.configuration.judging import look_at_today
from lifecycle.services.configuration.health_preview import (
    BANDS,
    HealthQuestion,
    count_health_changes,
    list_health_changes,
    rename_stages,
)
from lifecycle.services.configuration.plans import complete_renames, judge_plan
from lifecycle.services.insight.health_backtest import HORIZON_DAYS, backtest_health
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import read_configuration
from tenants.rules.configuration.policy import compile_policy
from tenants.services.configuration.versions import list_stages

BAND_LABELS: Final[dict[str, str | Promise]] = {
    "good": gettext_lazy("good"),
    "watch": gettext_lazy("watch"),
    "poor": gettext_lazy("poor"),
    "unknown": gettext_lazy("unknown"),
}


def preview_health(request: HttpRequest, draft: ConfigurationVersion) -> dict[str, Any]:
    """The context of the page: counts, a page of those who change their band, and the past where it is asked for."""
    arguments = service_arguments(request)
    tenant, now = arguments["tenant"], arguments["now"]
    configuration, _findings = read_configuration(draft.document)
    live = look_at_today(tenant).policy
    context: dict[str, Any] = {"draft": draft, "refusal": "", "horizon": HORIZON_DAYS}
    if configuration is None:
        return context | {"refusal": _("The draft has errors: correct them first, then look again.")}
    if live is None:
        return context | {"refusal": _("Nothing is live yet, so there is nothing to compare the draft with.")}
    stages = list_stages(tenant)
    targets, _errors = judge_plan(configuration, renamed=draft.renamed, mapping=draft.mapping, stages=stages)
    renamed = complete_renames(configuration, draft.renamed, stages=stages)
    policy = compile_policy(configuration, version=live.version + 1)
    question = HealthQuestion(live, policy, rename_stages(stages, renamed=renamed, targets=targets))
    asked = request.GET.get("to", "")
    band = asked if asked in BANDS else ""
    changes = count_health_changes(question, tenant=tenant, now=now)
    rows, following = list_health_changes(
        question, tenant=tenant, now=now, band=band, after=request.GET.get("after", "")
    )
    context |= {
        "changes": changes,
        "become_poor": changes.become("poor"),
        "become_good": changes.become("good"),
        "rows": [{"customer": one, "before": _label(one.band_before), "after": _label(one.band_after)} for one in rows],
        "counts": [
            {
                "before": _label(one.before),
                "after": _label(one.after),
                "customers": one.customers,
                "changes": one.before != one.after,
            }
            for one in changes.bands
        ],
        "bands": [("", _("all"), not band), *((one, _label(one), one == band) for one in BANDS)],
        "band": band,
        "following": following,
        "backtest": None,
        "playing": False,
    }
    if "past" in request.GET:
        said = backtest_health(live, policy, question.names, tenant=tenant, now=now)
        if said is None:
            return context | {"playing": True}
        context["backtest"] = said
        context["said"] = [
            {"band": _label(one.band), "one": one, "other": other}
            for one, other in zip(said.live, said.draft, strict=True)
        ]
    return context


def _label(band: str) -> str:
    return str(BAND_LABELS[band])
