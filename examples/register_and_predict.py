"""Register a preset in MLflow, and predict with the version as with any other model.

python examples/register_and_predict.py
"""

import mlflow

import fnet_mlflow

registered = fnet_mlflow.register_preset("f_net_mini_docs_en", "docs", alias="champion")
print(registered.model_uri, "is new" if registered.created else "was there already")

model = mlflow.pyfunc.load_model("models:/docs@champion")
texts = ["remove a directory tree", "Delete a folder and all that is in it.", "Parse a date."]
question, *answers = model.predict(texts)  # a vector of length 1 for each text
for text, answer in zip(texts[1:], answers, strict=True):
    print(f"{question @ answer:.3f}  {text}")
