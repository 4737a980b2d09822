"""Sentences about a configuration for those who fill in its form, where they differ from those about the JSON.

The JSON has keys and quotes its words; a form has fields, boxes and lists, and says what to choose or to fill in.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

# Keys of the JSON -> what their fields are called in the form, as it is quoted.
FORM_FIELDS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "body": _("Text"),
        "cap_per_hour": _("Most an hour"),
        "delay_minutes": _("Delay in minutes"),
        "escalate": _("if no one acknowledges the alert, send it also to"),
        "hold_minutes": _("Can be canceled for (minutes)"),
        "subject": pgettext_lazy("of an email", "Subject"),
        "template": _("Template"),
        "to": _("Recipients, one per line"),
        "topic": _("Topic"),
    }
)
# The same of the parts of health.
HEALTH_FIELDS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "categories": _("Points by category"),
        "from": _("nothing at"),
        "if_missing": _("Points where it is not known"),
        "points": _("Takes up to (points)"),
        "steps": _("or in steps, one a line: the first that holds counts"),
        "to": _("all of them at"),
        "weight": _("Weight: how much of the data it stands for"),
    }
)
IN_FORM: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "bands_crossed": _("The lowest score to be watched must be less than the lowest good one, which is %(good)s."),
        "bounds_equal": _("“nothing at” and “all of them at” must differ: the points grow evenly between them."),
        "empty": _("%(subject)s: choose or enter at least one."),
        "empty_effect_stages": _("Choose at least one stage or category, or mark “any stage at all”."),
        "empty_rule_origins": _("Choose at least one stage, or mark “any stage”."),
        "empty_rule_stages": _(
            "Choose at least one stage or category, or mark “for customers in every stage that is not lost”."
        ),
        "invalid_color": _("The color must be # and six hexadecimal digits, such as #1f6feb."),
        "invalid_mapping": _("Choose the stage to move the customers to."),
        "key_of_other_measure": _("“%(key)s” cannot be used with “%(measure)s”: empty the field."),
        "mapping_of_unknown_stage": _("“%(stage)s” is no stage of today, so no customer can leave it."),
        "measure_never_missing": _("“%(measure)s” is known of every customer: empty “Points where it is not known”."),
        "missing_currency": _(
            "Choose your currency: exchange rates say what one unit of another currency is worth in it."
        ),
        "missing_key": _("%(subject)s is not complete: fill in “%(key)s”."),
        "missing_to": _("Enter at least one recipient: “%(effect_kind)s” needs one."),
        "missing_topic": _("Choose a topic: “%(effect_kind)s” needs one."),
        "missing_value": _("Enter the value that “%(field)s” is compared with."),
        "name_taken": _(
            "“%(name)s” is the name of another stage already. To bring the customers of “%(stage)s” there, remove"
            " the row of “%(stage)s” and choose “%(name)s” under “Removed stages”. If that stage is removed and"
            " “%(stage)s” takes its name, choose there where its customers go."
        ),
        "never_poor": _(
            "No customer's health can be poor: the lowest score is %(lowest)s, and it is watched from %(watch)s on."
        ),
        "not_boolean": _("%(subject)s: choose yes or no."),
        "not_integer": _("%(subject)s must be a whole number."),
        "one_bound": _("Begin each step with >= or <= and a number."),
        "rate_not_number": _("Write a currency and a number on each line, such as USD 0.92."),
        "rate_of_no_currency": _("Write a currency and a number on each line, such as USD 0.92."),
        "rename_needed": _(
            "“%(name)s” differs from today's stage “%(stage)s” only in case: rename that stage in its own row instead."
        ),
        "steps_or_points": _("Fill in either steps, or the points with “nothing at” and “all of them at”."),
        "template_without_text": _(
            "A template changes nothing in an e-mail: the usual text is sent. Fill in “Subject” and “Text”."
        ),
        "text_has_no_order": _("“%(field)s” is text: only “is”, “is not”, “is one of” and “is known” are possible."),
        "too_many": ngettext_lazy(
            "%(subject)s: at most %(most)s is possible, and there are %(count)s.",
            "%(subject)s: at most %(most)s are possible, and there are %(count)s.",
            "most",
        ),
        "unused_key": _("“%(key)s” is of no use with “%(effect_kind)s”: empty the field."),
    }
)
