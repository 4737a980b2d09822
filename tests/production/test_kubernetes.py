"""The manifests of deploy/kubernetes: by the schemas of Kubernetes, and beside compose.yaml and .env.example."""

import runpy
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.processes import NEEDS
from lifecycle.services.lists.exports import MOST_AT_ONCE, MOST_ROWS
from tests.late import Late
from tests.production.compose import PROJECT, load, read_dockerfile, read_env
from tests.production.test_shape import PROCESSES, SECRETS

kubernetes_validate = Late("kubernetes_validate")

FOLDER = PROJECT / "deploy" / "kubernetes"
JOBS = ("provision", "migrate")
# The oldest release that is still maintained, and the newest whose schemas the tool has.
OLDEST, NEWEST = "1.34", "newest"
PLACES = (FOLDER / "base", FOLDER / "jobs", FOLDER)


def documents(folder: Path) -> list[dict[str, Any]]:
    """What a kustomization names, in its own folder."""
    named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    found = []
    for name in named:
        if name.endswith(".yaml"):
            found += list(yaml.safe_load_all((folder / name).read_text()))
    return found


@pytest.fixture(scope="module")
def everything() -> list[dict[str, Any]]:
    return [document for folder in PLACES for document in documents(folder)]


@pytest.fixture(scope="module")
def workloads(everything: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in everything if one["kind"] in ("Deployment", "Job")}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("kubernetes") / ".env"
    command = [sys.executable, "-I", "docs/deploy/make_env.py", "c360.example.com", "--to", str(path)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    return read_env(path)


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(container)


def variables_of(workload: dict[str, Any]) -> dict[str, tuple[str, str, bool]]:
    """Of each variable: the kind and the name of what holds it, and whether it may be absent."""
    found = {}
    for variable in container_of(workload)["env"]:
        ((kind, reference),) = variable["valueFrom"].items()
        assert reference["key"] == variable["name"]
        found[variable["name"]] = (kind, reference["name"], reference.get("optional", False))
    return found


def check(document: dict[str, Any], release: str) -> None:
    kubernetes_validate.validate(
        document, kubernetes_validate.latest_version() if release == NEWEST else release, strict=True
    )


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
def test_every_document_is_as_kubernetes_describes_it(everything: list[dict[str, Any]], release: str) -> None:
    for document in everything:
        check(document, release)
    assert len(everything) > 25


def test_what_is_misspelled_is_found(workloads: dict[str, dict[str, Any]]) -> None:
    """The schemas are strict: the check above can fail."""
    broken = {**workloads["web"], "spec": {**workloads["web"]["spec"], "replica": 3}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        check(broken, NEWEST)


def test_every_file_is_part_of_a_kustomization() -> None:
    for folder in PLACES:
        named = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert files == {name for name in named if name.endswith(".yaml")}
        assert all((folder / name).exists() for name in named)


def test_each_process_is_a_workload_with_the_command_of_compose(
    workloads: dict[str, dict[str, Any]], env: dict[str, str]
) -> None:
    assert set(workloads) == set(PROCESSES)
    services = load(env)
    _, command, _ = read_dockerfile()
    for name, workload in workloads.items():
        container = container_of(workload)
        assert (container["name"], workload["kind"] == "Job") == (name, name in JOBS)
        assert container.get("args", command) == services[name].command, name


def test_each_process_may_have_the_variables_that_compose_gives_it(
    workloads: dict[str, dict[str, Any]], env: dict[str, str]
) -> None:
    image, _, _ = read_dockerfile()
    services = load({**env, **{name: value or "x" for name, value in env.items()}})
    for name, workload in workloads.items():
        assert set(variables_of(workload)) == set(services[name].environment) - set(image), name
        asked = {variable for variable, (_, _, optional) in variables_of(workload).items() if not optional}
        assert NEEDS[name] <= asked, name


def test_each_process_has_one_secret_of_its_own_with_what_it_needs(workloads: dict[str, dict[str, Any]]) -> None:
    private = {
        *SECRETS,
        "DATABASE_BACKUP_URL",
        "DATABASE_REPLICA_URL",
        "DATABASE_SERVERS",
        "EMAIL_URL",
        "KAFKA_CONFIG",
    } - {"POSTGRES_PASSWORD"}
    for name, workload in workloads.items():
        variables = variables_of(workload)
        for variable, (kind, holder, _) in variables.items():
            expected = ("secretKeyRef", name) if variable in private else ("configMapKeyRef", "settings")
            assert (kind, holder) == expected, (name, variable)
        assert "envFrom" not in container_of(workload)
    for secret, owners in SECRETS.items():
        if secret != "POSTGRES_PASSWORD":
            assert {name for name, one in workloads.items() if secret in variables_of(one)} == owners, secret
    for folder, names in ((FOLDER, set(PROCESSES) - set(JOBS)), (FOLDER / "jobs", set(JOBS))):
        made = yaml.safe_load((folder / "kustomization.yaml").read_text())["secretGenerator"]
        assert {one["name"]: one["envs"] for one in made} == {name: [f"secrets/{name}.env"] for name in names}


def test_the_networks_are_those_of_compose(everything: list[dict[str, Any]], workloads: dict[str, Any]) -> None:
    services = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]
    policies = {one["metadata"]["name"]: one["spec"] for one in everything if one["kind"] == "NetworkPolicy"}
    assert policies.pop("nothing-by-itself") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert policies.pop("names")["podSelector"] == {}
    for name, policy in policies.items():
        assert policy["podSelector"] == {"matchLabels": {f"customer360/{name}": "allowed"}}
        (rule,) = policy.get("ingress") or policy["egress"]
        assert rule["ports"] and (rule.get("from") or rule["to"]), name
    for name, workload in workloads.items():
        labels = workload["spec"]["template"]["metadata"]["labels"]
        networks = {key.partition("/")[2] for key in labels if key.startswith("customer360/")}
        assert networks == set(services[name]["networks"]), name
        assert networks <= set(policies)


def test_no_process_may_do_more_than_it_needs(workloads: dict[str, dict[str, Any]]) -> None:
    for name, workload in workloads.items():
        pod, container = workload["spec"]["template"]["spec"], container_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert f"--uid {pod['securityContext']['runAsUser']} " in (PROJECT / "Dockerfile").read_text()
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        assert written == {"/tmp"}
        assert {"cpu", "memory"} == set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


def test_a_process_that_hangs_is_noticed_and_no_upgrade_stops_the_service(
    everything: list[dict[str, Any]], workloads: dict[str, dict[str, Any]]
) -> None:
    budgets = {one["metadata"]["name"]: one["spec"] for one in everything if one["kind"] == "PodDisruptionBudget"}
    deployments = {name: one for name, one in workloads.items() if one["kind"] == "Deployment"}
    assert set(budgets) == set(deployments)
    for name, workload in deployments.items():
        spec, container = workload["spec"], container_of(workload)
        assert budgets[name]["selector"] == spec["selector"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if name in ("web", "stream"):
                path = container[probe]["httpGet"]["path"]
                addresses = ("/healthz", "/healthz/live") if name == "web" else ("/live/healthz",)
                assert path in addresses
            else:
                option = container["args"].index("--health-file")
                assert container["args"][option + 1] in container[probe]["exec"]["command"][-1], name
        if name == "web":
            # A release that does not get at its database replaces no process. A database that is away is away for all
            # of them: they say so themselves. To start one again would not help.
            probes = ("startupProbe", "livenessProbe", "readinessProbe")
            paths = [container[probe]["httpGet"]["path"] for probe in probes]
            assert paths == ["/healthz", "/healthz/live", "/healthz/live"]


def test_the_web_is_not_evicted_for_the_largest_files_that_it_makes(workloads: dict[str, dict[str, Any]]) -> None:
    (limit,) = [
        volume["emptyDir"]["sizeLimit"]
        for volume in workloads["web"]["spec"]["template"]["spec"]["volumes"]
        if "emptyDir" in volume
    ]
    number, unit = int(limit[:-2]), {"Mi": 2**20, "Gi": 2**30}[limit[-2:]]
    # A row of the usual columns as XLSX has it, about 750 bytes, lies there twice while the book is put together. Then
    # the book, and as much of it again as is sent.
    bytes_a_row = 2 * 750 + 2 * 100
    workers = int(env_example()["WEB_WORKERS"])
    assert number * unit >= workers * MOST_AT_ONCE * MOST_ROWS * bytes_a_row


def env_example() -> dict[str, str]:
    return read_env(PROJECT / ".env.example")


def test_what_is_for_operators_is_not_reached_from_outside(everything: list[dict[str, Any]]) -> None:
    (ingress,) = [one for one in everything if one["kind"] == "Ingress"]
    services = {one["metadata"]["name"]: one["spec"] for one in everything if one["kind"] == "Service"}
    (rule,) = ingress["spec"]["rules"]
    leads = {one["path"]: one["backend"]["service"]["name"] for one in rule["http"]["paths"]}
    assert leads == {
        **dict.fromkeys(("/metrics", "/healthz", "/live/healthz"), "nowhere"),
        "/live": "stream",
        "/": "web",
    }
    assert set(services) == {"nowhere", "stream", "web"}


def test_a_release_is_named_once(workloads: dict[str, Any]) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    images = [yaml.safe_load((folder / "kustomization.yaml").read_text())["images"] for folder in PLACES[1:]]
    assert images[0] == images[1]
    assert [(one["name"], one["newTag"]) for one in images[0]] == [("customer360", version)]
    assert {container_of(one)["image"] for one in workloads.values()} == {"customer360"}


def test_an_env_is_split_into_what_each_process_may_have(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / ".env"
    text = "".join(f"{name}={value}\n" for name, value in env.items())
    path.write_text(text + "EMAIL_URL=smtp://c360:p@mail.example.com:587\n")
    command = [sys.executable, "-I", str(FOLDER / "split_env.py"), str(path), "--to", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    files = {one.stem: one for one in tmp_path.glob("**/*.env") if one.name != ".env"}
    assert set(files) == {*PROCESSES, "settings"}
    made = {name: read_env(one) for name, one in files.items()}
    assert all(stat.S_IMODE(one.stat().st_mode) == 0o600 for one in files.values())
    for secret, owners in SECRETS.items():
        if secret != "POSTGRES_PASSWORD":
            assert {name for name, values in made.items() if secret in values} == owners, secret
            assert all(made[name][secret] == env[secret] for name in owners)
    assert {name for name, values in made.items() if "EMAIL_URL" in values} == {"web", "effects"}
    assert made["settings"]["ALLOWED_HOSTS"] == "c360.example.com"
    assert not any(env[secret] in files["settings"].read_text() for secret in SECRETS)


def test_an_env_without_a_value_that_is_needed_writes_nothing(tmp_path: Path) -> None:
    split = runpy.run_path(str(FOLDER / "split_env.py"))["split"]
    _, missing = split({"SECRET_KEY": "x"})
    assert "DATABASE_URL" in missing and "SECRET_KEY" not in missing and "EMAIL_URL" not in missing
    (tmp_path / ".env").write_text("SECRET_KEY=x\n")
    command = [sys.executable, "-I", str(FOLDER / "split_env.py"), str(tmp_path / ".env"), "--to", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (
        run.returncode == 1 and "has no value for ALLOWED_HOSTS" in run.stderr and "Nothing was written" in run.stderr
    )
    assert list(tmp_path.glob("*/*.env")) == []
