"""``manage.py import_customers``: customers from a file that any CRM exports."""

import sys
from argparse import ArgumentTypeError
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError
from django.utils import timezone

from audit.management.reporting import OperatorCommand
from lifecycle.management.progress import ProgressBar
from lifecycle.management.reading import read_json_object
from lifecycle.management.stopping import stop_on_signals
from lifecycle.rules.fields import CONTACTS
from lifecycle.services.imports.columns import FIELDS, ColumnPlan, MappingRefused, plan_columns
from lifecycle.services.imports.counts import total_of
from lifecycle.services.imports.files import RecordReader, find_kind, open_file
from lifecycle.services.imports.importing import BATCH, Import
from lifecycle.services.imports.kinds import CSV, NDJSON
from lifecycle.services.imports.rejects import RejectFile
from lifecycle.services.imports.survey import left_out, survey_columns
from lifecycle.services.imports.texts import FileRefused
from lifecycle.services.imports.values import read_timestamp
from tenants.actors import TenantRef, system_actor
from tenants.homes import at_home
from tenants.management.choosing import choose_tenant
from tenants.rules.values import InvalidValue
from tenants.services.configuration.policies import NoConfiguration


def read_batch_size(text: str) -> int:
    """From 1 to 10,000 lines."""
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is not a number of lines from 1 to 10000.")
    return int(text)


class Command(OperatorCommand):
    """Import customers; exit status 0 only if every line was good."""

    help = (
        "Create and update customers from a CSV or NDJSON file. Invalid lines go to a reject file, good ones are kept. "
        "Running it again changes nothing. Columns are known by their usual names; --mapping names others. A file "
        "that could be in several encodings, or have several ids of a customer, is refused and says which. "
        f"The fields: {', '.join(FIELDS)}."
    )

    def add_arguments(self, parser: Any) -> None:
        """Options."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--tenant", required=True, help="The slug of the tenant.")
        parser.add_argument("--mapping", type=Path, help='A JSON object: {"Column": "field", "Other": null}.')
        parser.add_argument("--format", choices=[CSV, NDJSON], help="By default taken from the file name.")
        parser.add_argument("--encoding", help="If not UTF-8: windows-1250, koi8-r, shift-jis and so on.")
        parser.add_argument("--batch-size", type=read_batch_size, default=BATCH, help="Lines per transaction.")
        parser.add_argument("--as-of", help="When the file was exported; what is known from later is left alone.")
        parser.add_argument(
            "--start-effects",
            action="store_true",
            help="New customers start what entering their stage starts. Without it an import starts nothing.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Check every line and write nothing.")
        parser.add_argument("--reject-file", type=Path, help="By default FILE.rejected with the same ending.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Open, import, say what became of it."""
        path: Path = options["file"]
        tenant = choose_tenant(options["tenant"])
        try:
            with at_home(tenant.id), open_file(path) as file:
                reader = _open_reader(file, path, kind=options["format"], encoding=options["encoding"])
                size = path.stat().st_size
                plan = self._plan(reader, _read_mapping(options["mapping"]), title=path.name, size=size)
                reject_path = options["reject_file"] or path.with_name(f"{path.stem}.rejected{path.suffix}")
                if reject_path.absolute() == path.absolute():
                    raise FileRefused("rejects_into_itself")
                with RejectFile(reject_path, reader) as rejects:
                    run = Import(
                        reader,
                        plan,
                        rejects,
                        name=path.name,
                        tenant=tenant,
                        actor=system_actor("import_customers"),
                        begun=timezone.now(),
                        as_of=_read_as_of(options["as_of"]),
                        batch_size=options["batch_size"],
                        dry_run=options["dry_run"],
                        starts_effects=options["start_effects"],
                    )
                    self._work(run, tenant, size=size, rejects=rejects)
        except (FileRefused, MappingRefused, NoConfiguration) as refusal:
            raise CommandError(str(refusal)) from refusal

    def _plan(self, reader: RecordReader, mapping: Mapping[str, str | None], *, title: str, size: int) -> ColumnPlan:
        """The columns, after a look at every line; says what was decided."""
        with ProgressBar(
            f"{title}: columns", size, stream=self.stderr, terminal=sys.stderr, unit="B", scale=True
        ) as bar:
            evidence = survey_columns(reader, mapping, bar.update)
        plan = plan_columns(tuple(reader.columns or evidence.columns), mapping, evidence)
        if reader.encoding != "utf-8":
            self.stdout.write(f"read as {reader.encoding}")
        for note in plan.notes:
            self.stdout.write(f"{note}; --mapping can say otherwise")
        ignored = [column for column in left_out(plan.ignored) if reader.kind == CSV or column != CONTACTS]
        if ignored:
            self.stdout.write(f"left out: {', '.join(ignored)}")
        return plan

    def _work(self, run: Import, tenant: TenantRef, *, size: int, rejects: RejectFile) -> None:
        stopped = False
        title = f"{tenant.slug}: {run.name}"
        with (
            stop_on_signals() as stop,
            ProgressBar(title, size, stream=self.stderr, terminal=sys.stderr, unit="B", scale=True) as bar,
        ):
            try:
                for counts in run:
                    bar.update(counts.position)
                    if stop:
                        stopped = counts.position < size
                        break
            except BaseException:
                if run.counts.line:
                    self._report(run, rejects)
                    self.stderr.write(f"Failed after line {run.counts.line}. {_again(run)}")
                raise
        counts = run.counts
        if not counts.line:
            raise CommandError("The file has no lines to import.")
        if not run.dry_run:
            run.record_run()
        self._report(run, rejects)
        if stopped:
            raise CommandError(f"Stopped after line {counts.line}. {_again(run)}")
        if counts.rejected:
            raise CommandError(f"{counts.rejected:,} of {counts.good + counts.rejected:,} lines were rejected.")

    def _report(self, run: Import, rejects: RejectFile) -> None:
        """What became of the lines so far, and where the rejected ones are."""
        reported = ", ".join(f"{number:,} {what}" for what, number in total_of(run.counts).items())
        self.stdout.write(f"{'nothing written; ' if run.dry_run else ''}{reported}")
        if run.counts.rejected:
            self.stdout.write(f"the rejected lines are in {rejects.path}")


def _again(run: Import) -> str:
    """What to do about a run that has not come to the end of its file."""
    return "Run it again." if run.dry_run else "Run it again: imported lines are skipped."


def _open_reader(file: BinaryIO, path: Path, *, kind: str | None, encoding: str | None) -> RecordReader:
    return RecordReader(file, find_kind(file, path, kind), encoding)


def _read_mapping(path: Path | None) -> Mapping[str, str | None]:
    mapping = read_json_object(path)
    if not all(value is None or isinstance(value, str) for value in mapping.values()):
        raise MappingRefused("mapping_malformed", path=path)
    return mapping


def _read_as_of(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return read_timestamp(text)
    except InvalidValue as error:
        raise CommandError(f"--as-of {error}.") from None
