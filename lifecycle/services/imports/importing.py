"""Importing a file: batch by batch, each a transaction; invalid lines are set aside, good ones are committed.

The same file again changes nothing: customers are known by their external id, and what is known already is not
written again. The stage of a customer that is known is left alone: a stage in the file places new customers only.
"""

import datetime as dt
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from uuid import UUID

from django.db import DataError, IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services.administration import record_administration
from lifecycle.rules.fields import BILLING, amounts_of
from lifecycle.rules.transitions import Change, Refused, Status, decide
from lifecycle.sentences import say_for_record
from lifecycle.services.customers.facts import ContactFacts, CustomerFacts
from lifecycle.services.customers.recording import record_customers
from lifecycle.services.customers.statistics import LARGE_LOAD, refresh_statistics
from lifecycle.services.imports.columns import ColumnPlan
from lifecycle.services.imports.counts import Counts, total_of
from lifecycle.services.imports.files import Record, RecordReader
from lifecycle.services.imports.known import Known, load_known
from lifecycle.services.imports.lines import Line, read_line
from lifecycle.services.imports.rejects import Rejects
from lifecycle.services.imports.values import InvalidCell
from storage.timeouts import JOB_SECONDS, allow_seconds
from tenants.actors import Actor, TenantRef
from tenants.context import tenant_context
from tenants.rules.configuration.policy import Policy
from tenants.rules.values import InvalidValue, read_amount
from tenants.sentences import describe_value
from tenants.services.configuration.policies import live_policy

SOURCE = "Import"
FACTS_SOURCE = "/import"
BATCH = 1000
# However long the records are: of one batch all are in memory.
BATCH_CHARACTERS = 4_000_000
_NO_ONE = UUID(int=0)


class _PolicyChanged(Exception):
    """A configuration was published between judging and placing: the batch is judged again."""


class EffectsNotAgreed(Exception):
    """The batch at hand would start more than was agreed to, and was not imported: a configuration was published
    since, or new customers are more than were counted. The argument is the name of the effect.
    """


