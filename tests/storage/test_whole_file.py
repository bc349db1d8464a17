"""A file appears whole or not at all."""

import pytest

from fraud.errors import UsageError
from storage.whole_file import whole_file


def test_a_file_is_there_once_the_block_ends_and_not_before(tmp_path):
    target = tmp_path / "F"

    with whole_file(target) as file:
        file.write(b"all of it")
        seen = target.exists()

    assert not seen
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"all of it"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    target = tmp_path / "F"
    target.write_bytes(b"before")

    with pytest.raises(KeyboardInterrupt), whole_file(target, overwrite=True) as file:  # noqa: PT012
        file.write(b"half")
        raise KeyboardInterrupt

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_a_file_that_exists_is_replaced_only_on_request(tmp_path):
    target = tmp_path / "F"
    target.write_bytes(b"before")

    with pytest.raises(UsageError, match="exists"), whole_file(target):
        pass
    with whole_file(target, overwrite=True) as file:
        file.write(b"after")

    assert target.read_bytes() == b"after"


@pytest.mark.parametrize("name", [pytest.param(".", id="a folder"), pytest.param("absent/F", id="below no folder")])
def test_a_place_that_takes_no_file_is_named(tmp_path, name):
    with pytest.raises(UsageError, match=str(tmp_path)), whole_file(tmp_path / name):
        pass
