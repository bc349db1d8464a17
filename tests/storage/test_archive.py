"""What an archive says of itself while it is young."""

from pathlib import Path

from storage.archive import Archive


def test_a_partition_without_a_file_has_none_and_is_all_uncovered(tmp_path: Path):
    archive = Archive(tmp_path)

    assert archive.files(0) == []
    assert archive.uncovered(0, 0, 10) == [(0, 10)]
