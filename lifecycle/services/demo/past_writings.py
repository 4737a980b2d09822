"""What people wrote and did about the demo's customers when they were at risk before: whom they called, and when.
Of some nothing: so Insight can compare those who were called with those who were not.
And what automations wrote to customers.

Who was called is made up after how it ended, so that calling helps some, as it does: neither everyone nor no one.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random
from types import MappingProxyType
from typing import Final
from uuid import UUID

from lifecycle.services.demo.past_mail import PastMail
from lifecycle.services.demo.past_work import PastNote, PastTask
from lifecycle.services.demo.scenarios import Scenario
from lifecycle.services.demo.stories import SEED, Step, Story, while_at_work
from lifecycle.services.demo.writings import TEXTS, Writings
from lifecycle.services.work.notes import By
from tenants.actors import Actor, TenantRef
from tenants.rules.configuration.categories import LOST, RISK
from tenants.rules.configuration.effect_kinds import CONTACTS, KINDS
from tenants.rules.configuration.policy import Policy

_A_DAY: Final = dt.timedelta(days=1)
# What is written to customers waits for so long, so that it can be taken back.
_HELD: Final = dt.timedelta(minutes=KINDS["email"].customer_hold_minutes)
# Of those that recovered, and of those that were lost, so many had been taken care of in their first days.
_WORKED_ON: Final = MappingProxyType({True: 0.72, False: 0.5})
# What was written down of it: a note and the call, the note alone, or the call alone.
_NOTED, _CALLED = 0.9, 0.75


def find_past_episodes(scenario: Scenario, story: Story) -> Iterator[tuple[Step, Step]]:
    """Each time that the customer came to be at risk and is not any more: the step into it, and the step out of it."""
    categories, entered = scenario.document["categories"], None
    for before, step in pairwise((story.placed, *story.moves)):
        if categories[step.stage] == RISK:
            entered = step if categories[before.stage] != RISK else entered
        elif entered is not None:
            yield entered, step
            entered = None


def plan_past_work(
    scenario: Scenario, story: Story, customer_id: UUID, *, tenant: TenantRef, managers: Mapping[str, Actor]
) -> tuple[list[PastNote], list[PastTask]]:
    """The notes and tasks of the customer's past episodes. The same each time; no statement."""
    notes: list[PastNote] = []
    tasks: list[PastTask] = []
    for entered, left in find_past_episodes(scenario, story):
        seed = f"{SEED}|{scenario.slug}|{story.external_id}|{entered.at.isoformat()}|past"
        dice = Random(seed)  # noqa: S311  made-up data
        is_saved = scenario.document["categories"][left.stage] != LOST
        writings = TEXTS[scenario.language]
        if entered.reason_code in writings.by_reason and dice.random() < _WORKED_ON[is_saved]:
            past = _Past(writings, story, customer_id, tenant, managers, dice)
            past.write(entered, left)
            notes += past.notes
            tasks += past.tasks
    return notes, tasks


def plan_past_mail(
    policy: Policy, stories: Sequence[Story], ids: Mapping[str, UUID], *, until: dt.datetime
) -> list[PastMail]:
    """What the automations of this configuration wrote to customers at every move until then. No statement."""
    return [
        PastMail(ids[story.external_id], effect.name, step.at, step.at + _HELD)
        for story in stories
        for before, step in pairwise((story.placed, *story.moves))
        if step.at <= until
        for effect in policy.effects_of(before.stage, step.stage, step.entry_point)
        if effect.kind == "email" and CONTACTS in effect.to
    ]


class _Past:
    """What the owner did about one episode."""

    def __init__(
        self,
        writings: Writings,
        story: Story,
        customer_id: UUID,
        tenant: TenantRef,
        managers: Mapping[str, Actor],
        dice: Random,
    ) -> None:
        self._writings, self._customer_id, self._dice = writings, customer_id, dice
        self._tenant, self._actor = tenant, managers[story.owner]
        contacts = story.facts[0].contacts or ()
        self._contact = contacts[0].name
        self.notes: list[PastNote] = []
        self.tasks: list[PastTask] = []

    def write(self, entered: Step, left: Step) -> None:
        """A call within days, what it brought, what was promised; and how it went on, where that took weeks."""
        dice, span = self._dice, left.at - entered.at
        text, promise = self._writings.by_reason[entered.reason_code or ""]
        called_at = entered.at + min(dice.uniform(0.1, 4) * _A_DAY, span * 0.5)
        called_at = while_at_work(called_at, after=entered.at, before=left.at)
        is_noted, is_called = dice.random() < _NOTED, dice.random() < _CALLED
        if is_noted:
            self._note(text, called_at)
        if is_called or not is_noted:
            self._task(self._writings.first_call, entered.at, called_at)
        if dice.random() < 0.6:
            self._task(promise, called_at, called_at + min(dice.uniform(1, 8) * _A_DAY, (left.at - called_at) * 0.8))
        if span > 20 * _A_DAY and dice.random() < 0.5:
            self._note(dice.choice(self._writings.later), entered.at + span * dice.uniform(0.6, 0.95))

    def _note(self, text: str, at: dt.datetime) -> None:
        self.notes.append(PastNote(self._customer_id, self._say(text), self._by(at)))

    def _task(self, title: str, at: dt.datetime, done_at: dt.datetime) -> None:
        due_on = done_at.date() + self._dice.randint(0, 2) * _A_DAY
        self.tasks.append(PastTask(self._customer_id, self._say(title), self._by(at), due_on, self._by(done_at)))

    def _say(self, text: str) -> str:
        return text.format(name=self._contact)

    def _by(self, at: dt.datetime) -> By:
        return By(self._tenant, self._actor, at, is_backdated=True)
