"""What a batch of moves starts: one row an effect and recipient, written by the statement that writes the history."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from uuid_utils.compat import uuid7

from lifecycle.models.effects import EffectRun
from lifecycle.services.effects.kinds import LANES, Members, Reached, Target, name_of_user, planner_of
from storage.cursors import plain_array, prepared_cursor, text_array
from tenants.roles import Role
from tenants.rules.configuration.definitions import Effect
from tenants.rules.configuration.effect_kinds import USER_PREFIX

MUTED: Final = "muted"
# Where a change is only shown and nothing of the tenant has run so far: a request that reads makes no lanes.
NO_LANE_YET: Final = UUID(int=0)

# An owner is named by user name, in any case; contacts without an address cannot be written to.
_REACH: Final = """
SELECT c.id::text, u.id,
       ARRAY(SELECT ARRAY[k.id::text, k.role] FROM lifecycle_contact k
              WHERE k.tenant_id = c.tenant_id AND k.customer_id = c.id AND k.email IS NOT NULL
              ORDER BY k.position, k.id)
  FROM lifecycle_customer c
  LEFT JOIN tenants_user u ON u.tenant_id = c.tenant_id AND u.username = c.owner_key AND u.is_active
 WHERE c.tenant_id = %(tenant_id)s::uuid AND c.id = ANY(%(ids)s::uuid[])
"""
# People by role or name, endpoints and lanes of the tenant in one go: few, however many customers it has.
_MEMBERS: Final = """
SELECT 'user', role, username, id FROM tenants_user
 WHERE tenant_id = %(tenant_id)s::uuid AND (role = ANY(%(roles)s::text[]) OR username = ANY(%(names)s::text[]))
   AND is_active AND NOT is_service_account
UNION ALL
SELECT 'endpoint', name, url, id FROM lifecycle_webhookendpoint WHERE tenant_id = %(tenant_id)s::uuid
UNION ALL
SELECT 'lane', name, '', id FROM lifecycle_effectlane WHERE tenant_id = %(tenant_id)s::uuid
 ORDER BY 4
"""
_MAKE_LANES: Final = """
INSERT INTO lifecycle_effectlane (id, tenant_id, name, served_at)
SELECT uuidv7(), %(tenant_id)s::uuid, name, to_timestamp(0) FROM unnest(%(names)s::text[]) AS n(name)
    ON CONFLICT (tenant_id, name) DO NOTHING
