"""Call examples/serve.py with the `openai` client.

python examples/serve.py f_net_mini_docs_en &
python examples/call_server.py http://127.0.0.1:8000/v1 f_net_mini_docs_en
"""

import sys

import openai

if len(sys.argv) != 3:
    sys.exit(__doc__)
url, model = sys.argv[1:]
client = openai.OpenAI(base_url=url, api_key="none is needed")

texts = ["remove a directory tree", "Delete a folder and all that is in it.", "Parse a date."]
answer = client.embeddings.create(model=model, input=texts)
question, *others = (row.embedding for row in answer.data)
for text, other in zip(texts[1:], others, strict=True):
    print(f"{sum(a * b for a, b in zip(question, other, strict=True)):.3f}  {text}")
print(f"{answer.usage.total_tokens} tokens")
