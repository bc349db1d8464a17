from datetime import UTC, datetime, timedelta, timezone

import pandas as pd
import pytest

from fraud.errors import UsageError
from fraud.schema import Label, LabelSource, LabelValue
from storage import labels

BOUGHT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def label(source="customer", value="fraud", *, day=1, about="t-one", **what_matters):
    fields = {"transaction_id": about, "user_id": "u-one", "event_time": BOUGHT, **what_matters}
    return Label(
        source=LabelSource(source), label=LabelValue(value), reported_at=BOUGHT + timedelta(days=day), **fields
    )


def known(root, day=30, verdicts=None):
    found = labels.load(root, BOUGHT + timedelta(days=day), verdicts)
    return dict(zip(found["transaction_id"], found["label"], strict=True))


@pytest.mark.parametrize(
    ("said", "resolved"),
    [
        pytest.param([], None, id="nothing said"),
        pytest.param([label("verdict", "fraud")], "fraud", id="a verdict alone"),
        pytest.param([label("verdict", "fraud", day=9), label("customer", "legitimate")], "legitimate", id="the customer beats a verdict"),
        pytest.param([label("customer", "legitimate", day=9), label("fraud_report")], "fraud", id="a fraud report beats the customer"),
        pytest.param([label("customer", "legitimate", day=9), label("dispute", "fraud")], "fraud", id="so does a dispute about fraud"),
        pytest.param([label("dispute", "legitimate")], None, id="a dispute about goods says nothing"),
        pytest.param([label("dispute", "unsure"), label("verdict", "legitimate")], "legitimate", id="a dispute without a reason yet"),
        pytest.param([label("dispute", "first_party")], "first_party", id="first-party stays its own value"),
        pytest.param([label("fraud_report"), label("dispute", "first_party", day=5)], "first_party", id="report and dispute: the later"),
        pytest.param([label("dispute", "first_party"), label("fraud_report", day=5)], "fraud", id="and the other way round"),
        pytest.param([label("fraud_report", day=9), label("correction", "legitimate")], "legitimate", id="a correction beats everything"),
        pytest.param([label("customer"), label("customer", "legitimate", day=2)], "legitimate", id="within a source the latest"),
        pytest.param([label("customer", "legitimate", day=2), label("customer")], "legitimate", id="whatever the order they came in"),
        pytest.param([label("verdict", "legitimate"), label("verdict", "unsure", day=2)], "legitimate", id="unsure never wins"),
        pytest.param([label("correction", "unsure", day=2), label("verdict")], "fraud", id="nor from the strongest source"),
        pytest.param([label("verdict", "unsure")], None, id="unsure alone is nothing"),
        pytest.param([label(day=2), label("customer", "legitimate", day=2)], "fraud", id="a tie does not depend on the order"),
        pytest.param([label("customer", "legitimate", day=2), label(day=2)], "fraud", id="a tie the other way round"),
    ],
)  # fmt: skip
def test_labels_resolve_by_source_then_by_moment(tmp_path, said, resolved):
    labels.write(tmp_path, "2026-03", said)

    assert known(tmp_path) == ({} if resolved is None else {"t-one": resolved})


@pytest.mark.parametrize(
    ("day", "resolved"),
    [
        pytest.param(2.999, {}, id="just before it was reported"),
        pytest.param(3, {"t-one": "fraud"}, id="at that very moment"),
        pytest.param(39, {"t-one": "fraud"}, id="before the correction"),
        pytest.param(40, {"t-one": "legitimate"}, id="after it"),
    ],
)
def test_nothing_is_known_before_it_was_reported(tmp_path, day, resolved):
    labels.write(tmp_path, "2026-03", [label("fraud_report", day=3), label("correction", "legitimate", day=40)])

    assert known(tmp_path, day) == resolved


def test_the_moment_asked_for_may_be_told_on_any_clock(tmp_path):
    labels.write(tmp_path, "2026-03", [label(day=29.6)])
    tokyo = timezone(timedelta(hours=9))

    assert labels.load(tmp_path, (BOUGHT + timedelta(days=29.7)).astimezone(tokyo))["label"].tolist() == ["fraud"]
    with pytest.raises(UsageError, match="offset"):
        labels.load(tmp_path, datetime(2026, 5, 1))  # noqa: DTZ001


def test_labels_lie_under_the_month_they_were_reported_in(tmp_path):
    labels.write(tmp_path, "2026-03", [label(day=1), label(day=40, about="t-two"), label(day=41, about="t-three")])

    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [
        "labels/year=2026/month=03/part-2026-03.parquet",
        "labels/year=2026/month=04/part-2026-03.parquet",
    ]


def test_a_batch_written_again_replaces_itself_and_no_other(tmp_path):
    labels.write(tmp_path, "2026-02", [label(about="t-old", day=2)])
    labels.write(tmp_path, "2026-03", [label(about="t-two", day=40), label(about="t-three")])

    labels.write(tmp_path, "2026-03", [label(about="t-four")])

    assert known(tmp_path, 90) == {"t-old": "fraud", "t-four": "fraud"}


def test_verdicts_of_the_store_join_in(tmp_path):
    labels.write(tmp_path, "2026-03", [label("customer", "legitimate", about="t-two")])
    verdicts = pd.DataFrame(
        {
            "transaction_id": ["t-one", "t-two", "t-three"],
            "user_id": ["u-one"] * 3,
            "label": ["fraud", "fraud", "fraud"],
            "event_time": [BOUGHT] * 3,
            "reported_at": [BOUGHT, BOUGHT, BOUGHT + timedelta(days=31)],
        }
    )

    assert known(tmp_path, 30, verdicts) == {"t-one": "fraud", "t-two": "legitimate"}


def test_an_id_used_again_at_another_time_is_another_payment(tmp_path):
    later = BOUGHT + timedelta(days=1)
    labels.write(tmp_path, "2026-03", [label(), label("customer", "legitimate", event_time=later, day=2)])

    found = labels.load(tmp_path, BOUGHT + timedelta(days=30))

    assert found[["event_time", "label"]].values.tolist() == [[BOUGHT, "fraud"], [later, "legitimate"]]


def test_a_resolved_label_says_where_it_comes_from(tmp_path):
    labels.write(tmp_path, "2026-03", [label("fraud_report", fraud_type="stolen", day=3), label("customer", day=9)])

    (row,) = labels.load(tmp_path, BOUGHT + timedelta(days=30)).to_dict("records")

    assert row == {
        "reported_at": BOUGHT + timedelta(days=3),
        "transaction_id": "t-one",
        "user_id": "u-one",
        "event_time": BOUGHT,
        "source": "fraud_report",
        "label": "fraud",
        "fraud_type": "stolen",
    }


def test_without_labels_there_is_an_empty_frame_of_the_same_columns(tmp_path):
    found = labels.load(tmp_path, BOUGHT)

    assert (len(found), list(found.columns)) == (0, labels.SCHEMA.names)


def test_no_half_written_file_is_ever_read(tmp_path):
    labels.write(tmp_path, "2026-03", [label()])
    (tmp_path / "labels/year=2026/month=03/.part-2026-04.parquet.1.tmp").write_bytes(b"half")

    assert known(tmp_path) == {"t-one": "fraud"}
