"""What was known of customers and when, read for rules: many customers at a time, in three statements."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

import orjson
from django.db import connection

from lifecycle.queries import risk as queries
from lifecycle.rules.figures import ARR, CURRENCY
from lifecycle.rules.precedence import FOR_GOOD
from lifecycle.rules.risk.alarms import FOREVER, Change, Past, StayKnown
from lifecycle.rules.risk.figures import reported_paths
from storage.cursors import plain_array, text_array
from tenants.actors import TenantRef
from tenants.rules.configuration.categories import LOST
from tenants.rules.configuration.policy import Policy
from tenants.rules.configuration.risk_rules import RiskRule
from tenants.services.configuration.former_stages import read_former_stages
from tenants.services.configuration.versions import present_name, present_names

# As it was known here by then, or as it was: history that was loaded from elsewhere was known only when it came.
RECORDED: Final = "recorded"
EFFECTIVE: Final = "effective"
KNOWN: Final = (RECORDED, EFFECTIVE)

Read = Iterator[tuple[UUID, Past, list[int]]]
CategoryOf = Callable[[str], str]


_NO_MOVES: Final = ((), (), (), (), ())


def know_categories(policy: Policy, *, live: Policy, tenant: TenantRef, renamed: Mapping[str, str]) -> CategoryOf:
    """What stages mean in a configuration; those that it has no more mean what they meant last.

    ``renamed``: live name of a stage -> its name in it. Two statements at most. Call inside the tenant's context.
    """
    renames = present_names(tenant)
    former = read_former_stages(tenant, live=live.version)
    meant = {present_name(one.name, one.version, renames): one.category for one in former}
    meant |= {renamed.get(name, name): live.category(name) for name in live.stages}

    def category_of(stage: str) -> str:
        if stage in policy.definitions:
            return policy.category(stage)
        return meant.get(stage) or policy.category(stage)

    return category_of


def paths_of(rules: Iterable[RiskRule]) -> tuple[str, ...]:
    """The reported figures that the rules need, and those of the revenue that is at stake."""
    needed = {path for rule in rules for one in rule.when for path in reported_paths(one.field)}
    return tuple(sorted(needed | {ARR, CURRENCY}))


class PastReader:
    """Reads the past of a tenant's customers for rules of one configuration.

    ``renamed``: live name of a stage -> its name in that configuration; ``category_of`` knows its categories. Make it
    inside the tenant's context: one statement.
    """

    def __init__(
        self,
        rules: Sequence[RiskRule],
        *,
        category_of: CategoryOf,
        tenant: TenantRef,
        known: str = RECORDED,
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self._paths = paths_of(rules)
        self._wanted = frozenset(self._paths)
        self._category_of = category_of
        self._tenant = tenant
        self._known = known
        self._renamed = renamed or {}
        self._renames = present_names(tenant)
        self._names: dict[tuple[str, int], str] = {}

    def read(self, customer_ids: Sequence[UUID]) -> Read:
        """Each customer with its past, and when it was lost. Three statements for any number of customers."""
        ids = plain_array(customer_ids)
        moves = {customer_id: rows for customer_id, *rows in self._ask(queries.MOVES, ids)}
        changes = self._read_changes(ids)
        self._add_present(changes, ids)
        for customer_id in customer_ids:
            text = str(customer_id)
            stages, versions, effective, recorded, by_configuration = moves.get(text, _NO_MOVES)
            names = list(map(self._name, stages, versions))
            stays = self._stays(names, effective, recorded)
            yield customer_id, Past(changes.get(text, {}), stays), self._churns(stays, names, by_configuration)

    def _name(self, name: str, version: int) -> str:
        known = self._names.get((name, version))
        if known is None:
            live = present_name(name, version, self._renames)
            known = self._names[name, version] = self._renamed.get(live, live)
        return known

    def _read_changes(self, ids: str) -> dict[str, dict[str, list[Change]]]:
        changes: dict[str, dict[str, list[Change]]] = {}
        wanted = self._wanted
        rows = self._ask(queries.CHANGES[self._known], ids, paths=text_array(self._paths))
        for customer_id, timestamps, texts in rows:
            of_customer = changes[customer_id] = {path: [] for path in self._paths}
            for at, figures in zip(timestamps, orjson.loads(f"[{texts}]"), strict=True):
                for path, value in figures.items():
                    if path in wanted:
                        of_customer[path].append((at, value))
        return changes

    def _add_present(self, changes: dict[str, dict[str, list[Change]]], ids: str) -> None:
        """Of a figure whose past was not kept the value counts since its time."""
        for customer_id, *values in self._ask(queries.present_statement(self._paths), ids):
            of_customer = changes.get(customer_id)
            if of_customer is None:
                of_customer = changes[customer_id] = {path: [] for path in self._paths}
            for number, path in enumerate(self._paths):
                value, at = values[2 * number], values[2 * number + 1]
                if value not in (None, "") and not of_customer[path] and at is not None and at < FOR_GOOD:
                    of_customer[path].append((at, value))

    def _stays(self, names: Sequence[str], effective: Sequence[int], recorded: Sequence[int]) -> list[StayKnown]:
        """The stays on the time that counts; neither time goes back in the order of the history."""
        entered = list(accumulate(effective, max))
        since = entered if self._known == EFFECTIVE else list(map(max, entered, accumulate(recorded, max)))
        return list(map(StayKnown, since, [*since[1:], FOREVER], names, entered))

    def _churns(self, stays: Sequence[StayKnown], names: Sequence[str], by_configuration: Sequence[bool]) -> list[int]:
        """When the customer was lost: it came to a stage of the lost from another, and no publication moved it."""
        lost = {name for name in set(names) if self._category_of(name) == LOST}
        if not lost:
            return []
        return [
            stays[number].since
            for number in range(1, len(names))
            if names[number] in lost and names[number - 1] not in lost and not by_configuration[number]
        ]

    def _ask(self, statement: str, ids: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"tenant_id": self._tenant.id, "customer_ids": ids, **parameters})
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
