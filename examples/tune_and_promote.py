"""Tune a version on examples of one's own, and let the result in if it is better.

python examples/tune_and_promote.py
"""

import pyarrow as pa
import pyarrow.parquet as pq
from standard_library import standard_library_docstrings

import fnet_tune
from fnet_evaluate import evaluate, log_evaluation, promote
from fnet_mlflow import register_preset

# Any pairs do: here the name of a function is to find its docstring.
rows = [row for row in standard_library_docstrings() if "@" in row["name"]][:500]
names = [row["name"].rpartition("@")[0].replace("_", " ") for row in rows]
pairs = pa.table({"anchor": names, "positive": [row["text"] for row in rows]})
pq.write_table(pairs[:400], "train.parquet")
pq.write_table(pairs[400:], "test.parquet")

parent = register_preset("f_net_mini_docs_en", "docs", alias="champion")
tuned = fnet_tune.tune(parent.model_uri, "train.parquet", name="docs", epochs=1)

versions = [parent.model_uri]
if tuned.registration is not None:  # None where no state was better than the parent
    versions.append(tuned.registration.model_uri)
for evaluation in evaluate(versions, "test.parquet"):
    log_evaluation(evaluation)
    print(evaluation.model, evaluation.figures["ndcg@10"])
print(promote(versions[-1], require=["ndcg@10>=0.2", "ndcg@10>=champion"]))
