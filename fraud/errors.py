"""Everything that can go wrong, and what the caller does about it.

FraudError
├── BadMessageError      bury it as a dead letter, go on
├── RuleFileError        keep the rules in force, show every problem
├── ExpressionError      refuse the condition, saying which part and what to write instead
├── PolicyError          publish nothing, or stop: the log's policy cannot be followed
├── ModelError           stop: the model that the policy names is missing or damaged
├── StateError           refuse: state of another log, partition count or newer schema
├── LogError             the log does not hold what was asked, or refuses it: stop
│   ├── LogAwayError     the log does not answer: pause, ask again
│   └── PoisonedError    the producer is unusable: replace it and send again
├── StoreError           stop uncommitted, retry
├── ArchiveError         refuse: the archive is of another log or newer, or one of its files is damaged; name it
├── MappingError         refuse the foreign file, name the line of the mapping
├── FailpointError       a fault test asked for it; nobody handles it
└── UsageError           refuse the command in one line
"""


class FraudError(Exception):
    """The root: its text is one line that says what, which one and what to do next."""


class BadMessageError(FraudError):
    """A record that cannot be read or must be refused."""


class RuleFileError(FraudError):
    """A rules file with mistakes; `problems` has one line for each."""

    def __init__(self, problems: list[str]) -> None:
        """Keep one line per mistake, each with its place in the file."""
        super().__init__("\n".join(problems))
        self.problems = problems


class ExpressionError(FraudError):
    """A condition that is not allowed, does not fit its columns or is no condition."""


class PolicyError(FraudError):
    """A policy that cannot be published, read or followed."""


class ModelError(FraudError):
    """A model artifact that is missing, damaged or of another feature list."""


class StateError(FraudError):
    """A checkpoint or log that does not belong to this consumer."""


class LogError(FraudError):
    """The log cannot be reached, or does not hold what was asked."""


class LogAwayError(LogError):
    """The log does not answer, or not yet: the same question may succeed later."""


class PoisonedError(LogError):
    """The producer met an error that it cannot recover from."""


class StoreError(FraudError):
    """The store did not take, or did not answer."""


class ArchiveError(FraudError):
    """An archive of another log or a newer release, or a file of it that is damaged."""


class MappingError(FraudError):
    """A column mapping that does not fit its file."""


class UsageError(FraudError):
    """A command that was given what it cannot use."""


class FailpointError(FraudError):
    """A fault that a test asked for."""
