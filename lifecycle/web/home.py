"""The calls of the first page: whom to call and why, most urgent first, with everything that a call needs [UC-1]."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from audit.services.keys import unwrap_keys
from lifecycle.queries import home as queries
from lifecycle.queries.health import find_work
from lifecycle.rules.attention import compare_figures, explain_place, find_disagreement, find_next_step
from lifecycle.rules.health import NO_WORK, Health, Work, days_in_stage, judge, overdue
from lifecycle.rules.urgency import weigh
from lifecycle.services.customers.profiles import open_main_contacts
from lifecycle.services.customers.revealing import note_reading
from lifecycle.services.home.snoozing import open_reason
from lifecycle.services.home.visits import find_person, visit_before
from lifecycle.services.transitions.undo import SOURCE as UNDO
from lifecycle.services.work.encryption import decrypt_texts
from lifecycle.web.people import name_owners, name_people_then
from lifecycle.web.proposals import show_proposals
from lifecycle.web.tags import days_left
from tenants.actors import TenantRef
from tenants.middleware import current_request_id
from tenants.pages import TenantRequest
from tenants.roles import REVEAL_CONTACTS, UPDATE_LIFECYCLE
from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.configuration.policy import Policy
from tenants.rules.messages import Message
from tenants.rules.texts import fold_text

MOST_CALLS: Final = 10
MOST_DOUBTED: Final = 5
MOST_MOVED: Final = 100
MOST_MOVED_SHOWN: Final = 6
# Of poor figures those who are gone are not warned of.
MINE, TEAM, ALL = "mine", "team", "all"
SCOPES: Final[Mapping[str, str | Promise]] = {
    MINE: gettext_lazy("Mine"),
    TEAM: gettext_lazy("My team's"),
    ALL: gettext_lazy("All"),
}
# Kind of work, who did it and when, as ``queries.home.find_done`` calls them.
_WORK: Final = (("note", "note_by", "note_at"), ("task", "done_by", "done_at"))
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose customers are shown. ``owners``: the keys of their names, None for everybody's.

    ``has_moves``: whether a configuration is moving customers. ``names``: of customers that were asked for, by id.
    """

    name: str
    owners: Collection[str] | None
    has_team: bool
    since: dt.datetime | None
    has_moves: bool
    names: Mapping[str, str]

    @property
    def needs_team(self) -> bool:
        """Whether the person asks for their team and is in none."""
        return self.name == TEAM and not self.has_team


