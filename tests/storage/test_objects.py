"""Objects are named by their content, written whole or not at all, and checked when read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import PolicyError
from storage.objects import ObjectStore

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_an_object_is_named_by_its_content(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)

    assert store.put(b"") == EMPTY
    assert store.get(EMPTY) == b""
    assert (tmp_path / "objects" / EMPTY).is_file()


@given(content=st.binary(max_size=5000))
def test_what_was_put_is_what_is_got(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = ObjectStore(tmp_path_factory.getbasetemp())

    assert store.get(store.put(content)) == content


def test_an_object_put_twice_is_kept_once_and_untouched(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    name = store.put(b"model")
    written = (tmp_path / "objects" / name).stat().st_mtime_ns

    assert store.put(b"model") == name
    assert (tmp_path / "objects" / name).stat().st_mtime_ns == written
    assert [path.name for path in (tmp_path / "objects").iterdir()] == [name]


def test_a_missing_object_is_told_by_name_and_place(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)

    assert EMPTY not in store
    with pytest.raises(PolicyError, match=f"{EMPTY} is missing under {tmp_path}/objects"):
        store.get(EMPTY)


def test_a_damaged_object_is_never_handed_out(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    name = store.put(b"model")
    (tmp_path / "objects" / name).write_bytes(b"modem")

    with pytest.raises(PolicyError, match="is damaged"):
        store.get(name)


def test_a_folder_may_be_a_file_system_url(tmp_path: Path) -> None:
    name = ObjectStore(tmp_path.as_uri()).put(b"model")

    assert ObjectStore(tmp_path).get(name) == b"model"


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "objects").write_text("in the way")

    with pytest.raises(PolicyError, match="cannot be written") as refused:
        ObjectStore(tmp_path).put(b"model")
    assert "\n" not in str(refused.value)