class Import:
    """One run over one file. Iterate over it: after each batch it gives the counts, and may be left."""

    def __init__(
        self,
        reader: RecordReader,
        plan: ColumnPlan,
        rejects: Rejects,
        *,
        name: str,
        tenant: TenantRef,
        actor: Actor,
        begun: dt.datetime,
        as_of: dt.datetime | None = None,
        batch_size: int = BATCH,
        dry_run: bool = False,
        starts_effects: bool = False,
        agreed: Mapping[str, int] | None = None,
        done: Counts | None = None,
        done_effects: Mapping[str, int] | None = None,
    ) -> None:
        """``begun``: when the import began first: by it lines are read, and values are older or newer than others; what
        is written, is written at the present. ``as_of``: when the file was exported, if not then: what is known from
        later than that is not overwritten.

        ``starts_effects``: placing a new customer starts what entering its stage starts; of each effect as many as were
        ``agreed`` to, None: any number. Above that the iteration raises EffectsNotAgreed and keeps what was committed.
        ``effects`` counts what is started, or would be.

        ``done`` and ``done_effects``: what an earlier run with the same ``begun`` has committed, to go on behind it.
        """
        self.reader, self.plan, self.rejects, self.name = reader, plan, rejects, name
        self.tenant, self.actor, self.begun = tenant, actor, begun
        self.as_of = min(as_of or begun, begun)
        self.batch_size, self.dry_run = batch_size, dry_run
        self.starts_effects, self.agreed = starts_effects, agreed
        self.effects = Counter(done_effects or {})
        self.counts = done or Counts()

    def __iter__(self) -> Iterator[Counts]:
        with _Seen() as seen:
            for batch in _take_batches(self.reader, self.batch_size):
                errors: dict[int, tuple[Record, str]] = {}
                # Also what was done before: it names customers that the rest must not name again.
                lines = self._read(batch, seen, errors)
                if batch[-1].line > self.counts.line:
                    self._commit(batch, lines, errors)
                yield self.counts

    def _commit(self, batch: Sequence[Record], lines: list[Line], errors: dict[int, tuple[Record, str]]) -> None:
        """A batch and what is noted about it, in one transaction: a kill leaves both or neither."""
        last = self.counts.line
        # Where batches were longer when an earlier run ended.
        lines = [line for line in lines if line.record.line > last]
        errors = {number: error for number, error in errors.items() if number > last}
        with tenant_context(self.tenant.id):
            allow_seconds(JOB_SECONDS)
            self.rejects.begin()
            written = _Written(errors)
            self._write(lines, written)
            effects = self.effects + written.effects
            if self.starts_effects and self.agreed is not None:
                for name, count in effects.items():
                    if count > self.agreed.get(name, 0):
                        raise EffectsNotAgreed(name)
            counts = Counts(
                line=batch[-1].line,
                position=self.reader.position,
                created=self.counts.created + written.created,
                changed=self.counts.changed + written.changed,
                unchanged=self.counts.unchanged + written.unchanged,
                rejected=self.counts.rejected + len(written.errors),
            )
            self.rejects.keep([error for _, error in sorted(written.errors.items())], counts, effects)
        self.counts, self.effects = counts, effects

    def _read(self, batch: Sequence[Record], seen: "_Seen", errors: dict[int, tuple[Record, str]]) -> list[Line]:
        lines = []
        for record in batch:
            if record.error is not None:
                errors[record.line] = record, _("The line %(error)s.") % {"error": _(record.error)}
                continue
            try:
                line = read_line(record, self.plan, now=self.begun)
            except InvalidCell as error:
                errors[record.line] = record, str(error)
                continue
            earlier = seen.line_of(line.external_id, record.line)
            if earlier != record.line:
                sentence = _("Line %(line)s names the same customer, “%(id)s”.")
                errors[record.line] = record, sentence % {"line": earlier, "id": line.external_id}
                continue
            lines.append(line)
        return lines

    def _write(self, lines: Sequence[Line], written: "_Written") -> None:
        if not lines:
            return
        try:
            with transaction.atomic():
                part = self._write_together(lines)
                if self.dry_run:
                    transaction.set_rollback(True)
        except _PolicyChanged:
            self._write(lines, written)
            return
        except (DataError, IntegrityError) as error:
            # Nothing that was read should be refused by the database: find the line, keep the others.
            if len(lines) == 1:
                sentence = _("The database refused it: %(error)s") % {"error": str(error).splitlines()[0]}
                written.errors[lines[0].record.line] = lines[0].record, sentence
                return
            self._write(lines[: len(lines) // 2], written)
            self._write(lines[len(lines) // 2 :], written)
            return
        written.add(part)

    def _write_together(self, lines: Sequence[Line]) -> "_Written":
        """All lines, but for those that the rules refuse."""
        written = _Written({})
        policy = live_policy(self.tenant.id)
        known = load_known(lines, tenant=self.tenant)
        facts = []
        for line in lines:
            there = known.get(line.external_id)
            try:
                line = _fit_amounts(line, there)
            except InvalidCell as error:
                written.errors[line.record.line] = line.record, str(error)
                continue
            refusal = _judge(line, policy, is_new=there is None)
            if refusal is not None:
                written.errors[line.record.line] = line.record, say_for_record(refusal.message)
            elif (news := self._find_news(line, there)) is None:
                written.unchanged += 1
            else:
                facts.append(news)
        recorded = record_customers(
            facts,
            tenant=self.tenant,
            actor=self.actor,
            source=SOURCE,
            now=self._present(),
            create=True,
            starts_effects=self.starts_effects,
        )
        if any(result.placed and result.placed.refused for result in recorded):
            raise _PolicyChanged
        written.created = sum(result.created for result in recorded)
        written.changed = sum(result.changed and not result.created for result in recorded)
        written.unchanged += len(recorded) - written.created - written.changed
        written.effects.update(effect.name for result in recorded if result.placed for effect in result.placed.effects)
        return written

    def _find_news(self, line: Line, known: Known | None) -> CustomerFacts | None:
        """What the line says that is not known yet; None when there is nothing."""
        contacts: Sequence[ContactFacts] | None
        if known is None:
            company, billing, support = line.company, line.billing, line.support
            contacts = line.contacts if line.contacts is not None else [line.contact] if line.contact else None
        else:
            company, billing, support = known.news_of(line)
            contacts = known.contacts_after(line)
            if not (company or billing or support or contacts is not None):
                return None
        return CustomerFacts(
            external_id=line.external_id,
            source=FACTS_SOURCE,
            occurred_at=self.as_of,
            event_id=f"{self.name}:{line.record.line}"[-255:],
            company=company,
            contacts=contacts,
            billing=billing,
            support=support,
            stage=line.stage,
            reason_code=line.reason_code,
            stage_entered_at=line.stage_entered_at,
        )

    def record_run(self) -> None:
        """Note in the administration log that, and with which outcome, the file was imported.

        After a large one the planner learns of it, so that the next page is as fast as ever.
        """
        counts = self.counts
        if counts.created + counts.changed >= LARGE_LOAD:
            refresh_statistics()
        with tenant_context(self.tenant.id):
            record_administration(
                "import_customers",
                self.name[-255:],
                tenant_id=self.tenant.id,
                actor=self.actor,
                detail={
                    "lines": self.counts.good + self.counts.rejected,
                    **total_of(self.counts),
                    **({"effects": dict(self.effects)} if self.starts_effects else {}),
                },
                now=self._present(),
            )

    def _present(self) -> dt.datetime:
        """Now; never before the import began, by whichever machine's clock that was."""
        return max(timezone.now(), self.begun)


def _take_batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """So many records at a time, or fewer long ones."""
    batch: list[Record] = []
    length = 0
    for record in records:
        batch.append(record)
        length += len(record.text)
        if len(batch) == size or length >= BATCH_CHARACTERS:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch


@dataclass(slots=True)
class _Written:
    """What became of the lines of one transaction."""

    errors: dict[int, tuple[Record, str]]
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    effects: Counter[str] = field(default_factory=Counter)

    def add(self, other: "_Written") -> None:
        """Count in another part of the lines."""
        self.errors |= other.errors
        self.created += other.created
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.effects += other.effects


def _fit_amounts(line: Line, known: Known | None) -> Line:
    """The line with every amount in the decimals of its currency. Raises InvalidCell for one that has more."""
    amounts = [field.name for field in amounts_of(BILLING) if field.name in line.billing]
    currency = line.billing.get("currency") or (known.billing["currency"] if known else None)
    if not amounts or not currency:
        return line
    fitted = dict(line.billing)
    for name in amounts:
        try:
            fitted[name] = read_amount(fitted[name], currency)
        except InvalidValue as error:
            sentence = _("“%(column)s” %(error)s: “%(text)s”.")
            shown = {"column": f"billing.{name}", "error": describe_value(error), "text": fitted[name]}
            raise InvalidCell(sentence % shown) from error
    return replace(line, billing=fitted)


def _judge(line: Line, policy: Policy, *, is_new: bool) -> Refused | None:
    """The refusal of the line's stage: as a placement for a new customer, as a name for a known one."""
    if not is_new and (line.stage is None or policy.canonical_stage(line.stage) is not None):
        return None
    decision = decide(
        policy,
        Status(customer_id=_NO_ONE, stage=None, version=0),
        Change(customer_id=_NO_ONE, stage=line.stage or policy.initial, reason_code=line.reason_code),
        may_update=True,
    )
    return decision if isinstance(decision, Refused) else None


class _Seen:
    """Which customers the file has named, and in which line: on the disk, so that memory does not grow with it."""

    def __enter__(self) -> "_Seen":
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._database.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def line_of(self, external_id: str, line: int) -> int:
        """The first line that named the customer: ``line`` itself, if none did before."""
        key = blake2b(external_id.encode(), digest_size=16).digest()
        row = self._database.execute(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET line = line RETURNING line", (key, line)
        ).fetchone()
        return int(row[0])
