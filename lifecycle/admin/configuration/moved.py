"""What became of the customers that publications move: said as it is when the page is read, not as it was expected."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from lifecycle.admin.configuration.judging import LiveState
from lifecycle.models import StageMigration
from tenants.models import ConfigurationVersion
from tenants.sentences.figures import say_number

MovesByRequest = Mapping[UUID, Sequence[StageMigration]]


def read_moves(versions: Collection[ConfigurationVersion], *, live_state: LiveState) -> MovesByRequest:
    """The moves that each of the publications has started, by the request of the publication. One statement."""
    requests = [version.request_id for version in versions if version.request_id is not None]
    moves: dict[UUID, list[StageMigration]] = {}
    for move in StageMigration.objects.filter(tenant_id=live_state.tenant.id, request_id__in=requests).order_by("id"):
        moves.setdefault(move.request_id, []).append(move)
    return moves


def say_moved(version: ConfigurationVersion, moves: MovesByRequest, *, live_state: LiveState) -> str:
    """How many customers the publication of a version has moved, moves, or could not move; empty if none were to."""
    started = moves.get(version.request_id, ()) if version.request_id is not None else ()
    total, moved = sum(move.total for move in started), sum(move.moved for move in started)
    if not total:
        return ""
    shown = {"moved": say_number(moved), "total": say_number(total)}
    if moved >= total:
        return ngettext("%(moved)s customer has moved.", "%(moved)s customers have moved.", moved) % shown
    if any(move.finished_at is None for move in started):
        if not moved:
            return ngettext("%(total)s customer is being moved.", "%(total)s customers are being moved.", total) % shown
        return _("%(moved)s of %(total)s customers have moved; the others are being moved.") % shown
    said = ngettext("%(moved)s of %(total)s customer has moved.", "%(moved)s of %(total)s customers have moved.", total)
    return f"{said % shown} {_say_rest(started, total - moved, live_state)}"


def _say_rest(moves: Sequence[StageMigration], rest: int, live_state: LiveState) -> str:
    left = {move.from_stage for move in moves} & set(live_state.leaving)
    still = min(rest, sum(live_state.customers.get(stage, 0) for stage in left))
    if still:
        said = ngettext(
            "%(count)s could not be moved and is still in a removed stage: move it from its page.",
            "%(count)s could not be moved and are still in a removed stage: move them from the list.",
            still,
        )
        return said % {"count": say_number(still)}
    said = ngettext("%(count)s had already been moved elsewhere.", "%(count)s had already been moved elsewhere.", rest)
    return said % {"count": say_number(rest)}
