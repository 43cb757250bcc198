"""The versions of the stored format that this code writes and reads.

The numbers stand in `format.json`, where a model's own loader can read them without importing
this package. To change what lies in a model's `data/` folder: raise `format_version`, keep reading
the older ones down to `oldest_readable`, and store one model of the old format under
`tests/flavor/stored/`.
"""

from __future__ import annotations

import json
import pkgutil

_numbers = json.loads(pkgutil.get_data("fnet_mlflow", "format.json") or b"")

FORMAT_VERSION: int = _numbers["format_version"]
OLDEST_READABLE: int = _numbers["oldest_readable"]
