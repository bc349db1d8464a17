from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fraud.decision import micros, moment
from storage.foreign_times import moments_of
from storage.mapping import TimeFormat


def read(values, kind=None, **time):
    """What each value means: an ISO text with its offset, None where it cannot be read."""
    moments = moments_of(pa.chunked_array([pa.array(values, kind)]), TimeFormat(**time))
    zones = [timezone(timedelta(minutes=int(minutes))) for minutes in moments.offset]
    told = [
        moment(at).astimezone(zone).isoformat()
        for at, zone in zip(np.where(moments.present, moments.micros, 0), zones, strict=True)
    ]
    return [text if there else None for text, there in zip(told, moments.present, strict=True)]


BRUSSELS = {"zone": "Europe/Brussels"}
INSTANT = datetime(2018, 4, 1, 12, tzinfo=UTC)
CLOCK = INSTANT.replace(tzinfo=None)
TWICE = datetime(2018, 10, 28, 2, 30, tzinfo=UTC).replace(tzinfo=None)
SKIPPED = datetime(2018, 3, 25, 2, 30, tzinfo=UTC).replace(tzinfo=None)
GERMAN = "%d.%m.%Y %H:%M"


@pytest.mark.parametrize(
    ("values", "kind", "time", "meant"),
    [
        pytest.param(["2018-04-01 12:00:00"], None, {}, "2018-04-01T12:00:00+00:00", id="a text without zone is UTC"),
        pytest.param(["2018-04-01 12:00:00"], None, BRUSSELS, "2018-04-01T12:00:00+02:00", id="a text on the local clock"),
        pytest.param(["2018-01-01"], None, BRUSSELS, "2018-01-01T00:00:00+01:00", id="a day in winter"),
        pytest.param(["2018-04-01T12:00:00.25-04:00"], None, BRUSSELS, "2018-04-01T12:00:00.250000-04:00", id="a text with an offset"),
        pytest.param(["2018-04-01 12:00:00+0530"], None, {}, "2018-04-01T12:00:00+05:30", id="an offset without colon"),
        pytest.param(["2018-04-01 12:00:00-03"], None, {}, "2018-04-01T12:00:00-03:00", id="an offset of hours"),
        pytest.param(["2018-04-01T12:00:00Z"], None, BRUSSELS, "2018-04-01T12:00:00+00:00", id="Z is an offset too"),
        pytest.param([CLOCK], None, BRUSSELS, "2018-04-01T12:00:00+02:00", id="a timestamp"),
        pytest.param([CLOCK], pa.timestamp("ns"), {}, "2018-04-01T12:00:00+00:00", id="in nanoseconds"),
        pytest.param([INSTANT], None, BRUSSELS, "2018-04-01T14:00:00+02:00", id="an instant on a clock"),
        pytest.param([INSTANT], pa.timestamp("ms", "Asia/Tokyo"), {}, "2018-04-01T21:00:00+09:00", id="on its own clock"),
        pytest.param([date(2018, 4, 1)], None, BRUSSELS, "2018-04-01T00:00:00+02:00", id="a date"),
        pytest.param([1_522_576_800], None, {"format": "epoch_s"}, "2018-04-01T10:00:00+00:00", id="seconds"),
        pytest.param([1_522_576_800.5], None, {"format": "epoch_s", **BRUSSELS}, "2018-04-01T12:00:00.500000+02:00", id="half a second"),
        pytest.param(["1522576800000"], None, {"format": "epoch_ms"}, "2018-04-01T10:00:00+00:00", id="milliseconds as text"),
        pytest.param(["01.04.2018 12:00"], None, {"format": GERMAN, **BRUSSELS}, "2018-04-01T12:00:00+02:00", id="a pattern"),
        pytest.param(["01.04.2018 12:00 -0330"], None, {"format": f"{GERMAN} %z"}, "2018-04-01T12:00:00-03:30", id="with an offset"),
        pytest.param([TWICE], None, BRUSSELS, "2018-10-28T02:30:00+02:00", id="the hour that comes twice"),
        pytest.param([SKIPPED], None, BRUSSELS, "2018-03-25T03:00:00+02:00", id="the hour that is skipped"),
        pytest.param(["yesterday"], None, {}, None, id="a word"),
        pytest.param([None], pa.string(), {}, None, id="an empty cell"),
        pytest.param([None], pa.timestamp("us"), BRUSSELS, None, id="an empty timestamp"),
        pytest.param([float("nan")], None, {"format": "epoch_s"}, None, id="no number"),
        pytest.param([1e30], None, {"format": "epoch_s"}, None, id="a number beyond any year"),
        pytest.param(["2018-04-01 12:00"], None, {"format": "%d.%m.%Y"}, None, id="another pattern"),
    ],
)  # fmt: skip
def test_a_moment_is_read(values, kind, time, meant):
    assert read(values, kind, **time) == [meant]


def test_one_column_may_mix_all_of_them():
    values = ["2018-04-01 12:00:00", "2018-04-01T12:00:00-04:00", "x", None, "2018-04-01T12:00:00Z"]

    assert read(values, **BRUSSELS) == [
        "2018-04-01T12:00:00+02:00",
        "2018-04-01T12:00:00-04:00",
        None,
        None,
        "2018-04-01T12:00:00+00:00",
    ]
    assert read(pa.array(values).dictionary_encode(), **BRUSSELS) == read(values, **BRUSSELS)


@pytest.mark.parametrize(
    ("values", "kind"),
    [pytest.param([1, 2], pa.int64(), id="numbers"), pytest.param([[1]], None, id="lists")],
)
def test_a_column_that_the_format_does_not_fit_is_said(values, kind):
    with pytest.raises(ValueError, match=r"epoch_s or epoch_ms|holds no times"):
        moments_of(pa.chunked_array([pa.array(values, kind)]), TimeFormat())


@given(st.integers(0, 4 * 10**15), st.integers(-14 * 60, 14 * 60))
@settings(deadline=None, max_examples=50)
def test_an_iso_text_with_an_offset_is_that_moment(at, minutes):
    meant = moment(at).astimezone(timezone(timedelta(minutes=minutes)))

    moments = moments_of(pa.chunked_array([[meant.isoformat()]]), TimeFormat(zone="Asia/Tokyo"))

    assert (moments.micros.tolist(), moments.offset.tolist()) == ([micros(meant)], [minutes])
