"""The `fraud` command: a table of contents. Every command lives in a file of its own group."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import structlog
import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from fraud.errors import FraudError, MappingError, RuleFileError, UsageError

COMMANDS: Final = {
    "demo": "cli.demo",
    "init": "cli.init",
    "produce": "cli.produce",
    "consume": "cli.consume",
    "archive": "cli.archive",
    "dashboard": "cli.dashboard",
    "history": "cli.history",
    "train": "cli.train",
    "doctor": "cli.doctor",
    "export": "cli.export",
    "replay": "cli.replay",
}
"""Each is a function of its own name in its module."""
GROUPS: Final = {
    "rules": ("cli.rules", "Check, publish and describe rules files.\n\nExample: fraud rules check"),
    "policy": ("cli.policy", "What decides: rules, thresholds and model in force.\n\nExample: fraud policy show"),
    "model": ("cli.model", "Put a trained model in force, or take it back.\n\nExample: fraud model rollback"),
}
"""Each is a `typer.Typer` called `app` in its module."""

HELP = """Fraud detection for card payments: judge them as they arrive, explain what stands out, verify what was kept.

Every failure is one line; --debug adds its traceback.

Example: fraud demo
"""


def main() -> None:
    """Run one command. Every failure is one line on standard error; `--debug` (or FRAUD_DEBUG=1) adds the traceback."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or os.environ.get("FRAUD_DEBUG") == "1"
    structlog.configure(
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr)
    )  # standard output is a command's answer
    try:
        code = application(arguments)(arguments, prog_name="fraud", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        typer.echo(misused(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            traceback.print_exc()
        typer.echo(said(error), err=True)
        sys.exit(exit_code(error))


def application(arguments: Sequence[str]) -> typer.Typer:
    """The command line. Only the module of the command asked for is imported: some take seconds."""
    app = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=HELP
    )
    app.callback()(_root)
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    known = asked in COMMANDS or asked in GROUPS
    for name, module in COMMANDS.items():
        if not known or name == asked:
            app.command(name)(getattr(import_module(module), name))
    for name, (module, text) in GROUPS.items():
        if not known or name == asked:
            app.add_typer(import_module(module).app, name=name, help=text)
    return app


def misused(error: TyperException) -> str:
    """What is wrong with the command line, in one line; where no command was named, the help."""
    text = error.format_message().replace("Value error, ", "")
    if "\n" in text:
        return text
    context = getattr(error, "ctx", None)
    path = "fraud" if context is None else context.command_path
    return f"fraud: {text.rstrip('.')}; see `{path} --help`"


def said(error: Exception) -> str:
    """What a person reads: one line, or one for each mistake of a file they wrote."""
    if isinstance(error, ValidationError):
        problems = [f"FRAUD_{'__'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        return "\n".join(f"fraud: {problem.replace('Value error, ', '')}" for problem in problems)
    if isinstance(error, RuleFileError | MappingError):
        return str(error)
    if isinstance(error, FraudError):
        return f"fraud: {error}"
    if isinstance(error, OSError) and error.filename:
        return f"fraud: {error.filename}: {error.strerror}"
    text = " ".join(str(error).split())
    return f"fraud: unexpected {type(error).__name__}: {text} (--debug shows where)"


def exit_code(error: Exception) -> int:
    """2 for what the user can mend in the command or a file, 1 for everything else."""
    return 2 if isinstance(error, UsageError | RuleFileError | MappingError | ValidationError) else 1


def _root() -> None:
    """Keep the commands as subcommands even when only one is loaded."""


_root.__doc__ = HELP


if __name__ == "__main__":
    main()
