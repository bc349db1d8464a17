"""The `fraud` command."""


def main() -> None:
    """Join the command groups and run."""
