"""Objects by the hash of their content: models, lists and tables that a policy names, put down before the policy is sent."""

import hashlib
import os
import uuid
from pathlib import Path

from pyarrow import fs

from fraud.errors import PolicyError


class ObjectStore:
    """Files under `<data folder>/objects/<sha256>`, on disk or on any file system that pyarrow knows. Written once, never changed."""

    def __init__(self, data_dir: str | Path) -> None:
        """`data_dir` is a folder or a pyarrow file system URL, such as s3://bucket/fraud."""
        self.place = f"{str(data_dir).rstrip('/')}/objects"
        self._files, self._folder = _file_system(str(data_dir))

    def put(self, content: bytes) -> str:
        """Keep bytes and return their name. What is there already stays untouched."""
        name = hashlib.sha256(content).hexdigest()
        if name in self:
            return name
        temporary = f"{self._folder}/.{name}-{uuid.uuid4().hex}.part"
        try:
            self._files.create_dir(self._folder, recursive=True)
            with self._files.open_output_stream(temporary, compression=None) as stream:
                stream.write(content)
            self._settle(temporary)
            self._files.move(temporary, f"{self._folder}/{name}")
        except OSError as error:
            raise PolicyError(f"object {name} cannot be written under {self.place}: {error}") from error
        return name

    def get(self, name: str) -> bytes:
        """The bytes of a name. Raises PolicyError when they are missing or are not what the name says."""
        try:
            with self._files.open_input_stream(f"{self._folder}/{name}", compression=None) as stream:
                content: bytes = stream.read()
        except FileNotFoundError as error:
            raise PolicyError(
                f"object {name} is missing under {self.place}; copy it there from where it was made"
            ) from error
        except OSError as error:
            raise PolicyError(f"object {name} cannot be read under {self.place}: {error}") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise PolicyError(f"object {name} under {self.place} is damaged; remove it and put it there again")
        return content

    def __contains__(self, name: str) -> bool:
        """Whether bytes lie under a name, unread."""
        return bool(self._files.get_file_info(f"{self._folder}/{name}").type == fs.FileType.File)

    def _settle(self, path: str) -> None:
        """A local file reaches the disk before its name does."""
        if isinstance(self._files, fs.LocalFileSystem):
            with Path(path).open("rb") as written:
                os.fsync(written.fileno())


def _file_system(data_dir: str) -> tuple[fs.FileSystem, str]:
    if "://" in data_dir:
        files, path = fs.FileSystem.from_uri(data_dir)
        return files, f"{path.rstrip('/')}/objects"
    return fs.LocalFileSystem(), str(Path(data_dir).absolute() / "objects")
