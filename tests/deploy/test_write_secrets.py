"""Secrets are made once, each readable by its owner alone, and a run that was cut off is completed."""

import os
import stat

import pytest

from deploy.write_secrets import OWNERS, write_secrets

ME = {service: os.getuid() for service in OWNERS}


@pytest.fixture
def volumes(tmp_path):
    for service in OWNERS:
        (tmp_path / service).mkdir()
    yield tmp_path
    for service in OWNERS:
        (tmp_path / service).chmod(0o700)


def contents(volumes):
    return {path.relative_to(volumes): path.read_text() for path in volumes.rglob("*") if path.is_file()}


def test_the_application_signs_in_with_the_password_that_the_database_was_given(volumes):
    write_secrets(volumes, ME)

    password = (volumes / "mongo/app_password").read_text()
    assert len(password) >= 32
    assert (volumes / "app/fraud_store").read_text() == f"mongodb://fraud:{password}@mongo:27017/fraud?authSource=fraud"
    assert (volumes / "mongo/root_password").read_text() != password


def test_only_the_owner_can_read(volumes):
    write_secrets(volumes, ME)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in volumes.rglob("*") if path.is_file()}
    assert modes == {0o400}
    assert {stat.S_IMODE((volumes / service).stat().st_mode) for service in OWNERS} == {0o500}


def test_what_exists_is_kept(volumes):
    write_secrets(volumes, ME)
    before = contents(volumes)

    assert write_secrets(volumes, ME) == []
    assert contents(volumes) == before


@pytest.mark.parametrize("lost", ["app/fraud_store", "mongo/root_password"])
def test_a_run_that_was_cut_off_is_completed(volumes, lost):
    write_secrets(volumes, ME)
    before = contents(volumes)
    (volumes / lost).parent.chmod(0o700)
    (volumes / lost).unlink()
    (volumes / lost).with_suffix(".unfinished").write_text("half a pass")

    made = write_secrets(volumes, ME)

    assert made == [volumes / lost]
    if lost == "app/fraud_store":
        assert contents(volumes) == before
    assert not list(volumes.rglob("*.unfinished"))


def test_no_two_installations_share_a_password(tmp_path):
    passwords = set()
    for name in ("one", "two"):
        for service in OWNERS:
            (tmp_path / name / service).mkdir(parents=True)
        write_secrets(tmp_path / name, ME)
        passwords.add((tmp_path / name / "mongo/app_password").read_text())
        for service in OWNERS:
            (tmp_path / name / service).chmod(0o700)

    assert len(passwords) == 2
