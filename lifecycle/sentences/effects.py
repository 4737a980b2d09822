"""Sentences for why an effect, an endpoint or a preference is not changed, and where webhooks may not go."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

EFFECTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "choose_one_of": _("Choose one of: %(choices)s."),
        "no_time_zone": _("Choose the name of a time zone, such as Europe/Berlin or America/New_York."),
        "no_such_effect": _("There is no such automation."),
        "no_such_automation": _("There is no automation “%(name)s”: check its name. Nothing was changed."),
        "no_such_endpoint": _("There is no endpoint “%(name)s”. Nothing was changed."),
        "not_replayed_together": _("Only failed and held automations can be replayed together."),
        "nothing_to_cancel": _("This automation is %(state)s: only what is held or due can be canceled."),
        "nothing_to_replay": _("This automation is %(state)s: there is nothing to replay."),
        "endpoint_exists": _("There is already an endpoint with this name. Nothing was saved."),
        "too_many_endpoints": _("There can be at most %(most)s endpoints. Nothing was saved: remove one first."),
        "url_too_long": _("The URL has %(length)s characters; at most %(most)s are possible."),
        "url_not_https": _("The URL must begin with https://."),
        "url_port_impossible": _("The URL's port is %(port)s; ports are from 1 to 65535."),
        "url_port_unusual": _("The URL's port is %(port)s; webhooks go to port 443 or 8443."),
        "url_host_local": _("%(host)s is a name of a local network; webhooks go to public names only."),
        "url_not_public": _("%(host)s is not on the public Internet; webhooks go to public addresses only."),
        "url_host_unusual": _("%(host)s is neither a name nor an address in its usual form, such as 192.0.2.1."),
        "url_host_malformed": _("The URL's host is not a valid name: letters, digits, hyphens and single dots only."),
        "url_not_ascii": _(
            "The URL has characters outside ASCII. Write the name in its xn-- form and the rest percent-encoded."
        ),
        "url_with_space": _("The URL contains a space or a control character."),
        "url_with_backslash": _("The URL contains a backslash; write slashes."),
        "url_with_user": _("The URL contains a user name or password; leave them out. Deliveries are signed instead."),
        "url_with_fragment": _("The URL contains a fragment (#); leave it out."),
        "url_malformed": _("This is not a valid URL, such as https://example.com/hooks."),
        "breaker_opened": _(
            "More automations than usual: %(last_hour)s started in the last hour, and the busiest hour of the last"
            " %(span)s days had %(usual)s. They are paused until an admin resumes them."
        ),
        "switched_off_gone": _(
            "The webhook endpoint “%(name)s” answered that it is gone, and was switched off. What is due for it waits"
            " until an admin resumes it."
        ),
        "switched_off_failing": _(
            "The webhook endpoint “%(name)s” has failed for five days, and was switched off. What is due for it waits"
            " until an admin resumes it."
        ),
        "replay_effects_not_agreed": _(
            "More of “%(effect)s” would start than was named. The replay stopped before that: what was replayed stays,"
            " and the other dead letters are still open. Look again what would start."
        ),
        "samples_are_being_sent": _("Other samples are being sent. Nothing was sent: try again in ten seconds."),
    }
)
