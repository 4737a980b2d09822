"""Many customers at once: chosen on the list or the board, shown, confirmed, and then with their progress."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from lifecycle.models import BulkChange
from lifecycle.queries.list_filters import suggest_owners
from lifecycle.queries.listing import ListQuery
from lifecycle.rules.transitions import LONGEST_REASON
from lifecycle.sentences import say, say_for_record
from lifecycle.services.bulk import previews
from lifecycle.services.bulk.selecting import BulkRefused, find_change, select_customers
from lifecycle.services.bulk.working import begin_move, begin_owner, stop_change, work_after_commit
from lifecycle.services.customers.owners import UnknownOwner
from lifecycle.web.board import BOARD
from lifecycle.web.forms import BulkMoveForm
from lifecycle.web.list_page import ListParameters
from lifecycle.web.pages import page, wants_fragment
from lifecycle.web.people import name_owners
from lifecycle.web.stage_colors import stage_colors
from lifecycle.web.typed_reasons import Open, keep_reasons
from tenants.middleware import note_refusal
from tenants.pages import TenantRequest
from tenants.refusals import STATUS_OF_CODE
from tenants.roles import CONFIGURE_STAGES, MUTE_EFFECTS, UPDATE_LIFECYCLE, VIEW_HISTORY
from tenants.rules.configuration.policy import Policy
from tenants.rules.texts import clean_line
from tenants.services.configuration.policies import live_policy, readable_policy

PARTS = ("", previews.MOVES, previews.STAYS, previews.REFUSED)
# Of so few customers that were handed over each has a link to its brief.
MOST_HANDOVERS = 20


@page(UPDATE_LIFECYCLE, "POST")
def choose_customers(request: TenantRequest) -> HttpResponse:
    """Keep who was chosen, by boxes or as everyone whom the list's filters leave; then ask what to do with them."""
    policy, kind = live_policy(request.tenant.id), BulkChange.Kind.MOVE
    if request.POST.get("action") == BulkChange.Kind.OWNER:
        kind = BulkChange.Kind.OWNER
    try:
        chosen = _read_chosen(request.POST, policy, request)
        change = select_customers(
            chosen,
            kind=kind,
            tenant=request.tenant,
            actor=request.identity.actor(),
            policy=policy,
            now=timezone.now(),
        )
    except BulkRefused as refused:
        return render(
            request,
            "bulk_refused.html",
            {"refusal": say(refused.message), "back": _back(request.POST), "stage_colors": {}},
            status=STATUS_OF_CODE[refused.code],
        )
    asked = {name: request.POST[name] for name in ("stage", "back") if request.POST.get(name)}
    return redirect(f"{reverse('bulk-change', args=[change.id])}{f'?{urlencode(asked)}' if asked else ''}")


def _read_chosen(posted: QueryDict, policy: Policy, request: TenantRequest) -> ListQuery | list[UUID]:
    """Who is meant. Raises BulkRefused for filters that there are not, and for ids that are none."""
    # Of everyone the list must be named: one without filters has an empty one.
    if posted.get("everyone") and "query" in posted:
        asked = ListParameters.from_query(posted.get("query", ""), policy, request.tenant)
        if asked.unknown:
            raise BulkRefused("invalid_request", asked.unknown)
        return asked.to_query()
    texts = [text for value in posted.getlist("customer") for text in value.split(",") if text]
    try:
        return [UUID(text) for text in texts]
    except ValueError:
        return []


def _home(given: Mapping[str, Any]) -> str:
    """Where the customers were chosen: the list or the board."""
    return reverse(BOARD if given.get("back") == BOARD else "customer-list")


def _back(posted: Mapping[str, Any]) -> str:
    """The same, with its filters."""
    query, place = posted.get("query", ""), _home(posted)
    return f"{place}?{query}" if query else place


@page(UPDATE_LIFECYCLE, "GET", "HEAD", "POST")
def show_change(request: TenantRequest, change_id: UUID) -> HttpResponse:
    """Ask what to do with the chosen, show what would come of it, begin it; and then how far it is."""
    change = _find(request, change_id)
    if change.started_at is not None:
        return redirect("bulk-change", change.id) if request.method == "POST" else _show_progress(request, change)
    if request.method == "POST":
        return _begin(request, change)
    if change.kind == BulkChange.Kind.OWNER:
        return _ask_owner(request, change)
    return _show_preview(request, change, BulkMoveForm(request.GET))