"""
# A part of the statement of the verb, which has ``moved``: without its history row there is no effect.
START: Final = """
started AS (
    INSERT INTO lifecycle_effect
        (id, tenant_id, history_id, customer_id, request_id, configuration_version, effect, kind, recipient, lane_id,
         state, reason, due_at, created_at, depth)
    SELECT e.id, %(tenant_id)s::uuid, m.history_id, m.customer_id, m.request_id, %(configuration_version)s::int,
           e.effect, e.kind, e.recipient, e.lane_id, e.state, e.reason, e.due_at, %(now)s::timestamptz, m.depth
      FROM unnest(%(effect_ids)s::uuid[], %(effect_history_ids)s::uuid[], %(effects)s::text[], %(effect_kinds)s::text[],
                  %(effect_recipients)s::text[], %(effect_lane_ids)s::uuid[], %(effect_states)s::text[],
                  %(effect_reasons)s::text[], %(effect_due_at)s::timestamptz[])
        AS e(id, history_id, effect, kind, recipient, lane_id, state, reason, due_at)
      JOIN moved m ON m.history_id = e.history_id
)
"""


class Moved(NamedTuple):
    """A move that is about to be written, and what it starts."""

    history_id: UUID
    customer_id: UUID
    effects: Sequence[Effect]
    made_by: tuple[str, ...] = ()


class Started(NamedTuple):
    """A row to be: one effect of one move for one recipient."""

    history_id: UUID
    effect: Effect
    kind: str
    recipient: str
    lane_id: UUID
    state: str
    reason: str
    due_at: dt.datetime


def plan_effects(
    moves: Sequence[Moved], *, tenant_id: UUID, now: dt.datetime, writes: bool = True
) -> Mapping[UUID, Sequence[Started]]:
    """The rows of each move, by its history row. ``writes``: they are about to be written, not only shown.

    No statement without effects; else one, two where people are reached, however many moves there are (and two more the
    first time a tenant's effects are written).
    """
    moves = [move for move in moves if move.effects]
    if not moves:
        return {}
    # By their identity: thousands of moves start the same few.
    effects = {id(effect): effect for move in moves for effect in move.effects}.values()
    asks_people = any(planner_of(effect).asks_people for effect in effects)
    reached = _read_reached(tenant_id, {move.customer_id for move in moves}) if asks_people else {}
    members, lanes = _read_members(tenant_id, _names_in(effects))
    if not lanes.keys() >= set(LANES):
        if writes:
            make_lanes(tenant_id)
            members, lanes = _read_members(tenant_id, _names_in(effects))
        else:
            lanes = dict.fromkeys(LANES, NO_LANE_YET) | lanes
    no_one = Reached()
    return {
        move.history_id: [
            Started(
                move.history_id,
                effect,
                target.kind or effect.kind,
                target.recipient,
                lanes[target.lane],
                target.state,
                target.reason,
                now + target.delay,
            )
            for effect in move.effects
            for target in _once(
                planner_of(effect).targets(effect, reached.get(move.customer_id, no_one), members, move.made_by)
            )
        ]
        for move in moves
    }


def mute_effects(rows: Iterable[Started]) -> list[Started]:
    """The same rows, none of which will run: why no one heard of the change has an answer."""
    return [row._replace(state=EffectRun.SUPPRESSED, reason=MUTED) for row in rows]


def _once(targets: Iterable[Target]) -> Iterable[Target]:
    """Each recipient once, as soon as they are reached: a second row would be refused, and the move with it."""
    reached: dict[str, Target] = {}
    for target in targets:
        reached.setdefault(target.recipient, target)
    return reached.values()


def as_columns(rows: Iterable[Started]) -> dict[str, Any]:
    """The parameters of ``START``."""
    rows = list(rows)
    return {
        "effect_ids": plain_array(uuid7() for _ in rows),
        "effect_history_ids": plain_array(row.history_id for row in rows),
        "effects": text_array([row.effect.name for row in rows]),
        "effect_kinds": text_array([row.kind for row in rows]),
        "effect_recipients": text_array([row.recipient for row in rows]),
        "effect_lane_ids": plain_array(row.lane_id for row in rows),
        "effect_states": text_array([row.state for row in rows]),
        "effect_reasons": text_array([row.reason for row in rows]),
        "effect_due_at": text_array([row.due_at.isoformat() for row in rows]),
    }


def _names_in(effects: Iterable[Effect]) -> list[str]:
    """The user names that effects name."""
    named = (to for effect in effects for part in (effect.to, *(step.to for step in effect.escalate)) for to in part)
    return sorted({name_of_user(to) for to in named if to.startswith(USER_PREFIX)})


def _read_reached(tenant_id: UUID, customer_ids: Iterable[UUID]) -> dict[UUID, Reached]:
    with prepared_cursor("default") as cursor:
        cursor.execute(_REACH, {"tenant_id": tenant_id, "ids": plain_array(customer_ids)})
        return {
            UUID(id_): Reached(owner, tuple((UUID(contact_id), role) for contact_id, role in contacts))
            for id_, owner, contacts in cursor.fetchall()
        }


def _read_members(tenant_id: UUID, names: Sequence[str]) -> tuple[Members, dict[str, UUID]]:
    managers: list[UUID] = []
    admins: list[UUID] = []
    named: dict[str, UUID] = {}
    endpoints: dict[str, UUID] = {}
    lanes: dict[str, UUID] = {}
    roles = text_array([Role.ACCOUNT_MANAGER.value, Role.TENANT_ADMIN.value])
    with prepared_cursor("default") as cursor:
        cursor.execute(_MEMBERS, {"tenant_id": tenant_id, "roles": roles, "names": text_array(names)})
        for what, name, url, id_ in cursor.fetchall():
            if what == "user":
                named[url] = id_
                if name in (Role.ACCOUNT_MANAGER, Role.TENANT_ADMIN):
                    (managers if name == Role.ACCOUNT_MANAGER else admins).append(id_)
            elif what == "lane":
                lanes[name] = id_
            else:
                endpoints |= {name: id_, url: id_}
    return Members(tuple(managers), tuple(admins), named, endpoints), lanes


def make_lanes(tenant_id: UUID) -> None:
    """Make the tenant's lanes that are not there yet. One statement."""
    with prepared_cursor("default") as cursor:
        cursor.execute(_MAKE_LANES, {"tenant_id": tenant_id, "names": text_array(LANES)})
