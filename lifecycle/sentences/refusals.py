"""Sentences for why a customer is not moved."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

REFUSALS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "no_such_customer": _("There is no such customer: check the id, and that the customer belongs to this tenant."),
        "may_not_mute": _(
            "Only tenant admins can change a stage without starting its automations. Nothing was saved: change it with"
            " them, or ask a tenant admin."
        ),
        "key_reused": _("This Idempotency-Key was used for another request: use a new key for each request."),
        "key_answer_gone": _(
            "This Idempotency-Key was used, and its answer cannot be read any more: look whether what you asked for has"
            " happened, and use a new key."
        ),
        "view_only": _("You have view-only access. Ask an account manager."),
        "stale_version": _(
            "The customer was just updated by someone else. Your change was not saved: it is at version %(version)s, in"
            " “%(stage)s”, and you expected version %(expected)s."
        ),
        "stale_version_unplaced": _(
            "The customer was just updated by someone else. Your change was not saved: it is at version %(version)s, in"
            " no stage yet, and you expected version %(expected)s."
        ),
        "reconfigured": _(
            "The lifecycle configuration has changed since you opened this. Your change was not saved: review the"
            " options, then try again."
        ),
        "unknown_stage": _("There is no stage “%(name)s”. The stages are %(stages)s."),
        "unknown_stage_suggestion": _(
            "There is no stage “%(name)s”. Did you mean “%(suggestion)s”? The stages are %(stages)s."
        ),
        "stale_event": _(
            "The event of %(effective)s is older than the customer's stage: it has been in “%(stage)s” since"
            " %(entered)s."
        ),
        "stale_event_unplaced": _(
            "The event of %(effective)s is older than the customer's stage: it has been in no stage yet since"
            " %(entered)s."
        ),
        "causation_depth": _(
            "Event rules have moved customers %(most)s times in the chain of causes of this event. The customer stays,"
            " so that no loop goes on; its data was recorded."
        ),
        "no_transition": _("A customer in “%(from)s” cannot be moved to “%(to)s”. Choose one of: %(choices)s."),
        "no_way_out_of": _(
            "A customer in “%(from)s” cannot be moved to “%(to)s”. No transition leads out of this stage."
        ),
        "reason_needed": _("To move a customer to “%(stage)s” you must give a reason. Choose one of: %(choices)s."),
        "any_reason_needed": _(
            "To move a customer to “%(stage)s” you must give a reason. Any text of up to 255 characters works."
        ),
        "unknown_reason": _("“%(reason)s” is not a reason for “%(stage)s”. Choose one of: %(choices)s."),
        "over_budget_by": ngettext_lazy(
            "This would change %(wanted)s customer, and %(left)s of your %(limit)s changes in any hour are left."
            " Nothing was changed.",
            "This would change %(wanted)s customers, and %(left)s of your %(limit)s changes in any hour are left."
            " Nothing was changed.",
            "wanted",
        ),
        "never_room": _("No hour has room for that many: send at most %(limit)s at a time."),
        "room_later": ngettext_lazy("Try again in %(count)s second.", "Try again in %(count)s seconds.", "count"),
        "room_for_fewer": ngettext_lazy(
            "Try again in %(count)s second. Or send fewer.", "Try again in %(count)s seconds. Or send fewer.", "count"
        ),
        "no_such_field": _("There is no field “%(name)s” that could be pinned. The fields are %(names)s."),
        "pin_reason_needed": _(
            "Say in one line of at most %(most)s characters why the field is pinned. Nothing was changed."
        ),
        "pin_until_past": _("A pin must end in the future, or have no end. Nothing was changed."),
        "pin_value": _("%(field)s %(error)s. Nothing was changed."),
        "pin_value_needed": _("%(field)s cannot be empty. Nothing was changed."),
        "not_pinned": _("The field is not pinned. Nothing was changed."),
        "field_changed": _(
            "The field was just changed by someone else, or by one of its sources. Your change was not saved: look at"
            " it, then try again."
        ),
        "field_erased": _("The field was erased with the company's name and takes no value any more."),
        "selection_empty": _("No customers are selected. Nothing was changed: select some, then try again."),
        "selection_too_large": _(
            "More than %(most)s customers match. Nothing was changed: narrow the filters, then try again."
        ),
        "no_such_selection": _("This selection no longer exists. Nothing was changed: select the customers again."),
        "changed_since_selected": _(
            "Someone else has changed the customer since you selected it: it is left as it is now."
        ),
        "none_can_be_moved": _("None of the selected customers can be moved there. Nothing was changed."),
        "not_changed": _("The customer could not be changed: it is left as it is."),
        "unknown_owner": _(
            "There is no active user “%(name)s” here. Nothing was changed: choose someone from the list."
        ),
        "invalid_reason": _("The reason “%(reason)s” %(error)s."),
    }
)
