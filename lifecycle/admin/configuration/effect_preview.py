"""What an effect of a draft would say, to whom and when, shown with a customer that there is. Nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import orjson
from django.http import HttpRequest
from django.utils.translation import gettext as _
from uuid_utils.compat import uuid7

from lifecycle.delivery.senders import webhook_body
from lifecycle.models import Customer, CustomerLifecycleStatus
from lifecycle.services.effects.events_out import describe_event
from lifecycle.services.effects.facts import Facts, make_values, read_customers
from lifecycle.services.effects.foreseen import WITH_TEXTS, Possible, Viewer, foresee
from lifecycle.services.effects.queue import Job
from tenants.admin.base import identity_of, service_arguments
from tenants.models import ConfigurationVersion
from tenants.roles import REVEAL_CONTACTS
from tenants.rules.configuration.document import Configuration, Effect, read_configuration
from tenants.rules.effect_texts import render

LONGEST_ID: Final = 150
_BODIES: Final = {"webhook": webhook_body, "event": describe_event}


@dataclass(slots=True)
class Shown:
    """One effect for one customer. ``message``: the JSON that goes out, of kinds for other systems."""

    effect: Effect
    customer: str
    from_stage: str
    to_stage: str
    subject: str = ""
    body: str = ""
    message: str = ""
    recipients: list[Mapping[str, Any]] = field(default_factory=list)


def preview_effect(request: HttpRequest, draft: ConfigurationVersion) -> dict[str, Any]:
    """The context of the page: what to choose from, and what was chosen, as this viewer may see it."""
    configuration, _findings = read_configuration(draft.document)
    effects = configuration.effects if configuration else ()
    name, external_id = request.GET.get("effect", ""), request.GET.get("customer", "").strip()
    effect = next((one for one in effects if one.name == name), effects[0] if effects else None)
    context: dict[str, Any] = {
        "draft": draft,
        "effects": [one.name for one in effects],
        "chosen": effect.name if effect else "",
        "customer": external_id,
        "refusal": "",
    }
    if configuration is None:
        return context | {"refusal": _("The draft has errors: correct them first, then look again.")}
    if effect is None:
        return context | {"refusal": _("The draft has no automations yet.")}
    tenant = service_arguments(request)["tenant"]
    customers = Customer.objects.filter(tenant_id=tenant.id, erased_at=None)
    if external_id:
        customers = customers.filter(external_id=external_id[:LONGEST_ID])
    customer_id = customers.order_by("name_key", "id").values_list("id", flat=True).first()
    if customer_id is None:
        return context | {"refusal": _("There is no such customer: write its ID as in your own systems.")}
    return context | {"shown": _show(request, effect, configuration, customer_id)}


def _show(request: HttpRequest, effect: Effect, configuration: Configuration, customer_id: UUID) -> Shown:
    arguments = service_arguments(request)
    tenant, now = arguments["tenant"], arguments["now"]
    identity = identity_of(request)
    status = CustomerLifecycleStatus.objects.filter(tenant_id=tenant.id, customer_id=customer_id).first()
    from_stage, to_stage = _choose_move(effect, configuration, status.stage if status else "")
    viewer = Viewer(identity.user_id, sees_contacts=identity.may(REVEAL_CONTACTS))
    ((foreseen,),) = foresee(
        customer_id, [Possible(from_stage, to_stage, (effect,))], tenant=tenant, viewer=viewer, now=now
    )
    customer = read_customers(tenant.id, [customer_id])[customer_id]
    values = make_values(
        customer_id, customer, from_stage=from_stage, to_stage=to_stage, reason=_("(the reason)"), changed_at=now
    )
    shown = Shown(effect, customer[0], from_stage, to_stage, recipients=foreseen["recipients"])
    if effect.kind in WITH_TEXTS:
        shown.subject, shown.body = render(effect, {**values, "recipient.name": foreseen["recipient_name"]})
    elif effect.kind in _BODIES:
        job = Job(
            tenant=tenant,
            lane_id=uuid7(),
            token=uuid7(),
            id=uuid7(),
            history_id=uuid7(),
            customer_id=customer_id,
            configuration_version=0,
            effect=effect.name,
            kind=effect.kind,
            recipient=effect.topic or "",
            attempts=1,
            from_stage=from_stage,
            to_stage=to_stage,
            sequence=(status.version if status else 0) + 1,
            changed_at=now,
            effective_at=now,
            changed_by=arguments["actor"].name,
            reason_code="",
            source=effect.sources[0] if effect.sources else "UI",
        )
        body = _BODIES[effect.kind](Facts(job, effect, values))
        shown.message = orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
    return shown


def _choose_move(effect: Effect, configuration: Configuration, stage: str) -> tuple[str, str]:
    """A move that starts the effect: from the stage that the customer is in, if it can be."""
    # One that is switched off concerns no stage: it is shown what it would do if it were on.
    effect = replace(effect, enabled=True)
    concerned = [one for one in configuration.definitions if effect.concerns(one.name, one.category)]
    if effect.on == "leave":
        concerned = [one for one in concerned if effect.begins_with(one.name, None)] or concerned
        left = next((one for one in concerned if one.name == stage), concerned[0] if concerned else None)
        before = left.name if left else stage
        return before, next(iter(left.to), before) if left else stage
    entered = concerned[0].name if concerned else configuration.initial
    origins = effect.from_stages or (stage, *configuration.stages)
    return next((one for one in (stage, *origins) if one in origins and one != entered), stage), entered
