"""The caller's own notifications."""

from typing import ClassVar

from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import effect_responses as responses
from lifecycle.api import effect_schema as schema
from lifecycle.api.effect_serializers import PreferenceSerializer
from lifecycle.api.filters import read_limit, refuse_choice, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.paging import PAGING, encode_before_id, read_before_id, surround
from lifecycle.api.viewsets.effects import read_id
from lifecycle.api.viewsets.tenant import TenantViewSet
from lifecycle.services.effects.notifications import (
    count_notifications,
    count_unread,
    list_notifications,
    mark_all_read,
    mark_read,
)
from lifecycle.services.effects.preferences import Preference, PreferenceRefused, read_preference, set_preference
from tenants.refusals import RequestRefused
from tenants.roles import VIEW_LIFECYCLE


class NotificationViewSet(TenantViewSet):
    """``/notifications``: no one sees those of another person."""

    required_permissions: ClassVar[dict[str, str]] = dict.fromkeys(
        ("list", "read", "read_all", "acknowledge", "preferences", "set_preferences"), VIEW_LIFECYCLE
    )

    @schema.LIST_NOTIFICATIONS
    def list(self, request: Request) -> Response:
        """The caller's notifications, the latest first."""
        parameters = request.query_params
        refuse_unknown_parameters(parameters, ("unread", *PAGING))
        if parameters.get("unread", "false") not in ("true", "false"):
            raise refuse_choice("unread", ("true", "false"))
        limit, unread = read_limit(parameters), parameters.get("unread") == "true"
        question = f"notifications|{self.identity.user_id}|{unread}".encode()
        rows = list_notifications(
            self.identity.user_id,
            tenant=self.tenant,
            unread=unread,
            before=read_before_id(parameters, question),
            limit=limit + 1,
        )
        last = rows[limit - 1].id if len(rows) > limit else None
        body = {
            "unread": count_unread(self.identity.user_id, tenant=self.tenant),
            "results": [responses.NotificationResponse.render_row(row) for row in rows[:limit]],
            **surround(
                request,
                encode_before_id(last, question),
                count=lambda: count_notifications(self.identity.user_id, tenant=self.tenant, unread=unread),
            ),
        }
        return Response(responses.NotificationPageResponse.render(body))

    @schema.READ_NOTIFICATION
    def read(self, request: Request, notification_id: str) -> Response:
        """Note that the caller has read it."""
        return self._mark(notification_id, acknowledge=False)

    @schema.READ_NOTIFICATIONS
    def read_all(self, request: Request) -> Response:
        """Note that the caller has read all that are shown to them."""
        count = mark_all_read(self.identity.user_id, tenant=self.tenant, now=timezone.now())
        return Response(responses.ReadResponse.render({"read": count}))

    @schema.GET_PREFERENCES
    def preferences(self, request: Request) -> Response:
        """How the caller hears of alerts."""
        refuse_unknown_parameters(request.query_params, ())
        return _describe(read_preference(self.identity.user_id, tenant=self.tenant))

    @schema.SET_PREFERENCES
    @idempotent
    def set_preferences(self, request: Request) -> Response:
        """Choose at once, a daily digest, or off; what is not given stays. What waited for a digest is then shown."""
        body = PreferenceSerializer.read(request.data)
        try:
            preference = set_preference(self.identity.user_id, tenant=self.tenant, now=timezone.now(), **body)
        except PreferenceRefused as refused:
            sentence = _("%(why)s Nothing was saved.")
            raise refuse_parameter(refused.field, sentence % {"why": refused}) from refused
        return _describe(preference)

    @schema.ACKNOWLEDGE_NOTIFICATION
    def acknowledge(self, request: Request, notification_id: str) -> Response:
        """Note that the caller takes care of it."""
        return self._mark(notification_id, acknowledge=True)

    def _mark(self, notification_id: str, *, acknowledge: bool) -> Response:
        found = mark_read(
            read_id(notification_id, "notification_id"),
            self.identity.user_id,
            tenant=self.tenant,
            now=timezone.now(),
            acknowledge=acknowledge,
        )
        if found is None:
            raise RequestRefused("not_found", _("There is no such notification: check the id."))
        return Response(responses.NotificationResponse.render_row(found))


def _describe(preference: Preference) -> Response:
    body = {
        "alerts": preference.alerts,
        "time_zone": preference.time_zone,
        "next_digest_at": preference.next_digest(timezone.now()),
    }
    return Response(responses.PreferenceResponse.render(body))
