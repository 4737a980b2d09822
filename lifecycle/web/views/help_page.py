"""Help inside the pages: the tenant's stages, what each role may do, and what each term means."""

from collections.abc import Sequence
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from lifecycle.rules.horizon import HORIZON_DAYS
from lifecycle.rules.urgency import HALF_TIME_DAYS, LEAST_RISK
from lifecycle.sentences.health import explain_health
from lifecycle.web.pages import page
from lifecycle.web.stage_colors import stage_colors
from tenants.pages import TenantRequest
from tenants.roles import (
    CONFIGURE_STAGES,
    MANAGE_PEOPLE,
    MUTE_EFFECTS,
    PERMISSIONS,
    REVEAL_CONTACTS,
    ROLE_PERMISSIONS,
    UPDATE_LIFECYCLE,
    VIEW_HISTORY,
    VIEW_LIFECYCLE,
    Role,
)
from tenants.rules.configuration.health_formula import USUAL_HEALTH, HealthFormula
from tenants.rules.configuration.policy import Policy
from tenants.rules.money import Exchange
from tenants.sentences.categories import CATEGORY_LABELS
from tenants.services.configuration.policies import NoConfiguration, live_policy

# What a permission lets a person do, as they would say it.
RIGHTS: Final[dict[str, str | Promise]] = {
    VIEW_LIFECYCLE: gettext_lazy("See customers, their stage, figures and renewals; snooze calls; save views"),
    UPDATE_LIFECYCLE: gettext_lazy("Change stages and owners, write notes and tasks, share views"),
    VIEW_HISTORY: gettext_lazy("See who changed what, notes and tasks"),
    REVEAL_CONTACTS: gettext_lazy("See e-mail addresses and phone numbers of contacts, which is recorded"),
    CONFIGURE_STAGES: gettext_lazy("Configure the lifecycle, import customers, lock shared views"),
    MUTE_EFFECTS: gettext_lazy("Change a stage without starting its automations"),
    MANAGE_PEOPLE: gettext_lazy("Invite people, give them roles, deactivate them"),
}
# Those of a tenant; internal staff reads no help.
ROLES: Final = (Role.VIEWER, Role.ACCOUNT_MANAGER, Role.TENANT_ADMIN)


@page(VIEW_LIFECYCLE)
def show_help(request: TenantRequest) -> HttpResponse:
    """The page, in the words of the tenant's own configuration, where it has published one. No statement of its own."""
    policy: Policy | None
    try:
        policy = live_policy(request.tenant.id)
    except NoConfiguration:
        policy = None
    context = {
        "stages": _describe_stages(policy) if policy else [],
        "is_published": policy is not None,
        "may_configure": request.identity.may(CONFIGURE_STAGES),
        "roles": [str(role.label) for role in ROLES],
        "rights": _describe_rights(),
        "terms": _list_terms(policy.health, policy.exchange) if policy else _list_terms(USUAL_HEALTH, Exchange()),
        "stage_colors": stage_colors(policy) if policy else {},
    }
    return render(request, "help.html", context)


def _describe_stages(policy: Policy) -> list[dict[str, Any]]:
    return [
        {
            "name": stage,
            "category": CATEGORY_LABELS[policy.category(stage)],
            "max_days": policy.max_days(stage),
            "guidance": policy.guidance(stage),
            "following": policy.allowed_from(stage),
            "reasons": policy.reason_codes(stage) or (),
        }
        for stage in policy.stages
    ]


def _describe_rights() -> list[tuple[str, Sequence[tuple[str, bool]]]]:
    """Each right with the roles, and whether they have it."""
    return [
        (str(RIGHTS[permission]), [(str(role.label), permission in ROLE_PERMISSIONS[role]) for role in ROLES])
        for permission in PERMISSIONS
    ]


def _list_terms(health: HealthFormula, exchange: Exchange) -> list[tuple[str, str]]:
    """What is shown on the pages, from the most used on. Numbers are those that the formulas have."""
    stake = {"least": round(LEAST_RISK), "half": round(HALF_TIME_DAYS), "currency": exchange.own}
    return [
        (
            _("Stage"),
            _(
                "Where a customer is in its lifecycle. Your company names the stages and decides which may follow"
                " which."
            ),
        ),
        (
            _("Category"),
            _("What kind of stage it is, whatever it is called: “at risk” on the home page is a category."),
        ),
        (
            _("Days in stage"),
            _("Since the customer entered it. A customer is stuck past the expected days of the stage."),
        ),
        (_("Health"), explain_health(health)),
        (
            _("At stake"),
            _(
                "The annual revenue, times the risk (%(least)s%% at health 100, all of it at health 0), times how soon"
                " the renewal is (half at %(half)s days). Customers are compared in %(currency)s. “Most urgent first”"
                " sorts by it."
            )
            % stake,
        ),
        (_("ARR"), _("Annual recurring revenue, as Billing reports it.")),
        (_("CSAT"), _("Customer satisfaction from 0 to 5, as Support reports it.")),
        (
            _("Overdue"),
            _(
                "A task or a renewal whose day is past, by the time zone in your settings. Health and what is at stake"
                " are the same for everyone: they go by the day in UTC."
            ),
        ),
        (_("Reason"), _("Why a customer was moved. Some stages cannot be entered without one.")),
        (_("Effect"), _("What a change of the stage starts by itself: a mail, an alert, a call of another system.")),
        (
            _("At-risk rule"),
            _(
                "Conditions that your company chose, for example a figure that has been low for 14 days. When they have"
                " held for so long, the rule proposes an at-risk stage, or moves the customer there by itself."
            ),
        ),
        (
            _("Proposal"),
            _(
                "A move that an at-risk rule suggests. Accept it in the dialog in which stages are changed, or dismiss"
                " it with a reason: it comes back only after its conditions no longer held and hold again."
            ),
        ),
        (
            _("Forecast"),
            _(
                "How likely a customer is to be lost within %(days)s days, learned from your own customers. It is shown"
                " only where it has proved better than stage and time in stage alone. It compares with a typical"
                " customer and proves no cause."
            )
            % {"days": HORIZON_DAYS},
        ),
        (
            _("Save rate"),
            _(
                "Of the customers that became at risk, the share that left it again within %(days)s days without"
                " being lost, by what was done in the first week, beside similar customers for whom nothing was done."
            )
            % {"days": HORIZON_DAYS},
        ),
        (
            _("Snooze"),
            _("A customer leaves your own list until a day or until something changes. Others still see it."),
        ),
        (_("Team"), _("People that a tenant admin has put together: “my team's” on the home page.")),
    ]