def gather_home(request: TenantRequest, policy: Policy, *, now: dt.datetime, named: Collection[str]) -> Json:
    """The part of the context that is the person's own. At most nine statements, whatever the number of customers, and
    one where the score asks for notes or tasks; of a visit that is noted one more, in a savepoint. ``named``: customers
    whose names the scope is to have.
    """
    tenant, identity = request.tenant, request.identity
    scope = find_scope(request, now=now, named=named)
    at_risk = policy.stages_in(RISK)
    others = [stage for stage in policy.stages if stage not in at_risk and policy.category(stage) != LOST]
    rows = queries.find_calls(
        tenant=tenant,
        user_id=identity.user_id,
        policy=policy,
        stages=at_risk,
        owners=scope.owners,
        now=now,
        limit=MOST_CALLS,
    )
    doubted = queries.find_poor_figures(
        tenant=tenant, policy=policy, stages=others, owners=scope.owners, now=now, limit=MOST_DOUBTED
    )
    moved: list[Json] = []
    is_more_moved = False
    if scope.since is not None:
        moved, is_more_moved = queries.find_moved(
            tenant=tenant,
            policy=policy,
            stages=at_risk,
            owners=scope.owners,
            since=scope.since,
            most=MOST_MOVED,
            shown=MOST_MOVED_SHOWN,
        )
    awake = [row["customer_id"] for row in rows if not row["is_asleep"]]
    yesterday = timezone.make_aware(dt.datetime.combine(timezone.localdate(now) - dt.timedelta(days=1), dt.time()))
    done = queries.find_done(awake, tenant=tenant, since=yesterday) if awake else {}
    for row in rows:
        row |= _last_done(row, done.get(row["customer_id"]))
    asked = [(row["updated_by"], row["updated_at"]) for row in moved]
    asked += [(row["done_by"], row["done_at"]) for row in rows]
    names = name_people_then(asked, tenant=tenant, viewer=identity) if asked else {}
    keys = unwrap_keys(tenant.id, [(row["customer_id"], row["wrapped_key"]) for row in rows])
    may_update, may_reveal = identity.may(UPDATE_LIFECYCLE), identity.may(REVEAL_CONTACTS)
    contacts, may_reveal = _open_contacts(request, awake, keys, may_reveal=may_reveal, now=now)
    # Those who only look see no texts of tasks.
    titles = _open_titles(done, keys, tenant) if may_update else {}
    work = find_work([row["customer_id"] for row in rows], policy, tenant=tenant, now=now)
    calls = [
        _describe(row, policy, now, work.get(row["customer_id"], NO_WORK))
        | {
            "who": names[row["done_by"], row["done_at"]],
            "is_new": _has_moved(row, yesterday),
            "contact": contacts.get(row["customer_id"]),
            "snooze_reason": _open_reason(row, keys, tenant),
            "task": titles.get(row["customer_id"]),
            "task_due": done[row["customer_id"]]["task_due"] if row["customer_id"] in done else None,
        }
        for row in rows
    ]
    return {
        "scope": scope,
        "scopes": [(name, label, name == scope.name) for name, label in SCOPES.items()],
        "calls": [call for call in calls if not call["is_asleep"]],
        "owner_names": name_owners((row["owner"] for row in rows), tenant=tenant),
        "snoozed": [call for call in calls if call["is_asleep"]],
        "awake_count": rows[0]["awake"] if rows else 0,
        "asleep_count": rows[0]["asleep"] if rows else 0,
        "doubted": [row | {"doubt": Message("figures_are_poor", {"score": row["score"]})} for row in doubted],
        "arrived": _pick(moved, names, arrived=True),
        "left": _pick(moved, names, arrived=False),
        "is_more_moved": is_more_moved,
        "may_update": may_update,
        **show_proposals(policy, tenant=tenant, owners=scope.owners),
        "may_reveal": may_reveal,
    }


def _open_contacts(
    request: TenantRequest, ids: Sequence[UUID], keys: Mapping[UUID, bytes], *, may_reveal: bool, now: dt.datetime
) -> tuple[dict[UUID, Json], bool]:
    """Whom to call at each customer, and whether in clear: not where the reading cannot be recorded for the moment."""
    contacts = open_main_contacts(ids, keys, tenant=request.tenant, with_contact_details=may_reveal)
    if not may_reveal:
        return contacts, False
    # Their phone numbers alone are on the page.
    people = {id_: [one | {"email": None}] for id_, one in contacts.items()}
    actor, request_id = request.identity.actor(), current_request_id()
    if note_reading(people, tenant=request.tenant, actor=actor, now=now, place="home", request_id=request_id):
        return contacts, True
    return open_main_contacts(ids, keys, tenant=request.tenant, with_contact_details=False), False


def find_scope(request: TenantRequest, *, now: dt.datetime, named: Collection[str]) -> Scope:
    """Whose customers the person asks for: without a wish those they own, or everybody's if they own none. Besides, the
    names of the customers ``named``.

    A whole page that they open is noted as a visit. One statement.
    """
    tenant, identity = request.tenant, request.identity
    own_key = fold_text(identity.username)
    is_visit = request.method == "GET" and not getattr(request, "htmx", False)
    person = find_person(identity.user_id, tenant=tenant, own_key=own_key, now=now, is_visit=is_visit, named=named)
    wish = request.GET.get("whose", "")
    name = wish if wish in SCOPES else (MINE if person["owns"] else ALL)
    team = [fold_text(username) for username in person["team"]]
    owners = {MINE: [own_key], TEAM: team, ALL: None}[name]
    since = visit_before(person["last_at"], person["previous_at"], now=now)
    return Scope(name, owners, bool(team), since, person["has_moves"], person["names"])


