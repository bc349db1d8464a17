"""What the pages list is what the code has: fields, words, settings, topics, metrics."""

import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from prometheus_client import Counter
from pydantic import SecretStr

from cli.connect import topics
from cli.doctor import LEAST_FREE
from cli.main import application
from cli.settings import Settings
from consumer.archive_metrics import ArchiveMetrics
from consumer.checkpointing import LONGEST, REPLAY_SECONDS, SHARE
from consumer.metrics import Metrics
from consumer.restoring import LOOK_BACK
from fraud.dead_letters import Reason
from fraud.decoding import MAX_MESSAGE, MAX_SKEW
from fraud.policy import DELAY
from fraud.schema import (
    Authentication,
    Channel,
    EntryMode,
    Initiator,
    Kind,
    Label,
    LabelSource,
    LabelValue,
    Outcome,
    Transaction,
)
from storage.mapping import ColumnMapping

ROOT = Path(__file__).parents[2]
DATA = (ROOT / "docs/data.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
PAGES = ("README.md", "docs/data.md", "docs/operations.md", "docs/architecture.md", "docs/rules.md")
MORE = ("CONTRIBUTING.md", "CHANGELOG.md", "docs/deploy.md", "docs/decisions/README.md")


def table(page, first):
    """Rows of the table whose head begins with a word: cells by row."""
    found = page.split(f"\n| {first} |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found.splitlines()[2:]]


def words(cell):
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_every_field_of_a_transaction_is_explained_once():
    named = [name for row in table(DATA, "field") for name in words(row[0])]

    assert sorted(named) == sorted(Transaction.__struct_fields__)


@pytest.mark.parametrize(
    ("field", "enum"),
    [
        ("kind", Kind),
        ("outcome", Outcome),
        ("channel", Channel),
        ("entry_mode", EntryMode),
        ("authentication", Authentication),
        ("initiated_by", Initiator),
    ],
)
def test_the_words_of_a_field_are_all_listed(field, enum):
    [listed] = [row[1] for row in table(DATA, "field") if words(row[0]) == [field]]

    assert words(listed) == [word.value for word in enum]


def test_every_field_and_word_of_a_label_is_listed():
    rows = table(DATA.split("\n## Labels\n")[1], "field")
    said = {words(row[0])[0]: set(words(row[1])) for row in rows}

    assert sorted(name for row in rows for name in words(row[0])) == sorted(Label.__struct_fields__)
    assert said["source"] == {word.value for word in LabelSource}
    assert said["label"] == {word.value for word in LabelValue}


def test_every_reason_of_a_dead_letter_is_explained():
    assert [words(row[0])[0] for row in table(DATA, "reason")] == [reason.value for reason in Reason]
    assert (MAX_MESSAGE, MAX_SKEW) == (64 * 1024, 5 * 60 * 1_000_000), "docs/data.md says 64 KiB and 5 minutes"


def test_every_key_of_a_mapping_is_explained():
    named = {name.split(".")[0] for row in table(DATA, "key") for name in words(row[0])}

    assert named == set(ColumnMapping.model_fields)


def test_every_setting_is_listed_with_its_default():
    listed = {name: words(row[1]) for row in table(OPERATIONS, "setting") for name in words(row[0])}

    assert listed == {f"FRAUD_{name.upper()}": _shown(field.default) for name, field in Settings.model_fields.items()}


def _shown(default):
    plain = default.get_secret_value() if isinstance(default, SecretStr) else default
    return [] if plain is None else [str(plain)]


def test_every_topic_is_listed_as_init_makes_it():
    made = {
        topic.name: "for ever" if topic.keep_for_ever else "compacted" if topic.compacted else f"{topic.keep_days} days"
        for topic in topics(Settings(_env_file=None))
    }

    assert {words(row[0])[0]: row[2] for row in table(OPERATIONS, "topic")} == made


def test_partitions_of_topics_are_as_listed():
    many = topics(Settings(_env_file=None, partitions=7))

    listed = {words(row[0])[0]: row[1] for row in table(OPERATIONS, "topic")}

    assert {topic.name: "1" if topic.partitions == 1 else "`FRAUD_PARTITIONS`" for topic in many} == listed


def test_every_metric_is_listed_with_its_labels():
    listed = {name: words(row[1]) for row in table(OPERATIONS, "metric") for name in words(row[0])}
    registry = Metrics().registry
    ArchiveMetrics(registry)
    declared = {
        vars(collector)["_name"] + ("_total" if isinstance(collector, Counter) else ""): list(
            vars(collector)["_labelnames"]
        )
        for collector in set(registry._collector_to_names)
    }

    assert listed == declared


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert f"would take {REPLAY_SECONDS:.0f} s" in OPERATIONS
    assert f"{SHARE:.0%} of a core" in OPERATIONS.replace(" %", "%")
    assert f"{LONGEST / 60:.0f} minutes" in OPERATIONS
    assert timedelta(seconds=10) == DELAY, "docs/operations.md says 10 s"
    assert LEAST_FREE == 1 << 30, "docs/operations.md says 1 GiB"
    assert timedelta(microseconds=LOOK_BACK) == timedelta(days=37, hours=1)
    assert "37 days and an hour" in OPERATIONS


def test_topics_are_kept_longer_than_a_consumer_reads_back():
    kept = {topic.name: topic.keep_days for topic in topics(Settings(_env_file=None))}

    assert timedelta(days=kept["transactions"] or 0) > timedelta(microseconds=LOOK_BACK) + timedelta(days=7)


def commands(text):
    """Calls of `fraud` in a page: in its code blocks, and between backticks."""
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    called = r"(?:\w+=\S+ )*fraud ([a-z][^\n#`]*)"
    return re.findall(rf"^(?:\$ )?{called}", blocks, re.MULTILINE) + re.findall(rf"`{called}`", text)


def refused(call):
    """What is wrong with the command or its options; None for what the command line would take."""
    words = shlex.split(call)
    command = typer.main.get_command(application(words[:1]))
    while words and hasattr(command, "get_command"):
        inner = command.get_command(typer.Context(command), words[0])
        if inner is None:
            return f"no command {words[0]}"
        command, words = inner, words[1:]
    given = [word.split("=")[0] for word in words if word.startswith("--")]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    return next((f"{call}: no option {option}" for option in given if option not in known), None)


@pytest.mark.parametrize("page", sorted({*PAGES, "CONTRIBUTING.md"}))
def test_every_command_that_a_page_names_exists_with_its_options(page):
    named = commands((ROOT / page).read_text())

    assert named
    assert [wrong for call in named if (wrong := refused(call))] == []


@pytest.mark.parametrize(
    ("call", "wrong"),
    [
        pytest.param("train", None, id="a command"),
        pytest.param("rules check config/rules.yaml", None, id="one of a group"),
        pytest.param("consume --no-watch", None, id="the other side of a switch"),
        pytest.param("learn", "no command learn", id="a command that is not there"),
        pytest.param("rules eat", "no command eat", id="one that its group does not have"),
        pytest.param("train --fast", "train --fast: no option --fast", id="an option that is not there"),
    ],
)
def test_a_command_that_is_gone_is_found(call, wrong):
    assert refused(call) == wrong


@pytest.mark.parametrize("page", sorted({*PAGES, *MORE}))
def test_no_link_between_pages_is_broken(page):
    text = (ROOT / page).read_text()
    links = [link for link in re.findall(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)", text) if "://" not in link]

    def broken(link):
        file, _, heading = link.partition("#")
        target = (ROOT / page).parent / file if file else ROOT / page
        return not target.exists() or (heading and heading not in _anchors(target.read_text()))

    assert [link for link in links if broken(link)] == []


def test_the_pictures_of_the_readme_are_there():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (ROOT / "README.md").read_text())

    assert pictures == [f"docs/images/{name}.png" for name in ("live-light", "live-dark", "health-light")]
    assert [picture for picture in pictures if not (ROOT / picture).is_file()] == []


def _anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
