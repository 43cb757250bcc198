"""The output folder: every path and name in it, and nowhere else.

```
embeddings/shard-NNNNNNNN.parquet   data files: the columns that are carried along, and the vectors
rejects/shard-NNNNNNNN.parquet      data files: the rows without a vector, and why
run/manifest.json                   what the job was asked to do
run/inputs-NNNN.parquet             its input files, one list for the first and for each `--append`
run/staged/*.parquet                converted inputs: files of other formats, as Parquet
run/staging/*.parquet               uncommitted data files, which become data or are removed
run/texts/shard-NNNNNNNN.parquet    data files: a hash of the text of each row of embeddings
run/done/shard-NNNNNNNN.json        commits: one for each shard that is done
run/lease/NNNNNNNN.json             leases: the last one says which driver is at work
run/gone.parquet                    rows of an older output that this one lacks, after `--reuse`
run/report.json                     what the job did, once it is finished
run/report.html                     the same to look at: a page, made by every tracked run
run/pictures/NAME.png               its pictures
```
"""

from __future__ import annotations

import re

RUN = "run"
MANIFEST, REPORT = f"{RUN}/manifest.json", f"{RUN}/report.json"
GONE = f"{RUN}/gone.parquet"
PAGE, PICTURES = f"{RUN}/report.html", f"{RUN}/pictures"
ALL_INPUT_LISTS = f"{RUN}/inputs-*.parquet"
EMBEDDINGS, REJECTS, TEXTS = "embeddings", "rejects", f"{RUN}/texts"
DATA_FOLDERS = (EMBEDDINGS, REJECTS, TEXTS)
CONVERTED, UNCOMMITTED = f"{RUN}/staged", f"{RUN}/staging"
COMMITS, LEASES = f"{RUN}/done", f"{RUN}/lease"

# To be formatted.
INPUT_LIST = f"{RUN}/inputs-{{number:04d}}.parquet"
DATA_FILE = "{folder}/shard-{shard:08d}.parquet"
UNCOMMITTED_FILE = f"{UNCOMMITTED}/shard-{{shard:08d}}-{{attempt}}-{{folder}}.parquet"
PICTURE = f"{PICTURES}/{{name}}.png"
COMMIT = f"{COMMITS}/shard-{{shard:08d}}.json"
CONVERTED_FILE = f"{CONVERTED}/{{key}}.parquet"
LEASE = f"{LEASES}/{{number:08d}}.json"
LOCK = f"{RUN}/.lock-{{host}}"

# Other files in the folders of commits and leases are left alone.
DATA_FILE_NAME = re.compile(r"shard-\d{8,}\.parquet")
COMMIT_NAME, LEASE_NAME = re.compile(r"shard-(\d{8,})\.json"), re.compile(r"(\d+)\.json")


def numbers(names: list[str], kind: re.Pattern[str]) -> list[int]:
    """Return the numbers in the names of some kind, `COMMIT_NAME` or `LEASE_NAME`."""
    return [int(match[1]) for match in map(kind.fullmatch, names) if match]
