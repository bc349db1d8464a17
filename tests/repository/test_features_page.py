"""The page of features says what the declared table says."""

from fraud.features import COLUMN_KINDS
from tests.repository.features_page import PAGE, rendered


def test_the_page_is_the_table():
    assert PAGE.read_text() == rendered(), "run: python -m tests.repository.features_page"


def test_every_name_that_a_condition_may_use_is_on_the_page():
    page = PAGE.read_text()

    assert [name for name in COLUMN_KINDS if f"`{name}`" not in page] == []