@page(UPDATE_LIFECYCLE, "POST")
def end_change(request: TenantRequest, change_id: UUID) -> HttpResponse:
    """End a change before its last customer; its person may, and an admin."""
    change, actor = _find(request, change_id), request.identity.actor()
    if change.actor == actor.name or actor.may(CONFIGURE_STAGES):
        stop_change(change.id, tenant=request.tenant, actor=actor, now=timezone.now())
    return redirect("bulk-change", change.id)


def _find(request: TenantRequest, change_id: UUID) -> BulkChange:
    change = find_change(change_id, tenant=request.tenant, actor=request.identity.actor())
    if change is None:
        raise Http404
    return change


def _begin(request: TenantRequest, change: BulkChange) -> HttpResponse:
    """Begin what was shown, unless something else would come of it now."""
    now, form = timezone.now(), BulkMoveForm(request.POST)
    is_move = change.kind == BulkChange.Kind.MOVE
    try:
        if is_move:
            if not form.is_valid():
                raise BulkRefused("invalid_request", form.sentence())
            given = form.cleaned_data
            begin_move(
                change.id,
                stage=given["stage"],
                reason_code=given["reason"] or None,
                configuration_version=given["configuration_version"] or 0,
                effects=given["effects"] or 0,
                typed=given["typed"],
                mute_reason=given["mute_reason"] if given["mute"] else None,
                tenant=request.tenant,
                actor=request.identity.actor(),
                now=now,
            )
        else:
            owner, no_owner = request.POST.get("owner", "").strip(), "no_owner" in request.POST
            # A field that was left empty is no wish.
            if bool(owner) is no_owner:
                raise BulkRefused(
                    "invalid_request", _("Enter the new owner, or choose “No owner”. Nothing was changed.")
                )
            begin_owner(
                change.id,
                owner=owner,
                reason=clean_line(request.POST.get("reason", ""))[:LONGEST_REASON],
                tenant=request.tenant,
                actor=request.identity.actor(),
                now=now,
            )
    except (BulkRefused, UnknownOwner) as refused:
        code = refused.code if isinstance(refused, BulkRefused) else "invalid_request"
        note_refusal(
            request,
            request.identity,
            source=previews.SOURCE,
            code=code,
            detail=say_for_record(refused.message),
            to_stage=request.POST.get("stage", "")[:100] if is_move else "",
        )
        said, status = say(refused.message), STATUS_OF_CODE[code]
        if is_move:
            return _show_preview(request, change, form, refusal=said, status=status)
        return _ask_owner(request, change, refusal=said, status=status)
    work_after_commit(request.tenant)
    return redirect("bulk-change", change.id)


