"""Customers: the list, the whole profile, which stage one is in, moving it, and what happened to it."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from lifecycle.api import customer_responses, responses, schema
from lifecycle.api.as_of import (
    AS_OF,
    KNOWN,
    describe_past,
    read_day,
    read_known,
    read_past_list,
    refuse_known_alone,
)
from lifecycle.api.authorship import find_author
from lifecycle.api.filters import read_columns, read_list_query, refuse_parameter, refuse_unknown_parameters
from lifecycle.api.idempotency import idempotent
from lifecycle.api.openapi.configuration import LINE
from lifecycle.api.paging import encode_before, read_before, surround
from lifecycle.api.preconditions import format_etag, is_known_to_caller, read_if_match
from lifecycle.api.saved_views import with_view
from lifecycle.api.serializers import ChangeSerializer, read_uuid
from lifecycle.api.viewsets.tenant import SOURCE, TenantViewSet, start_call
from lifecycle.queries.facts import find_status
from lifecycle.queries.listing import InvalidCursor, list_customers
from lifecycle.queries.selection import count_all_customers
from lifecycle.rules.transitions import Change
from lifecycle.sentences import say
from lifecycle.services.customers import summaries
from lifecycle.services.customers.profiles import find_customer, find_name
from lifecycle.services.customers.revealing import note_reading
from lifecycle.services.effects.foreseen import Viewer
from lifecycle.services.insight.as_of import count_past, read_past
from lifecycle.services.insight.as_of_list import list_as_of
from lifecycle.services.transitions import history
from lifecycle.services.transitions.apply import NOT_FOUND, CallRefused, apply
from lifecycle.services.transitions.update_budget import UpdateBudget
from tenants.context import tenant_context
from tenants.middleware import current_request_id
from tenants.permissions import describe_denial
from tenants.refusals import RequestRefused
from tenants.roles import REVEAL_CONTACTS, UPDATE_LIFECYCLE, VIEW_HISTORY, VIEW_LIFECYCLE
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import LONGEST_ID, InvalidValue
from tenants.sentences import describe_value
from tenants.services.configuration.policies import live_policy, readable_policy
from tenants.views import on_replica

# With effects=detail the effects are shown with recipients, subject and time. Asked for, as it costs statements.
DETAIL_PARAMETER, DETAIL = "effects", "detail"
EXTERNAL_ID = OpenApiParameter(
    "external_id",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": LINE},
    OpenApiParameter.PATH,
    description="The customer's id in your own systems.",
)


class CustomerViewSet(TenantViewSet):
    """The tenant's customers."""

    required_permissions: ClassVar[dict[str, str]] = {
        "list": VIEW_LIFECYCLE,
        "retrieve": VIEW_LIFECYCLE,
        "find": VIEW_LIFECYCLE,
    }
    opens_tenant_context: ClassVar[Any] = {"find"}

    @schema.LIST_CUSTOMERS
    @on_replica
    def list(self, request: Request) -> Response:
        """One page of customers."""
        policy = live_policy(self.tenant.id)
        refuse_known_alone(request.query_params)
        if AS_OF in request.query_params:
            return self._list_past(request, policy)
        asked = with_view(request.query_params, self.identity.user_id, tenant=self.tenant, policy=policy)
        query, columns = read_list_query(asked, tenant=self.tenant, policy=policy), read_columns(asked)
        about: dict[str, Any] = {"tenant": self.tenant, "policy": policy, "now": timezone.now()}
        try:
            page = list_customers(query, **about)
        except InvalidCursor as error:
            raise refuse_parameter("cursor", str(error)) from error
        around = surround(
            request, page.next_cursor, page.previous_cursor, count=lambda: count_all_customers(query, **about)
        )
        return Response(customer_responses.render_page(page.rows, columns, around))

    def _list_past(self, request: Request, policy: Policy) -> Response:
        """One page of the customers that were here at the end of a day, by name."""
        if not self.identity.may(VIEW_HISTORY):
            raise PermissionDenied(describe_denial(self.identity, VIEW_HISTORY))
        asked = request.query_params
        past = read_past_list(asked, tenant=self.tenant, policy=policy)
        about = past.about
        if about is None:
            none = surround(request, None, None, count=lambda: 0)
            return Response(customer_responses.render_page([], None, none))
        try:
            page = list_as_of(
                about,
                stages=past.stages,
                tenant=self.tenant,
                cursor=asked.get("cursor") or None,
                limit=past.query.limit,
            )
        except InvalidCursor as error:
            raise refuse_parameter("cursor", str(error)) from error
        around = surround(
            request, page.next_cursor, page.previous_cursor, count=lambda: count_past(about, tenant=self.tenant)
        )
        return Response(customer_responses.render_page(page.rows, past.columns, around))

    @schema.GET_CUSTOMER
    def retrieve(self, request: Request, customer_id: str) -> Response:
        """Company, contacts, billing, support, and the customer's stage [FR-01].

        Who reads contacts in clear is in the administration log, once an hour for each reader and customer.
        """
        refuse_unknown_parameters(request.query_params, ())
        return self._show_profile(self.customer_id)

    @schema.describe("find_customer", "customers", EXTERNAL_ID, answer=customer_responses.ProfileResponse)
    def find(self, request: Request, external_id: str) -> Response:
        """The same of the customer that has this id in your own systems, such as the CRM.

        Its `id` is what the other addresses take. A slash in the id is written as `%2F` or as it is.
        """
        refuse_unknown_parameters(request.query_params, ())
        try:
            wanted = find_name(external_id, tenant=self.tenant)
        except InvalidValue as error:
            if error.code == "too_long":
                raise refuse_parameter(
                    "external_id", _("The external id %(error)s.") % {"error": describe_value(error)}
                ) from error
            # With such characters in it no customer has it.
            raise RequestRefused("not_found", say(NOT_FOUND)) from error
        return self._show_profile(self.found(find_customer(wanted, tenant=self.tenant)))

    def _show_profile(self, customer_id: UUID) -> Response:
        sees_contacts, now = self.identity.may(REVEAL_CONTACTS), timezone.now()
        profile = self.found(
            summaries.read_profile(customer_id, tenant=self.tenant, now=now, with_contact_details=sees_contacts)
        )
        if sees_contacts and not note_reading(
            {customer_id: profile["contacts"]},
            tenant=self.tenant,
            actor=self.identity.actor(),
            now=now,
            place="profile",
            request_id=current_request_id(),
        ):
            sees_contacts = False
            profile = self.found(summaries.read_profile(customer_id, tenant=self.tenant, now=now))
        return Response(customer_responses.ProfileResponse.render(profile | {"contacts_masked": not sees_contacts}))


