"""The shape of the source: imports go one way, services alone write, no code knows the name of a stage."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.factories import CONTRACT_EXAMPLE, SAAS
from tests.shape.writes import find_texts, find_writes, sources

ROOT = Path(settings.BASE_DIR)
PRODUCT = ("storage", "audit", "tenants", "lifecycle", "config")

# Writes outside of services, and why.
WRITERS = {
    "storage/cursors.py": "makes the beginning of the services' INSERT statements, with their columns named",
    "storage/periods.py": "the functions that rebuild and file tables, which the migrations make",
    "tenants/models/people.py": "Django's createsuperuser asks the manager to make the first super admin",
}
# Files that may call stages by name, and why.
STAGES_BY_NAME = {
    "lifecycle/api/openapi/examples.py": "examples in the description of the API",
    "lifecycle/messaging/positions.py": "the state in which librdkafka fetches a partition",
    "lifecycle/messaging/describing.py": "samples in the description of events",
    "lifecycle/services/demo/scenarios.py": "the configurations of the two demo tenants, and what happened there",
    **dict.fromkeys(
        (f"tenants/api/scim/{name}.py" for name in ("discovery", "queries", "resources")), "SCIM's attribute active"
    ),
    "tenants/rules/configuration/starters.py": "configurations to start from, offered to a new tenant",
    "tenants/rules/configuration/meaning.py": "guesses what a stage means when a configuration does not say",
}


def test_imports_go_one_way() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([sys.executable, str(program), "--no-cache"], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stdout + run.stderr


def test_each_decision_has_a_number_of_its_own_under_which_it_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    files = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name.partition("-")[0]) for name in files] == list(range(1, len(files) + 1))
    listed = re.findall(r"^(\d+)\. \[.+\]\((.+)\)$", (folder / "README.md").read_text(), flags=re.M)
    assert listed == [(str(number), name) for number, name in enumerate(files, start=1)]


def test_only_services_write() -> None:
    found = [
        str(write)
        for file, source in sources(ROOT, *PRODUCT)
        if "/services/" not in file and file not in WRITERS
        for write in find_writes(file, source)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "Customer.objects.create(name='x')",
        "Customer.objects.filter(id=1).update(name='x')",
        "Customer.objects.using('default').all().delete()",
        "await Customer.objects.abulk_create([])",
        "rows = Customer._base_manager.get_or_create(name='x')",
        "customer.save()",
        "await customer.asave(update_fields=['name'])",
        "self.get_queryset().update(name='x')",
        "form.instance.delete()",
        "cursor.execute('INSERT INTO lifecycle_customer VALUES (1)')",
        "cursor.execute(f'UPDATE {table} SET a = 1')",
        "SQL = 'WITH x AS (DELETE FROM lifecycle_customer RETURNING id) SELECT 1'",
    ],
)
def test_a_write_is_recognised(line: str) -> None:
    assert len(list(find_writes("entry_point.py", f"async def entry_point():\n    {line}"))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "{}.update(a=1)",
        "digest.update(b'x')",
        "bar.update(5)",
        "super().save(*args)",
        "Customer.objects.filter(id=1).first()",
        "serializer.create",
        "text = 'Update the customer and set its stage'",
    ],
)
def test_what_only_looks_like_a_write_is_left_alone(line: str) -> None:
    assert list(find_writes("entry_point.py", line)) == []


def test_no_code_knows_the_name_of_a_stage() -> None:
    stages = {stage.casefold() for stage in (*CONTRACT_EXAMPLE["stages"], *SAAS["stages"])}
    # Everyday words that happen to be stages of a test tenant.
    stages -= {"live", "lost", "renewing"}
    found = [
        f"{file}:{line}: {text!r}"
        for file, source in sources(ROOT, *PRODUCT)
        if file not in STAGES_BY_NAME
        for line, text in find_texts(source)
        if text.casefold() in stages
    ]
    assert found == []


def test_no_page_knows_the_name_of_a_stage() -> None:
    stages = [stage for stage in CONTRACT_EXAMPLE["stages"] if stage != "Active"]
    files = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "c360").rglob("*.*")]
    found = [
        f"{file}: {stage}"
        for file in files
        if file.suffix in {".html", ".js", ".css"}
        for stage in stages
        if stage in file.read_text()
    ]
    assert found == []


def test_every_exception_is_still_needed() -> None:
    files = dict(sources(ROOT, *PRODUCT))
    assert [file for file in WRITERS if not list(find_writes(file, files[file]))] == []
    assert [file for file in STAGES_BY_NAME if file not in files] == []
