"""What a draft would make of the health of all customers, and what its bands would have said of who churned."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.admin.configuration.gone import draft_gone
from lifecycle.admin.configuration.judging import read_live_state
from lifecycle.admin.configuration.rule_play import HAS_ERRORS
from lifecycle.rules.health import BANDS
from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.services.configuration.health_preview import (
    HealthQuestion,
    ask_of_draft,
    count_health_changes,
    list_health_changes,
)
from lifecycle.services.insight.health_plays import begin_health_play, describe_health_play, find_health_play
from tenants.actors import TenantRef
from tenants.admin.base import service_arguments
from tenants.models import ConfigurationVersion
from tenants.rules.configuration.document import InvalidConfiguration
from tenants.services.configuration.versions import NoSuchVersion

HEALTH: Final = "admin:configuration_health"
BAND_LABELS: Final[dict[str, str | Promise]] = {
    "good": gettext_lazy("good"),
    "watch": gettext_lazy("watch"),
    "poor": gettext_lazy("poor"),
    "unknown": gettext_lazy("unknown"),
}


def preview_health(request: HttpRequest, draft: ConfigurationVersion) -> HttpResponse | dict[str, Any]:
    """The context of the page: counts, a page of those who change their band, and what was played over the past.

    By POST a play is asked for.
    """
    arguments = service_arguments(request)
    tenant, now = arguments["tenant"], arguments["now"]
    question, refusal = _ask(draft, tenant)
    if question is None:
        return {"draft": draft, "refusal": refusal}
    if request.method == "POST":
        try:
            begin_health_play(draft, live=question.live, names=question.names, **arguments)
        except NoSuchVersion as error:
            raise draft_gone(draft.pk, tenant=arguments["tenant"]) from error
        except InvalidConfiguration:
            # As someone else has saved it between our look and our turn.
            return {"draft": draft, "refusal": str(HAS_ERRORS)}
        return HttpResponseRedirect(f"{reverse(HEALTH, args=[draft.pk])}#past-heading")
    asked = request.GET.get("to", "")
    band = asked if asked in BANDS else ""
    changes = count_health_changes(question, tenant=tenant, now=now)
    rows, following = list_health_changes(
        question, tenant=tenant, now=now, band=band, after=request.GET.get("after", "")
    )
    return {
        "draft": draft,
        "refusal": "",
        "horizon": HORIZON_DAYS,
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
        **gather_health_play(draft, tenant, live_version=question.live.version),
    }


def gather_health_play(draft: ConfigurationVersion, tenant: Any, *, live_version: int | None = None) -> dict[str, Any]:
    """The part of the page that is asked for again and again until the play is over.

    ``live_version``: the one that is live, where it is known.
    """
    play = find_health_play(draft.pk, tenant=tenant)
    if play is None:
        return {"draft": draft, "play": None}
    said = describe_health_play(play)
    version = read_live_state(tenant).number if live_version is None else live_version
    return {
        "draft": draft,
        "play": play,
        "is_running": play.finished_at is None,
        "is_of_another": (play.revision, play.live_version) != (draft.revision, version),
        "landmarks": said.landmarks,
        "said": [
            {"band": _label(one.band), "one": one, "other": other}
            for one, other in zip(said.live, said.draft, strict=True)
        ],
    }


def _ask(draft: ConfigurationVersion, tenant: TenantRef) -> tuple[HealthQuestion | None, str]:
    """The draft beside what is live, or why there is nothing to compare."""
    live = read_live_state(tenant).policy
    if live is None:
        return None, _("Nothing is live yet, so there is nothing to compare the draft with.")
    question = ask_of_draft(draft, live=live, tenant=tenant)
    return question, "" if question else str(HAS_ERRORS)


def _label(band: str) -> str:
    return str(BAND_LABELS[band])
