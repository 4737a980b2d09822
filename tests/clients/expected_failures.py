"""What schemathesis finds and we mean, each with its reason. A hook module for its own process (SCHEMATHESIS_HOOKS).

Whatever is not listed here fails the run. Each answer is noted in the file that ANSWERS names.
"""

import functools
import json
import os
from pathlib import Path
from typing import Any, TextIO

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoveragePhaseData
from schemathesis.specs.openapi.checks import AcceptedNegativeData, RejectedPositiveData

IF_MATCH_FORM = (
    'If-Match must be a version in double quotes, as the header ETag gives it: "3"; or several, with commas between'
    " them; or * for any. Nothing was changed."
)
# What is wrong with a configuration as a whole: its stages are named in many places, and have to be the same.
OF_THE_WHOLE = {
    *("unknown_stage", "blank", "duplicate", "mapping_needed", "missing_key", "wrong_type", "invalid_recipient"),
    *("self_transition", "control_character", "empty"),
}
CUSTOMERS = ("list_customers", "export_customers")
WORK = ("list_notes", "list_tasks", "list_own_tasks", "list_timeline", "list_views")
LISTS = ("list_keys", "list_webhook_endpoints", "list_proposals")
INSIGHT = tuple(
    f"get_insight_{name}"
    for name in ("stages", "flow", "conversion", "durations", "cohorts", "risk", "save_rate", "renewals")
)
FORECASTS = ("get_forecast", "get_forecast_calibration", "list_forecast_customers")
# Which operations may find error with what, although their schema allows it, and why.
MEANT = (
    (
        (*CUSTOMERS, "list_history", "list_effects", "list_notifications", *WORK, *LISTS),
        {"#/cursor", "#/stage", "#/kind", "#/where"},
        "a cursor is signed, conditions have a grammar, and a stage or a kind of effect has to be one that there is",
    ),
    (
        CUSTOMERS,
        {"#/changed_from", "#/changed_to", "#/segment"},
        "customers change between 1900 and 2200, and whether a text says anything no pattern can say",
    ),
    (
        ("create_key",),
        {"#/account", "#/name", "#/valid_days"},
        "which service accounts there are is in no schema, nor what is a name",
    ),
    (
        ("list_own_tasks",),
        {"#/cursor", "#/assignee", "#/open"},
        "who works for a tenant, and that open is no state twice",
    ),
    (("create_view", "change_view"), {"#/name", "#/query"}, "what is a name, and the parameters of a list's address"),
    (("list_changes",), {"#/after"}, "how many changes there are so far is in no schema"),
    (
        ("get_lifecycle", *CUSTOMERS, "get_tenant_summary"),
        {"#/known"},
        "it goes with as_of, which no schema of a parameter can say",
    ),
    (
        ("create_webhook_endpoint",),
        {"#/name", "#/url"},
        "what is a name, and which addresses are of the public internet no pattern can say",
    ),
    (("write_note", "edit_note"), {"#/text"}, "whether a text says anything, and to whom, no pattern can say"),
    (
        ("create_task", "change_task", "change_task_by_id"),
        {"#/title", "#/assignee", "#/due_on"},
        "the same of a title, who works for a tenant, and that work is due between 1900 and 2200",
    ),
    (("pin_field",), {"#/reason", "#/value", "#/until"}, "what a field may hold depends on it, and a day on today"),
    (("set_notification_preferences",), {"#/time_zone"}, "which names are those of time zones no pattern can say"),
    (
        (*INSIGHT, *FORECASTS, "list_renewals_due", "list_revenue_kept", "list_behind_figure"),
        {"#/from", "#/to", "#/day", "#/cohort", "#/way"},
        "a period ends after it begins, within ten years since 1990, and a way is one that there is",
    ),
    (("dismiss_proposal",), {"#/reason"}, "whether a reason says anything no pattern can say"),
    (
        ("move_customer", "move_customers", "accept_proposal"),
        {"#/confirm_effects"},
        "a whole number is written without a point",
    ),
)
# What a source may write, and what its values are, beyond what JSON Schema can say.
OF_A_SOURCE = {
    *("source_not_allowed", "unknown_source", "time_in_future", "invalid_timestamp", "invalid_email", "invalid_url"),
    *("invalid_currency", "blank", "out_of_range", "control_character", "too_many_decimals", "invalid_parameter"),
    *("invalid_date", "too_long"),
}
OF_THE_RULES = {"invalid_stage", "reason_required", "unknown_reason", "transition_not_allowed"}


