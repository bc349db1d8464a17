"""The compose file, the workflow and the Dockerfile: valid by their schemas, and true to the project."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from cli.main import application
from cli.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.prod.yml"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


@pytest.fixture(scope="module")
def services(compose):
    return compose["services"]


def validated(schema, file):
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", schema, file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        pytest.param("vendor.compose-spec", COMPOSE, id="compose"),
        pytest.param("vendor.github-workflows", ROOT / ".github/workflows/ci.yml", id="workflow"),
    ],
)
def test_the_file_fits_its_schema(schema, file):
    answer = validated(schema, file)

    assert answer.returncode == 0, answer.stdout


def test_the_schema_would_find_a_misspelt_key(tmp_path):
    misspelt = tmp_path / "compose.yml"
    misspelt.write_text(COMPOSE.read_text().replace("healthcheck:", "heathcheck:", 1))

    assert "'heathcheck' was unexpected" in validated("vendor.compose-spec", misspelt).stdout


def test_it_is_the_whole_system(services):
    assert set(services) == {"kafka", "mongo", "secrets", "init", "producer", "consumer", "archive", "dashboard"}


def test_nothing_is_published_beyond_this_machine(services):
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_variable_is_a_setting(services):
    given = {
        name for service in services.values() for name in service.get("environment", {}) if name.startswith("FRAUD_")
    }
    built_in = set(re.findall(r"\b(FRAUD_[A-Z_]+)=", (ROOT / "Dockerfile").read_text()))

    assert given | built_in <= {f"FRAUD_{field.upper()}" for field in Settings.model_fields}


def test_every_mounted_volume_is_declared_and_every_folder_exists(compose, services):
    sources = {mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])}

    folders = {source for source in sources if source.startswith(".")}
    assert sources - folders == set(compose["volumes"])
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_no_password_stands_in_the_file(services):
    values = [str(value) for service in services.values() for value in service.get("environment", {}).values()]

    assert [value for value in values if re.search(r"//[^/@]+:[^/@]+@", value)] == []
    assert "_PASSWORD:" not in COMPOSE.read_text()


@pytest.mark.parametrize("service", ["kafka", "mongo", "consumer", "archive", "dashboard"])
def test_every_server_says_whether_it_is_well_and_comes_back(services, service):
    assert services[service]["healthcheck"]["test"]
    assert services[service]["restart"] == "unless-stopped"


def test_the_image_is_built_once(services):
    ours = {name: service for name, service in services.items() if service["image"].startswith("fraudstream")}

    assert [name for name, service in ours.items() if "build" in service] == ["secrets"]
    assert {service["pull_policy"] for name, service in ours.items() if name != "secrets"} == {"never"}


def test_the_image_runs_without_root_and_checks_every_hash():
    text = (ROOT / "Dockerfile").read_text()

    assert re.findall(r"^USER (.+)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert "--require-hashes" in text
    assert "# syntax=" not in text
    assert text.count("FROM ${PYTHON_IMAGE}") == text.count("FROM ") == 2


def test_all_that_the_image_copies_is_let_in():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = re.search(r"^packages = \[(.+)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)

    assert packages
    assert set(re.findall(r'"(\w+)"', packages[1])) | {"requirements.lock", "deploy/write_secrets.py"} <= allowed


@pytest.mark.parametrize("service", ["init", "producer", "consumer", "archive", "dashboard"])
def test_every_service_calls_a_command_that_takes_its_options(services, service):
    name, *options = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in services[service]["command"]]

    command = typer.main.get_command(application([name]))
    group = typer.Context(command)

    with command.get_command(group, name).make_context(name, options, parent=group) as context:  # type: ignore[attr-defined]
        assert context.params
