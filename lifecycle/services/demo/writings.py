"""What people have written about the demo's customers: notes, tasks that are done, and tasks for the days to come.

Written through the services that the pages use, dated as if it had been written then. Only about the first customers:
as many as a team of this size would write about.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Final
from uuid import UUID

from lifecycle.services.demo.scenarios import Scenario
from lifecycle.services.demo.stories import SEED, Step, Story, while_at_work
from lifecycle.services.work.notes import By, write_note
from lifecycle.services.work.tasks import change_task, create_task
from tenants.actors import Actor, TenantRef

# Of a tenant's customers these many are written about.
WORKED_ON: Final = 2000
_RISKY, _ENGAGED = "risk", "engaged"
_A_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Writings:
    """The texts of one language. ``{name}`` is the customer's contact, ``{colleague}`` another account manager.

    ``by_reason``: what is noted, and what is to be done, about a customer at risk for this reason.
    """

    by_reason: Mapping[str, tuple[str, str]]
    first_call: str
    later: tuple[str, ...]
    mention: str
    routine: tuple[str, ...]


_ENGLISH: Final = Writings(
    by_reason=MappingProxyType(
        {
            "Low Engagement": (
                "Went through the usage report with {name}: only the planning team still logs in. They want a"
                " refresher for everybody else.",
                "Agree with {name} on a date for the refresher",
            ),
            "Support Escalation": (
                "{name} is upset: two tickets have been open since last month. I promised a call with support this"
                " week.",
                "Join the call of {name} with support",
            ),
            "Champion Left": (
                "Our champion has left. {name} takes over and does not know yet why they bought.",
                "Show {name} what the first year has brought",
            ),
            "Budget Cut": (
                "Their budget was cut by a fifth. {name} asks for an offer with fewer seats.",
                "Send {name} the smaller offer",
            ),
            "Late Payment": (
                "{name} says the invoice waits for a purchase order number, not for money.",
                "Ask accounting to send the invoice again with the number from {name}",
            ),
        }
    ),
    first_call="Call {name}",
    later=(
        "Spoke with {name} again: calmer than last time. They decide after their board meeting.",
        "{name} did not pick up. Left a message and sent three dates.",
        "{name} brought their head of finance. Price is not the point, they want to see adoption.",
    ),
    mention="@{colleague} you know {name} from the pilot: would you join the next call?",
    routine=(
        "Prepare the quarterly review with {name}",
        "Ask {name} whether they would be a reference",
        "Send {name} the invitation to the user day",
    ),
)
_GERMAN: Final = Writings(
    by_reason=MappingProxyType(
        {
            "Nutzung eingebrochen": (
                "Mit {name} die Nutzungszahlen durchgesehen: Nur noch die Planung meldet sich an. Gewünscht ist eine"
                " Schulung für alle anderen.",
                "Mit {name} einen Termin für die Schulung ausmachen",
            ),
            "Ansprechpartner gewechselt": (
                "{name} hat übernommen und weiß noch nicht, warum man sich für uns entschieden hat.",
                "{name} zeigen, was das erste Jahr gebracht hat",
            ),
            "Lieferprobleme": (
                "{name} ist verärgert: Zwei Lieferungen kamen zu spät. Ich habe bis Freitag eine Antwort zugesagt.",
                "Antwort der Logistik für {name} einholen",
            ),
            "Rechnung strittig": (
                "{name} bestreitet zwei Positionen der letzten Rechnung; der Rest wird bezahlt.",
                "Die zwei Positionen mit der Buchhaltung klären und {name} zurückrufen",
            ),
        }
    ),
    first_call="{name} anrufen",
    later=(
        "Noch einmal mit {name} gesprochen: ruhiger als beim letzten Mal. Entschieden wird nach der Vorstandssitzung.",
        "{name} nicht erreicht. Nachricht hinterlassen und drei Termine vorgeschlagen.",
        "{name} hat die Leitung der Finanzen mitgebracht. Am Preis liegt es nicht, sie wollen Nutzung sehen.",
    ),
    mention="@{colleague} du kennst {name} aus dem Pilotprojekt: Bist du beim nächsten Gespräch dabei?",
    routine=(
        "Das Quartalsgespräch mit {name} vorbereiten",
        "{name} fragen, ob wir sie als Referenz nennen dürfen",
        "{name} zum Anwendertag einladen",
    ),
)
TEXTS: Final[Mapping[str, Writings]] = MappingProxyType({"en": _ENGLISH, "de": _GERMAN})


def write_about(
    scenario: Scenario,
    stories: Sequence[Story],
    ids: Mapping[str, UUID],
    *,
    tenant: TenantRef,
    managers: Mapping[str, Actor],
    now: dt.datetime,
) -> None:
    """Write about those of the stories that people are busy with. Call in the transaction that makes the customers."""
    for story in stories:
        last = (story.moves or (story.placed,))[-1]
        category = scenario.document["categories"][last.stage]
        dice = Random(f"{SEED}|{scenario.slug}|{story.external_id}|writings")  # noqa: S311  made-up data
        desk = _Desk(TEXTS[scenario.language], story, ids[story.external_id], tenant, managers, now, dice)
        if category == _RISKY:
            desk.write_about_risk(last)
        elif category == _ENGAGED and dice.random() < 0.03:
            desk.write_routine()


@dataclass(frozen=True, slots=True)
class _Desk:
    """The desk of the account manager who owns one customer."""

    writings: Writings
    story: Story
    customer_id: UUID
    tenant: TenantRef
    managers: Mapping[str, Actor]
    now: dt.datetime
    dice: Random

    def write_about_risk(self, entered: Step) -> None:
        """A first call, what it brought, what comes next; of some nothing yet, so that someone has to call them."""
        reason = entered.reason_code or ""
        if reason not in self.writings.by_reason or self.dice.random() < 0.2:
            return
        note, step = self.writings.by_reason[reason]
        # Within a day or two, however long ago that was.
        at = entered.at + min(self.dice.uniform(0.1, 2) * _A_DAY, (self.now - entered.at) * 0.5)
        at = while_at_work(at, after=entered.at, before=self.now)
        by = self._by(at)
        call = create_task(
            self.customer_id, self._say(self.writings.first_call), by=self._by(entered.at), due_on=at.date()
        )
        change_task(call["id"], customer_id=self.customer_id, by=by, done=True)
        write_note(self.customer_id, self._say(note), by=by)
        if self.dice.random() < 0.75:
            create_task(
                self.customer_id, self._say(step), by=by, due_on=self._working_day(-3, 12), assignee=self.story.owner
            )
        if self.now - at > 7 * _A_DAY and self.dice.random() < 0.5:
            later = self.now - self.dice.uniform(0.2, 5) * _A_DAY
            later = while_at_work(later, after=at, before=self.now)
            write_note(self.customer_id, self._say(self.dice.choice(self.writings.later)), by=self._by(later))
        if self.dice.random() < 0.15:
            write_note(
                self.customer_id, self._say(self.writings.mention), by=self._by(max(at, self.now - 0.1 * _A_DAY))
            )

    def write_routine(self) -> None:
        """What an account manager does with customers who are well."""
        title = self._say(self.dice.choice(self.writings.routine))
        by = self._by(self.now - self.dice.uniform(1, 9) * _A_DAY)
        create_task(self.customer_id, title, by=by, due_on=self._working_day(1, 30), assignee=self.story.owner)

    def _by(self, at: dt.datetime) -> By:
        return By(self.tenant, self.managers[self.story.owner], at, is_backdated=True)

    def _say(self, text: str) -> str:
        contacts = self.story.facts[0].contacts or ()
        others = [username for username in self.managers if username != self.story.owner]
        colleague = self.dice.choice(others).partition("@")[0] if others else self.story.owner
        return text.format(name=contacts[0].name, colleague=colleague)

    def _working_day(self, first: int, last: int) -> dt.date:
        day = self.now.date() + dt.timedelta(days=self.dice.randint(first, last))
        return day + dt.timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)
