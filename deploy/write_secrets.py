"""Make each service's secrets once, in a volume of its own that only its user can read.

Run as root by the one-shot service `secrets` of `docker-compose.prod.yml`; needs the standard library alone. What exists is kept.
A run that was cut off half way is completed by the next one: the application's password is made first, the rest follows from it.
"""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

APPLICATION = 10001
MONGO = 999
OWNERS: Mapping[str, int] = {"app": APPLICATION, "mongo": MONGO}


def write_secrets(root: Path, owners: Mapping[str, int] = OWNERS) -> list[Path]:
    """Write what is missing under `root/<service>/`; returns what was made."""
    password = _existing(root / "mongo" / "app_password") or secrets.token_urlsafe(24)
    wanted = {
        root / "mongo" / "app_password": password,
        root / "mongo" / "root_password": secrets.token_urlsafe(24),
        root / "app" / "fraud_store": f"mongodb://fraud:{password}@mongo:27017/fraud?authSource=fraud",
    }
    missing = [path for path in wanted if not path.exists()]
    for path in missing:
        _write(path, wanted[path], owners[path.parent.name])
    for service, owner in owners.items():
        _close(root / service, owner)
    return missing


def _existing(path: Path) -> str | None:
    """What a file says, if it is there."""
    return path.read_text() if path.exists() else None


def _write(path: Path, text: str, owner: int) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:  # noqa: PTH123
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chown(unfinished, owner, owner)
    unfinished.rename(path)


def _close(folder: Path, owner: int) -> None:
    """Let only the owner into a folder; one that is theirs already was closed by an earlier run."""
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o500)
        os.chown(folder, owner, owner)


def main() -> None:
    """Write the secrets below the folder named on the command line."""
    for path in write_secrets(Path(sys.argv[1])):
        print(f"made {path}")


if __name__ == "__main__":
    main()
