"""Files of any size, and signals while one is imported."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lifecycle.services.imports.files import Record
from lifecycle.services.imports.importing import _take_batches
from tenants.actors import TenantRef
from tests.services.importing import customers, run, write

GROWTH = """
import sys; from pathlib import Path
import django; django.setup()
from django.utils import timezone
from lifecycle.services.imports.columns import plan_columns
from lifecycle.services.imports.files import RecordReader, open_file
from lifecycle.services.imports.importing import _Seen
from lifecycle.services.imports.lines import read_line
from lifecycle.services.imports.survey import gather_evidence
from lifecycle.services.imports.evidence import Evidence

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

now, early, count = timezone.now(), 5_000, 0
with open_file(Path(sys.argv[1])) as file, _Seen() as seen:
    reader = RecordReader(file, "csv")
    evidence = Evidence(reader.columns)
    for _ in gather_evidence(evidence, reader):
        if evidence.records == early:
            begun = resident()
    surveyed = resident() - begun
    plan = plan_columns(reader.columns, None, evidence)
    for record in reader:
        count += seen.line_of(read_line(record, plan, now=now).external_id, record.line) == record.line
        if count == early:
            begun = resident()
    print(count, surveyed, resident() - begun)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """From the 5,000th line to the 25,000th, looking at columns and reading take less than 75 bytes a line more."""
    path = tmp_path / "long.csv"
    with path.open("w") as file:
        file.write("id,name,industry,arr,email,contract id\n")
        for number in range(25_000):
            figures = f"{number % 9000}.50,a{number}@x.example,V-{number}"
            file.write(f"CUST-{number},Company {number} Industries Ltd,Manufacturing,{figures}\n")
    result = subprocess.run([sys.executable, "-c", GROWTH, str(path)], capture_output=True, text=True, check=True)
    count, surveyed, read = map(int, result.stdout.split())
    assert count == 25_000
    assert max(surveyed, read) < 1_500_000, (surveyed, read)


def test_long_records_are_worked_on_a_few_at_a_time() -> None:
    records = [Record(line, "x" * 900_000) for line in range(10)]
    assert [len(batch) for batch in _take_batches(iter(records), 1000)] == [5, 5]
    short = [Record(line, "x") for line in range(2_001)]
    assert [len(batch) for batch in _take_batches(iter(short), 1000)] == [1000, 1000, 1]


def test_sigterm_ends_it_between_batches_and_a_second_run_does_the_rest(
    tenant: TenantRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from lifecycle.services.imports import importing

    path = write(tmp_path / "a.csv", "id,name", *(f"{number},Company {number}" for number in range(30)))
    original = importing.Import._write

    def write_and_be_asked_to_stop(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(importing.Import, "_write", write_and_be_asked_to_stop)
        assert run(path, tenant, "--batch-size", "10")[2] == (
            "Stopped after line 11. Run it again: imported lines are skipped."
        )
    assert len(customers(tenant)) == 10
    assert "20 created, 0 changed, 10 unchanged" in run(path, tenant)[1]
