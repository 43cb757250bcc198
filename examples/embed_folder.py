"""Embed a folder of text files with Ray Data, and search what came out.

    python examples/embed_folder.py FOLDER OUTPUT "a question"

The same command again embeds nothing twice, and goes on where it was stopped.
"""

import sys

import pyarrow.parquet as pq

import fnet_ray

if len(sys.argv) != 4:
    sys.exit(__doc__)
folder, output, question = sys.argv[1:]

report = fnet_ray.embed("f_net_mini_docs_en", folder, output, whole_files=True, tracking=False)
print(f"{report.embedded} texts embedded, {report.rejected} rejected")
print(pq.read_table(f"{output}/embeddings").schema.field("embedding"))

[hits] = fnet_ray.search(output, question, k=3).results()
for hit in hits:
    print(f"{hit['score']:.3f}  {hit['source_file']}")