def _last_done(row: Json, done: Json | None) -> Json:
    """What was done last, by whom and when: a change of the stage, a note or a task; and what has changed."""
    steps = [("stage", row["updated_by"], row["updated_at"])]
    if done is not None:
        steps += [(kind, done[by], done[at]) for kind, by, at in _WORK if done[at] is not None]
    kind, by, at = max(steps, key=lambda step: step[2])
    changes = (done and done["changes"]) or {}
    before, after = ({path.rpartition(".")[2]: pair[side] for path, pair in changes.items()} for side in (0, 1))
    currency = {"currency": row["figures"]["currency"]}
    return {
        "done_kind": kind,
        "done_by": by,
        "done_at": at,
        "changes": compare_figures(currency | before, currency | after),
    }


def _open_titles(done: Mapping[UUID, Json], keys: Mapping[UUID, bytes], tenant: TenantRef) -> dict[UUID, str]:
    """The next task of each customer that has one, in clear."""
    found = [row for row in done.values() if row["task_id"] is not None]
    encrypted = [("lifecycle_task", "title", row["task_id"], row["customer_id"], row["task_title"]) for row in found]
    texts = decrypt_texts(encrypted, tenant=tenant, keys=keys)
    return {row["customer_id"]: text for row in found if (text := texts[row["task_id"]])}


def _open_reason(row: Json, keys: Mapping[UUID, bytes], tenant: TenantRef) -> str:
    if row["snooze_id"] is None:
        return ""
    customer_id = row["customer_id"]
    return open_reason(row["snooze_id"], customer_id, row["snooze_reason"], keys.get(customer_id), tenant=tenant)


def _describe(row: Json, policy: Policy, now: dt.datetime, work: Work) -> Json:
    """One customer as it is called."""
    stage, figures = row["stage"], row["figures"]
    days = days_in_stage(row["stage_entered_at"], now)
    arr, currency = _number(figures["arr"]), figures["currency"]
    renewal_on = figures["renewal_on"]
    due_on = None if renewal_on is None else dt.date.fromisoformat(renewal_on)
    # Health and urgency, which everyone shares, go by the day in UTC.
    to_renewal = None if due_on is None else (due_on - now.date()).days
    left = days_left(due_on, now)
    category = policy.category(stage)

    def look(*, without_stage: bool) -> Health:
        return judge(
            policy,
            stage,
            days,
            without_stage=without_stage,
            work=work,
            arr=arr,
            balance_overdue=_number(figures["balance_overdue"]),
            open_issues=figures["open_issues"],
            csat=_number(figures["csat"]),
            days_to_renewal=to_renewal,
        )

    judged = look(without_stage=False)
    return (
        row
        | {
            "days_in_stage": days,
            "expected_days": policy.max_days(stage),
            "days_over": overdue(policy.max_days(stage), days),
            "arr": figures["arr"],
            "currency": currency,
            "renewal_on": renewal_on,
            "days_to_renewal": left,
            "open_issues": figures["open_issues"],
            "health": {"score": judged.score, "band": judged.band},
            # What it says of the renewal is beside its day, which goes by where one looks.
            "why": explain_place(
                judged, arr=arr, currency=currency, days_to_renewal=left, reason_code=row["reason_code"]
            ),
            "next_step": find_next_step(judged, days_to_renewal=left),
            "doubt": find_disagreement(category, look(without_stage=True)),
            "woken_by": compare_figures(row["seen"], figures) if row["snooze_id"] else (),
        }
        | weigh(judged, policy, stage=stage, arr=arr, currency=currency, days_to_renewal=to_renewal)
    )


def _has_moved(row: Json, since: dt.datetime) -> bool:
    """Whether a customer has come to its stage since then. An undo that gave its former time there back is none."""
    given_back = row["source"] == UNDO and row["stage_entered_at"] < since
    return row["updated_at"] >= since and not given_back


def _pick(moved: Sequence[Json], names: Mapping[Any, str], *, arrived: bool) -> tuple[int, list[Json]]:
    """How many came into the stages at risk (or left them), and the first few of them."""
    picked = [
        row | {"who": names[row["updated_by"], row["updated_at"]]} for row in moved if row["has_arrived"] is arrived
    ]
    return (picked[0]["customers"] if picked else 0), picked


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
