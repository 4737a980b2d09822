"""Why an effect has not run, or not yet: each code in a sentence."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "recall": "Held for ten minutes, so that it can be taken back.",
        "cap": "Held until the next hour: this automation has sent as many as it may in this one.",
        "recipient_cap": "Held until tomorrow: this recipient has received as many as they may in a day.",
        "retry": "The last attempt failed; it is tried again.",
        "no_owner": "The customer has no owner with an account.",
        "no_contact": "The customer has no contact with an e-mail address.",
        "no_user": "There is no active user to reach.",
        "no_endpoint": "There is no endpoint of this name or address. Add it under webhook endpoints.",
        "no_address": "The recipient has no e-mail address any more.",
        "inactive_user": "The recipient's account is not active any more.",
        "no_right": "The recipient may not see customers any more.",
        "own_change": "The recipient made the change.",
        "erased": "The customer was erased.",
        "configuration_lost": "The configuration that started it has no such effect.",
        "interrupted": "Interrupted while the mail server had it: it may have arrived.",
        "no_answer": "The mail server did not confirm it: it may have arrived.",
        "refused": "Refused by the receiver.",
        "gone": "The endpoint answered that it is gone.",
        "endpoint_gone": "The endpoint answered that it is gone, and was switched off.",
        "endpoint_failing": "The endpoint has failed for five days, and was switched off.",
        "endpoint_removed": "The endpoint was removed.",
        "muted": "Muted by the person who made the change; the administration log says why.",
        "undone": "The change was undone.",
        "cancelled": "Cancelled by an admin.",
        "error": "An error of the product; its log says more.",
    }
)


def explain_reason(code: str) -> str:
    """The sentence; the code itself where there is none."""
    return _SENTENCES.get(code, code)