class LifecycleViewSet(TenantViewSet):
    """Where one customer stands."""

    required_permissions: ClassVar[dict[str, str]] = {
        "retrieve": VIEW_LIFECYCLE,
        "partial_update": UPDATE_LIFECYCLE,
        "summary": VIEW_LIFECYCLE,
        "history": VIEW_HISTORY,
    }
    opens_tenant_context: ClassVar[Any] = {"partial_update", "history"}

    @schema.GET_LIFECYCLE
    def retrieve(self, request: Request, customer_id: str) -> Response:
        """The customer's stage, and for each other stage whether it can be moved there now [BP-2]."""
        refuse_unknown_parameters(request.query_params, (DETAIL_PARAMETER, AS_OF, KNOWN))
        if AS_OF in request.query_params:
            return self._show_past(request)
        refuse_known_alone(request.query_params)
        detail = request.query_params.get(DETAIL_PARAMETER)
        if detail not in (None, DETAIL):
            sentence = _("The parameter effects can be %(value)s, or left out.")
            raise refuse_parameter(DETAIL_PARAMETER, sentence % {"value": DETAIL})
        may_update = self.identity.may(UPDATE_LIFECYCLE)
        denial = "" if may_update else describe_denial(self.identity, UPDATE_LIFECYCLE)
        viewer = Viewer(self.identity.user_id, sees_contacts=self.identity.may(REVEAL_CONTACTS))
        body = self.found(
            summaries.read_lifecycle(
                self.customer_id,
                tenant=self.tenant,
                may_update=may_update,
                denial=denial,
                source=SOURCE,
                viewer=viewer if detail else None,
                now=timezone.now(),
            )
        )
        # What is offered depends on the configuration as well. Only as long as the one that judged the last change is
        # live does the version say which that was.
        is_as_judged = body["judged_by"] == body["configuration_version"]
        headers = {"ETag": format_etag(body["version"]), "Cache-Control": "private, no-cache"}
        # And on the caller's right to change: who has lost it is sent what is left of the offers.
        is_as_before = may_update and is_as_judged and not detail
        if is_as_before and is_known_to_caller(request, body["version"]):
            return Response(status=304, headers=headers)
        return Response(responses.LifecycleResponse.render(body), headers=headers)

    def _show_past(self, request: Request) -> Response:
        """Where the customer was at the end of a day, and its figures. Nothing can be moved there."""
        if not self.identity.may(VIEW_HISTORY):
            raise PermissionDenied(describe_denial(self.identity, VIEW_HISTORY))
        day, known = read_day(request.query_params), read_known(request.query_params)
        with tenant_context(self.tenant.id):
            self.found(find_status(self.tenant.id, self.customer_id))
            past = read_past(self.customer_id, day, known=known, tenant=self.tenant)
            if past.row is None:
                raise RequestRefused("not_found", _("The customer did not exist yet at the end of that day."))
            version = past.configuration_version or past.row.configuration_version
            policy = readable_policy(self.tenant.id, version) or live_policy(self.tenant.id)
        body = describe_past(past, past.row, policy) | {"configuration_version": version}
        return Response(responses.LifecycleResponse.render(body), headers={"Cache-Control": "private, no-cache"})

    @schema.MOVE_CUSTOMER
    @idempotent
    def partial_update(self, request: Request, customer_id: str) -> Response:
        """Move the customer to another stage [API-1]."""
        body = ChangeSerializer.read(request.data)
        change = self._read_change(request, **body)
        actor = self.identity.actor()
        budget = UpdateBudget(actor)
        try:
            (outcome,) = apply(start_call(self.tenant, actor, body), [change], budget=budget)
        except CallRefused as refusal:
            raise self.refuse_call(refusal, customer_id=self.customer_id, to_stage=change.stage) from refusal
        if outcome.refused or outcome.record is None:
            raise self.refuse(outcome)
        headers = {"ETag": format_etag(outcome.record.version), **budget.headers}
        moved = {"success": True, "updated_at": outcome.record.updated_at}
        return Response(responses.MovedResponse.render(moved), headers=headers)

    @schema.GET_SUMMARY
    def summary(self, request: Request, customer_id: str) -> Response:
        """Stage, days in it, health, renewal, billing and support figures [API-3]."""
        refuse_unknown_parameters(request.query_params, ())
        held = getattr(request, "copies", None)
        summary = summaries.read_summary(self.customer_id, tenant=self.tenant, now=timezone.now(), held=held)
        return Response(customer_responses.SummaryResponse.render(self.found(summary)))

    def wanted_copies(self, tenant_id: UUID) -> list[str]:
        """What is fetched from Redis together with the caller's membership."""
        customer_id = read_uuid(self.kwargs["customer_id"])
        if self.action != "summary" or customer_id is None:
            return []
        return summaries.summary_keys(tenant_id, customer_id)

    @schema.LIST_HISTORY
    def history(self, request: Request, customer_id: str) -> Response:
        """What happened to the customer, newest first [DM-2]."""
        before, limit = read_before(request.query_params, self.customer_id)
        page = self.found(history.read_history(self.customer_id, tenant=self.tenant, before=before, limit=limit))
        around = surround(
            request,
            encode_before(page.next_before, self.customer_id),
            count=lambda: history.count_history(self.customer_id, tenant=self.tenant),
        )
        return Response(responses.HistoryPageResponse.render({"results": page.rows, **around}))

    def _read_change(
        self,
        request: Request,
        *,
        stage: str,
        updated_by: str | None = None,
        reason_code: str | None = None,
        note: str | None = None,
        confirm_effects: int | None = None,
        **_: Any,
    ) -> Change:
        expected_version = read_if_match(request, current=self._version_now)
        author = find_author(updated_by, identity=self.identity, tenant=self.tenant)
        if isinstance(author, RequestRefused):
            self.note(author.code, author.sentence, customer_id=self.customer_id, to_stage=stage)
            raise author
        return Change(
            customer_id=self.customer_id,
            stage=stage,
            reason_code=reason_code,
            note=note or None,
            expected_version=expected_version,
            on_behalf_of=author,
            expected_effects=confirm_effects,
        )

    def _version_now(self) -> int | None:
        row = find_status(self.tenant.id, self.customer_id)
        return None if row is None else row["version"]