def _body(response: Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _has_only(response: Response, member: str, meant: set[str]) -> bool:
    """Whether the problem names errors, and all of them are meant."""
    found = {error[member] for error in _body(response).get("errors", [])}
    return bool(found) and found <= meant


def _find_meant(called: str | None, response: Response) -> str:
    """Why the operation may find error with those parts of the request; empty if it may not."""
    for operations, pointers, why in MEANT:
        if called in operations and _has_only(response, "pointer", pointers):
            return why
    if called == "pin_field" and str(_body(response).get("detail")).startswith("The body contains a NUL character"):
        return "a value has any shape, and of texts at any depth no schema says that they have no NUL"
    if called == "put_customer" and _has_only(response, "code", OF_A_SOURCE):
        return "a source writes its own parts, and addresses, days and currencies have forms of their own"
    if called == "publish_configuration" and _has_only(response, "code", OF_THE_WHOLE):
        return "the parts of a configuration have to fit each other"
    return ""


def find_reason(failure: Failure, case: Case, response: Response) -> str | None:
    """Why it is meant, None for what is not."""
    called, status = case.operation.definition.raw.get("operationId"), response.status_code
    body = _body(response)
    code = body.get("code")
    if isinstance(failure, RejectedPositiveData):
        if status == 400 and code in OF_THE_RULES:
            return "which stages, transitions and reasons there are is the tenant's own, and in no schema"
        if status == 400 and (why := _find_meant(called, response)):
            return why
        if called in CUSTOMERS and str(body.get("detail")).startswith("With as_of the list takes "):
            return "which filters do not go with as_of no schema of a parameter can say"
        if body.get("detail") == IF_MATCH_FORM and '"' not in case.headers["If-Match"]:
            return "schemathesis takes a tag for JSON and sends it without the quotes that its pattern demands"
        if status == 412:
            return "whether a version is the present one is known only when it is compared"
        if status == 422 and code == "idempotency_mismatch":
            return "the same key came before with another body"
    if isinstance(failure, AcceptedNegativeData):
        bulk = ("move_customers", "put_customers")
        if called in bulk and {result["status"] for result in body.get("results", [])} - {200, 201}:
            return "the items are judged one by one: an invalid one is refused in its place, beside the good ones"
        if called == "preview_configuration" and body.get("valid") is False and body.get("errors"):
            return "a preview answers with all that is wrong with the configuration"
        if "`X-Tenant` in header" in failure.message and not str(case.headers["X-Tenant"]).isascii():
            return "the server gives a header that is not ASCII as empty, and an empty X-Tenant names no tenant"
    return None


# The record of a customer in a batch is read as the one that comes alone, where each of its bounds is tried; that it is
# read at all, something good and something invalid shows. A batch is never refused for one of its records.
OF_AN_ITEM = ("Object with valid 'items' value: Single-item array: ", "items -> Array with invalid items: ")

_tried: set[tuple[str, str]] = set()
# Each bound of a parameter or a body, and the operation that it is tried at.
_tried_at: dict[tuple[str, ...], str | None] = {}
# What each operation was asked for each of its parameters and its body: something good, something invalid.
_asked: set[tuple[str | None, str | None, str | None, bool]] = set()


@schemathesis.hook
def filter_case(context: HookContext, case: Case) -> bool:
    """Each bound of what several operations take in the same way is tried at one of them."""
    data = case.meta.phase.data if case.meta else None
    if not isinstance(data, CoveragePhaseData):
        return True
    called = case.operation.definition.raw.get("operationId")
    if data.parameter_location == ParameterLocation.BODY and called == "publish_configuration":
        return _is_new(data)
    if data.parameter_location is None:
        return True
    assert case.meta is not None
    is_first = _is_first(case, called, data)
    part = "items" if data.description.startswith(OF_AN_ITEM) else data.parameter
    what = (called, data.parameter_location.value, part, case.meta.generation.mode.is_positive)
    if _is_shared(called, data.parameter):
        return is_first
    is_asked = what in _asked
    _asked.add(what)
    return is_first or not is_asked


def _is_shared(called: str | None, parameter: str | None) -> bool:
    """X-Tenant is read before any operation is known (tests/entry_points names another tenant at each), and the period
    of Insight by one function.
    """
    return parameter == "X-Tenant" or (
        called in (*INSIGHT, *FORECASTS) and parameter in ("from", "to", "segment", "owner")
    )


def _is_first(case: Case, called: str | None, data: CoveragePhaseData) -> bool:
    """Whether no other operation that describes the parameter or the body alike has tried this bound of it.

    What is described alike is read by the same function; that each operation reads it at all shows what is good and
    what is invalid, of which each is asked once of every parameter of each operation, and of its body.
    """
    assert data.parameter_location is not None
    if called == "put_customers" and data.description.startswith(OF_AN_ITEM):
        return False
    name, location = str(data.parameter), data.parameter_location
    bound = (location.value, name, _described(case, data), data.description.removeprefix(f"{name}: "))
    return _tried_at.setdefault(bound, called) == called


def _described(case: Case, data: CoveragePhaseData) -> str:
    """What is described of the body, of the parameter, or of all parameters in its place if it is about none."""
    raw = case.operation.definition.raw
    if data.parameter_location == ParameterLocation.BODY:
        return json.dumps(raw.get("requestBody"), sort_keys=True, default=str)
    alike = [one.definition for one in case.operation.iter_parameters() if one.location == data.parameter_location]
    schemas = {one["name"]: one.get("schema") for one in alike}
    described = schemas if data.parameter is None else schemas.get(data.parameter)
    return json.dumps(described, sort_keys=True, default=str)


def _is_new(data: CoveragePhaseData) -> bool:
    """A configuration may come alone or with a comment and more beside it: each bound is tried in one of both, once.

    The description tells of each form in full, so that all of its 800 bounds would be tried twice, and where a type is
    wrong, with each of five others.
    """
    what = data.description.removeprefix("configuration -> ").removeprefix("Object with valid 'configuration' value: ")
    where = (data.location or "").replace("/oneOf/1/properties/configuration/", "/oneOf/0/")
    seen = (what, where) in _tried
    _tried.add((what, where))
    return not seen


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Drop what is listed."""
    return find_reason(failure, case, response) is None


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Note which operation gave which status."""
    _answers().write(json.dumps([case.operation.definition.raw.get("operationId"), response.status_code]) + "\n")


@functools.cache
def _answers() -> TextIO:
    return Path(os.environ["ANSWERS"]).open("a", buffering=1)
