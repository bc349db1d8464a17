"""The trial of group membership on a real broker: the promises of every log's group reader.

`python -m tests.prove.group` ends with 3 where one is broken, with 0 where all hold, and otherwise where they could not be tried.
"""

import sys
from pathlib import Path
from typing import Final

import pytest

FAILED: Final = 3
CONTRACT: Final = Path(__file__).parents[1] / "storage" / "logs" / "test_group_reader_contract.py"


def main() -> int:
    """Try them against Kafka; the first that is broken ends it."""
    code = pytest.main(["-q", "-x", "-m", "kafka", str(CONTRACT)])
    return {pytest.ExitCode.OK: 0, pytest.ExitCode.TESTS_FAILED: FAILED}.get(pytest.ExitCode(code), int(code))


if __name__ == "__main__":
    sys.exit(main())
