"""A saved view as parameters of the list: what it keeps, and what a request says beside it."""

from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext as _

from lifecycle.api.filters import VIEW, CustomerFilters, refuse_parameter
from lifecycle.api.serializers import read_uuid
from lifecycle.queries.list_condition_kinds import STAGE, InvalidWhere
from lifecycle.queries.list_filters import LIST_FILTERS, rename_parameters
from lifecycle.services.lists.saved_views import ViewMissing, find_view
from tenants.actors import TenantRef
from tenants.refusals import RequestRefused
from tenants.rules.configuration.policy import Policy


def with_view(parameters: QueryDict, user_id: UUID, *, tenant: TenantRef, policy: Policy) -> QueryDict:
    """The parameters together with those of the view that they name, if they do. One statement then.

    A parameter of the request holds in place of the view's. Raises RequestRefused: no id, or no view that the person
    may open.
    """
    if not parameters.get(VIEW):
        return parameters
    view_id = read_uuid(parameters[VIEW])
    if view_id is None:
        raise refuse_parameter(VIEW, _("The id of a view is a UUID: check it."))
    try:
        view = find_view(view_id, user_id, tenant=tenant)
    except ViewMissing as error:
        sentence = _("There is no such view, or it is not shared with you.")
        raise RequestRefused("not_found", sentence) from error
    given = rename_parameters(parameters)
    together = given.copy()
    for name, values in _read_kept(view.query, policy, tenant).lists():
        if name not in given:
            together.setlist(name, values)
    return together


def _read_kept(query: str, policy: Policy, tenant: TenantRef) -> QueryDict:
    """The parameters of a view as the API spells them: pages know stages by their former names, and 1 for true."""
    kept = rename_parameters(QueryDict(query)).copy()
    for name, value in list(kept.items()):
        one = LIST_FILTERS.get(name)
        if name not in CustomerFilters.base_filters or not str(value):
            del kept[name]
        elif one is not None and one.kind == "flag" and value == "1":
            kept[name] = "true"
        elif one is not None and one.kind == "stages":
            kept[name] = _present_stage(str(value), policy, tenant)
    return kept


def _present_stage(name: str, policy: Policy, tenant: TenantRef) -> str:
    """What the stage is called now; one that there is no more as it was, to be refused by that name."""
    try:
        return STAGE.read(name, policy, tenant)
    except InvalidWhere:
        return name
