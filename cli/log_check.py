"""What a consumer asks its log before it joins the group."""

import structlog

from fraud.errors import LogError
from storage.logs.log import Log

log = structlog.get_logger()


def warnings_of(source: Log) -> list[str]:
    """What a consumer starts with all the same, loudly: one line each, also logged.

    Raises LogError for what it must not start with: a topic that is missing, kept by senders' clocks, or too small for a flag.
    """
    problems = source.problems()
    for problem in problems:
        if problem.forbids_start:
            raise LogError(problem.says)
    for problem in problems:
        log.warning("log_problem", says=problem.says)
    return [problem.says for problem in problems]