def _show_preview(
    request: TenantRequest, change: BulkChange, form: BulkMoveForm, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    """Where to; and once that is chosen, who moves, who does not and why, and what it starts."""
    policy, now = live_policy(request.tenant.id), timezone.now()
    stage, reason = form.chosen
    context: dict[str, Any] = {
        "change": change,
        "refusal": refusal,
        "stage_colors": stage_colors(policy),
        "configuration_version": policy.version,
        "stage": policy.canonical_stage(stage) or "",
        "reason": reason,
        "given": form.data,
        "may_mute": request.identity.may(MUTE_EFFECTS),
        "budget": change.updates_per_hour,
        "home": _home(request.GET),
        # What the links of the page begin with: of a form that was refused the address does not say what is shown.
        "asked": _spell_asked(request, stage, reason),
    }
    counts = previews.count_stages(change, tenant=request.tenant)
    targets = previews.list_targets(counts, policy)
    # A stage that was chosen on the board, and asks for a reason: that is asked for first.
    asks_reason = (
        not reason
        and not refusal
        and any(target.stage == context["stage"] and target.reason_required for target in targets)
    )
    if asks_reason and f"reason:{stage}" in form.data:
        context["refusal"] = _("Choose a reason for “%(stage)s”.") % {"stage": context["stage"]}
    if not context["stage"] or asks_reason:
        open_ones = [one for one in targets if one.allowed]
        offered = [Open(one.stage, one.reason_codes) for one in open_ones]
        typed = keep_reasons(form.data, policy.canonical_stage(stage) or stage, reason, offered)
        context |= {"targets": targets, "counts": _by_stage(counts), "typed": typed if form.data else None}
        context["open_targets"] = [(one, typed.by_stage[one.stage]) for one in open_ones]
        return render(request, "bulk_move.html", context, status=status)
    show, after = request.GET.get("show", ""), _read_id(request.GET.get("after", ""))
    show = show if show in PARTS else ""
    preview = previews.preview_move(
        change,
        stage=context["stage"],
        reason_code=reason,
        tenant=request.tenant,
        policy=policy,
        now=now,
        counts=counts,
        # Once, and not again with every page of the customers.
        counts_recipients=not show and after is None,
    )
    rows, following = previews.list_rows(change, preview=preview, tenant=request.tenant, show=show, after=after)
    context |= {"preview": preview, "rows": rows, "next": following, "show": show}
    context["over_budget"] = change.updates_per_hour is not None and preview.moving > change.updates_per_hour
    return render(request, "bulk_preview.html", context, status=status)


def _spell_asked(request: TenantRequest, stage: str, reason: str) -> QueryDict:
    if request.method != "POST":
        return request.GET
    asked = request.GET.copy()
    asked.update({"stage": stage, "reason": reason})
    return asked


def _by_stage(counts: Mapping[tuple[str, bool], int]) -> dict[str, int]:
    """How many of the chosen are in each stage."""
    added: dict[str, int] = {}
    for (stage, _changed), count in sorted(counts.items()):
        added[stage] = added.get(stage, 0) + count
    return added


def _ask_owner(request: TenantRequest, change: BulkChange, *, refusal: str = "", status: int = 200) -> HttpResponse:
    """Who is to look after the chosen."""
    after = _read_id(request.GET.get("after", ""))
    rows, following = previews.list_selected(change, tenant=request.tenant, after=after)
    context = {
        "change": change,
        "rows": rows,
        "next": following,
        "asked": request.GET,
        "home": _home(request.GET),
        "owner_names": name_owners((row.owner for row in rows), tenant=request.tenant),
        "people": suggest_owners(request.tenant),
        "owner": request.POST.get("owner", ""),
        "no_owner": "no_owner" in request.POST,
        "reason": request.POST.get("reason", ""),
        "refusal": refusal,
        "stage_colors": stage_colors(live_policy(request.tenant.id)),
    }
    return render(request, "bulk_owner.html", context, status=status)


def _show_progress(request: TenantRequest, change: BulkChange) -> HttpResponse:
    """How far it is; once it has ended, who was not changed and why, and the way to undo it."""
    version = change.configuration_version
    policy = readable_policy(request.tenant.id, version) if version else None
    after = _read_id(request.GET.get("after", ""))
    rows: list[previews.Row] = []
    following: UUID | None = None
    if change.refused:
        rows, following = previews.list_refused(change, tenant=request.tenant, policy=policy, after=after)
    handed: list[previews.Row] = []
    is_handed = change.kind == BulkChange.Kind.OWNER and change.finished_at is not None and not change.refused
    if is_handed and change.total <= MOST_HANDOVERS and request.identity.may(VIEW_HISTORY):
        handed, _more = previews.list_selected(change, tenant=request.tenant)
    actor = request.identity.actor()
    is_own = change.actor == actor.name or actor.may(CONFIGURE_STAGES)
    context = {
        "change": change,
        "left": change.total - change.done,
        "reasons": previews.count_refused(change, tenant=request.tenant, policy=policy) if change.refused else [],
        "rows": rows,
        "next": following,
        "asked": request.GET,
        "handed": handed,
        "owner_names": name_owners([change.owner, *(row.owner for row in rows)], tenant=request.tenant),
        "may_undo": is_own and change.kind == BulkChange.Kind.MOVE and change.moved > 0,
        "may_end": is_own and change.finished_at is None,
        "stage_colors": stage_colors(policy or live_policy(request.tenant.id)),
    }
    template = "bulk_progress.html#progress" if wants_fragment(request) else "bulk_progress.html"
    return render(request, template, context)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
