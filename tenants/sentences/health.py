"""Sentences for how a tenant's health is made: what is wrong with it, what is probably not meant, what changes."""

from collections.abc import Mapping
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

HEALTH_FINDINGS: Final[Mapping[str, Any]] = {
    "bands_crossed": _("“watch_from” must be less than “good_from”, which is %(good)s."),
    "bound_not_number": _("The bound must be a number, not %(type)s."),
    "bounds_equal": _("“from” and “to” must differ: the points grow evenly from one to the other."),
    "key_of_other_measure": _("“%(key)s” cannot be used with the measure “%(measure)s”."),
    "measure_never_missing": _("“%(measure)s” is known of every customer: leave “if_missing” out."),
    "one_bound": _("A step must have either “at_least” or “at_most”."),
    "steps_or_points": _("A part has either “steps”, or “points” with “from” and “to”."),
    "never_poor": _("No customer's health can be poor: the lowest score is %(lowest)s, and “watch_from” is %(watch)s."),
    "no_expected_days": _("“%(name)s” takes nothing: no stage has a number of days expected at most."),
    "part_takes_nothing": _("“%(name)s” takes nothing from any customer, and gives nothing."),
    "step_behind_another": _("The step can never count: one before it holds wherever this one does."),
}
HEALTH_CHANGES: Final[Mapping[str, Any]] = {
    "health_bands": _("Health is good from %(good)s and to be watched from %(watch)s."),
    "health_start": _("The health of a customer begins at %(start)s instead of %(before)s."),
    "health_part_added": _("Health has a new part, “%(part)s” (%(measure)s), which takes up to %(most)s points."),
    "health_part_removed": _("“%(part)s” is no longer a part of health."),
    "health_part_changed": _("The part “%(part)s” of health is changed: %(measure)s takes up to %(most)s points."),
    "health_parts_reordered": _("The parts of health are listed in another order."),
}
HEALTH_SUBJECTS: Final[Mapping[str, Any]] = {
    "health": _("“health”"),
    "health_start": _("The score that health begins with"),
    "health_good_from": _("The lowest score that is good"),
    "health_watch_from": _("The lowest score that is to be watched"),
    "health_part": _("The part of health"),
    "health_parts": _("The parts of health"),
    "health_points": _("The number of points"),
    "health_if_missing": _("The points where nothing is known"),
    "health_weight": _("The weight"),
    "health_step": _("The step"),
    "health_steps": _("The steps"),
    "health_categories": _("The categories of the part"),
}
HEALTH_KINDS: Final[Mapping[str, Any]] = {"measure": _("measure")}
