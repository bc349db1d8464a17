"""`.env.example` names every setting, with its default."""

import re
from pathlib import Path

import pytest

from cli.settings import Settings
from fraud.errors import UsageError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for field in Settings.model_fields:
        monkeypatch.delenv(f"FRAUD_{field.upper()}", raising=False)


def test_every_setting_has_its_line():
    named = re.findall(r"^(FRAUD_[A-Z0-9_]+)=", EXAMPLE.read_text(), flags=re.MULTILINE)

    assert sorted(named) == sorted(f"FRAUD_{field.upper()}" for field in Settings.model_fields)


def test_every_line_shows_the_default():
    shown = Settings(_env_file=EXAMPLE)

    assert shown == Settings(_env_file=None)


def test_every_line_is_explained():
    explained = False
    for line in EXAMPLE.read_text().splitlines():
        explained = line.startswith("#") or (explained and bool(line))
        assert explained or not line, f"{line}: nothing above says what it is"


def test_a_secret_file_gives_a_setting(tmp_path, monkeypatch):
    (tmp_path / "fraud_store").write_text("mongodb://app:one%20secret@mongo:27017/fraud\n")
    monkeypatch.setenv("FRAUD_SECRETS_DIR", str(tmp_path))

    store = Settings(_env_file=None).store

    assert store.get_secret_value() == "mongodb://app:one%20secret@mongo:27017/fraud"


def test_the_environment_wins_over_a_secret_file(tmp_path, monkeypatch):
    (tmp_path / "fraud_group").write_text("from-a-file")
    monkeypatch.setenv("FRAUD_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("FRAUD_GROUP", "from-the-environment")

    assert Settings(_env_file=None).group == "from-the-environment"


def test_a_missing_folder_of_secrets_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAUD_SECRETS_DIR", str(tmp_path / "nowhere"))

    with pytest.raises(UsageError, match="nowhere, which is not a folder"):
        Settings(_env_file=None)
