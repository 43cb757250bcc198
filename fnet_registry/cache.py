"""Where this project keeps what it can make anew, or goes on with."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache; an empty `XDG_CACHE_HOME` is as none, as XDG says."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "fnet-registry", name)
