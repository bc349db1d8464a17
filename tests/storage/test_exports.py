import csv
import io
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fraud.errors import UsageError
from fraud.schema import Channel
from storage.exports import csv_bytes, kept, write_csv

FORMULA_STARTS = "=+-@\t\r"


def cell(value):
    """The one cell of a CSV of one value, as a parser reads it."""
    text = csv_bytes([{"name": value}]).decode()
    return list(csv.reader(io.StringIO(text, newline="")))[1][0]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        pytest.param("=1+1", "'=1+1", id="a formula"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-1", "'-1", id="minus, as a text"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t=1", id="tab"),
        pytest.param("\r=1", "'\r=1", id="carriage return"),
        pytest.param("a=1", "a=1", id="a sign inside is no formula"),
        pytest.param("", "", id="empty"),
        pytest.param(-12, "-12", id="a negative number stays one"),
        pytest.param(-0.5, "-0.5", id="so does a negative fraction"),
        pytest.param(12.0, "12", id="no needless decimals"),
        pytest.param(0.1 + 0.2, "0.30000000000000004", id="the shortest that reads back equal"),
        pytest.param(1e300, "1e+300", id="a huge number"),
        pytest.param(True, "true", id="true"),
        pytest.param(None, "", id="absent"),
        pytest.param(float("nan"), "", id="not a number"),
        pytest.param(pd.NaT, "", id="no moment"),
        pytest.param(["a", "b"], "a|b", id="a list"),
        pytest.param([], "", id="an empty list"),
        pytest.param(["=a", "b"], "'=a|b", id="a list that begins as a formula"),
        pytest.param([-1, "b"], "'-1|b", id="a list that begins with a minus"),
        pytest.param(Channel.POS, "pos", id="a word of a closed set"),
        pytest.param(datetime(2026, 3, 2, 12, tzinfo=UTC), "2026-03-02T12:00:00+00:00", id="a moment"),
        pytest.param(
            'say "hi", twice\r\nthen go', 'say "hi", twice\r\nthen go', id="commas, quotes and line ends survive"
        ),
        pytest.param({"a": 1}, '{"a":1}', id="a document"),
    ],
)
def test_a_cell_reads_back_as(value, written):
    assert cell(value) == written


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_any_text_survives_with_an_apostrophe_where_it_would_run(rows):
    written = csv_bytes([{"left": left, "right": right} for left, right in rows]).decode("utf-8")

    read = list(csv.reader(io.StringIO(written, newline="")))
    assert read[1:] == [[expected(side) for side in row] for row in rows]


def expected(text):
    survivor = text.encode("utf-8", "replace").decode()
    return f"'{survivor}" if text and text[0] in FORMULA_STARTS else survivor


def test_lines_end_and_quote_as_rfc_4180_says():
    assert csv_bytes([{"a": 'x"y', "b": "p,q"}]) == b'a,b\r\n"x""y","p,q"\r\n'


def test_numbers_of_a_frame_stay_numbers_and_its_texts_do_not_run():
    frame = pd.DataFrame({"amount": [-1.5, None], "name": ["-1", "=x"], "count": [-1, 2]})

    assert csv_bytes(frame).decode() == "amount,name,count\r\n-1.5,'-1,-1\r\n,'=x,2\r\n"


def test_a_column_name_does_not_run_either():
    assert csv_bytes(pd.DataFrame({"=a": [1]})).decode() == "'=a\r\n1\r\n"


def test_an_empty_frame_keeps_its_header():
    assert csv_bytes(pd.DataFrame({"a": [], "b": []})) == b"a,b\r\n"


def test_rows_lack_what_the_first_one_has():
    assert csv_bytes([{"a": 1, "b": 2}, {"a": 3}]) == b"a,b\r\n1,2\r\n3,\r\n"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("flags-2026-03-02", "flags-2026-03-02.csv", id="a plain name"),
        pytest.param("flags.csv", "flags.csv", id="with its ending"),
        pytest.param("../../etc/passwd", "etc-passwd.csv", id="a way out of the folder"),
        pytest.param("..", "flags.csv", id="nothing left of it"),
        pytest.param("überfall 1/2", "berfall-1-2.csv", id="signs that some disks refuse"),
    ],
)
def test_an_export_is_kept_under_filtered(tmp_path, name, file):
    path = kept(tmp_path, name)

    assert write_csv([{"a": 1}], path) == 1
    assert (tmp_path / "filtered" / file).read_bytes() == b"a\r\n1\r\n"


def test_an_export_never_replaces_another(tmp_path):
    paths = []
    for _ in range(3):
        paths.append(kept(tmp_path, "flags"))
        write_csv([{"a": 1}], paths[-1])

    assert [path.rsplit("/", 1)[1] for path in paths] == ["flags.csv", "flags-2.csv", "flags-3.csv"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "filtered").write_text("in the way")

    with pytest.raises(UsageError, match="cannot keep exports"):
        kept(tmp_path, "flags")
    with pytest.raises(UsageError, match="cannot write"):
        write_csv([{"a": 1}], tmp_path / "nowhere" / "flags.csv")
