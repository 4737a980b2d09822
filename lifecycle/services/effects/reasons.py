"""Why an effect has not run, or not yet: each code in a sentence."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_SENTENCES: Final[Mapping[str, str | Promise]] = MappingProxyType(
    {
        "recall": _("Held for a while, so that it can be taken back."),
        "delayed": _("It runs later, if the customer is still there."),
        "cap": _("Held until the next hour: this automation has sent as many as it may in this one."),
        "recipient_cap": _("Held until tomorrow: this recipient has received as many as they may in a day."),
        "paused": _("Paused by an admin."),
        "breaker": _("Paused: far more was started than usual. An admin has to resume it."),
        "retry": _("The last attempt failed; it is tried again."),
        "given_up": _("Each attempt failed; it is not tried again by itself."),
        "no_owner": _("The customer has no owner with an account."),
        "no_contact": _("The customer has no contact with an e-mail address."),
        "no_user": _("There is no active user to reach."),
        "no_endpoint": _("There is no endpoint of this name or address. Add it under webhook endpoints."),
        "no_address": _("The recipient has no e-mail address any more."),
        "inactive_user": _("The recipient's account is not active any more."),
        "no_right": _("The recipient may not see customers any more."),
        "other_role": _("The recipient is not the customer's owner, or does not have the role, that it was for."),
        "preference_off": _("The recipient has turned alerts off."),
        "no_digest": _("The recipient wants no digest any more; its alerts are under their notifications."),
        "all_read": _("The recipient has already read all of it."),
        "acknowledged": _("Someone had acknowledged the alert."),
        "left_stage": _("The customer had moved on."),
        "own_change": _("The recipient made the change."),
        "erased": _("The customer was erased."),
        "configuration_lost": _("The configuration that started it has no such automation."),
        "interrupted": _("Interrupted while the mail server had it: it may have arrived."),
        "no_answer": _("The mail server did not confirm it: it may have arrived."),
        "refused": _("Refused by the receiver."),
        "not_sent": _("It could not be sent; the last attempt says why."),
        "gone": _("The endpoint answered that it is gone."),
        "endpoint_gone": _("The endpoint answered that it is gone, and was switched off."),
        "endpoint_failing": _("The endpoint has failed for five days, and was switched off."),
        "endpoint_removed": _("The endpoint was removed."),
        "sandbox": _("This is a sandbox: only webhooks and mail to its own people are sent."),
        "muted": _("Muted by the person who made the change; the administration log says why."),
        "undone": _("The change was undone."),
        "cancelled": _("Canceled by an admin."),
        "error": _("An error of the product; its log says more."),
    }
)


def explain_reason(code: str) -> str:
    """The sentence; the code itself where there is none."""
    return str(_SENTENCES.get(code, code))
