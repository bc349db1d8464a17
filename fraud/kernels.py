"""How kernels are compiled: without the interpreter's lock, and kept on disk for as long as no source of this package changes.

numba keeps machine code by the file of the kernel that was called, not by those of the kernels that it calls in other files:
after a change of one of these it would go on deciding with the old code. So the cache's folder is named by all sources.
"""

import hashlib
from importlib.resources import files
from typing import Any, Final

import numba


def _sources() -> str:
    """Digest of every module of this package."""
    digest = hashlib.sha256()
    for module in sorted(
        (one for one in files("fraud").iterdir() if one.name.endswith(".py")), key=lambda one: one.name
    ):
        digest.update(module.name.encode() + b"\0" + module.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


_config: Any = numba.config  # its settings are made at run time
FOLDER: Final = f"{_config.CACHE_DIR or files('fraud') / '__pycache__'}/kernels-{_sources()}"
"""Below NUMBA_CACHE_DIR where that is set. Where it cannot be written, numba takes the user's own cache."""

_config.CACHE_DIR = FOLDER
kernel = numba.njit(cache=True, nogil=True)
"""Decorates a function over arrays and numbers; no fastmath and no parallel reductions, so that results never differ."""
