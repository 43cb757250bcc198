"""Serve a registered version, or any preset, as OpenAI's embeddings API on Ray Serve.

    pip install "fnet-registry[serve]"
    python examples/serve.py models:/docs/1

Ray Serve's own command takes it, too, with all that its configuration files set:

    serve run --app-dir examples serve:app model=models:/docs/1
"""

import argparse
import asyncio
import os
import signal
import sys
from contextlib import suppress
from typing import Any

import ray
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from mlflow.exceptions import MlflowException
from ray import cloudpickle, serve
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from fnet_mlflow.serving import openai
from fnet_ray.model import resolve_model
from fnet_registry import SharedEncoder
from fnet_registry.errors import FNetError

SECONDS_TO_SEND = 30  # slow clients would take all the places of a replica

http = FastAPI()


@http.exception_handler(openai.RefusedError)
def refuse(_: Request, error: openai.RefusedError) -> JSONResponse:
    return JSONResponse(error.body, status_code=error.status)


@http.exception_handler(HTTPException)
def refuse_path(request: Request, error: HTTPException) -> JSONResponse:
    message = f"{error.detail}. Received: {request.method} {request.url.path}"
    answer = refuse(request, openai.RefusedError(message, status=error.status_code))
    answer.headers.update(error.headers or {})
    return answer


async def read_body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS_TO_SEND):
            async for part in request.stream():
                body += part
                openai.check_size(len(body))
    except TimeoutError:
        message = f"A request must come within {SECONDS_TO_SEND} s. Received: {len(body):,} bytes"
        raise openai.RefusedError(message, status=408) from None
    return bytes(body)


@serve.deployment(max_ongoing_requests=64)
@serve.ingress(http)  # which takes what `http` has by now
class Embeddings:
    """Threads hand their requests to one encoder, and those in flight share its products.

    `serve.batch` would wait for a batch to fill, and while one is computed it closes the next
    before it is full.
    """

    def __init__(self, model: str, name: str) -> None:
        pinned = resolve_model(model)
        dtype: Any = pinned.compute_dtype
        self.model = name
        self.encoder = SharedEncoder.from_checkpoint(
            pinned.checkpoint, pinned.encoding, dtype=dtype
        )

    @http.post("/v1/embeddings")
    async def embeddings(self, request: Request) -> JSONResponse:
        return await run_in_threadpool(self.answer, await read_body(request))

    def answer(self, body: bytes) -> JSONResponse:
        return JSONResponse(openai.answer(body, model=self.model, encoder=self.encoder))

    @http.get("/v1/models")
    def models(self) -> dict[str, Any]:
        return openai.models(self.model)


def app(options: dict[str, str]) -> serve.Application:
    # Replicas do not find what --app-dir names, and need not: this file is sent along.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    if "model" not in options:
        raise ValueError(f"Expected a model, as model=models:/docs/1. Received: {options}")
    # Pinned here, lest an alias move between two replicas.
    return Embeddings.bind(resolve_model(options["model"]).uri, options["model"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="for example models:/docs/1 or f_net_mini_docs_en")
    parser.add_argument("--port", type=int, default=8000, help="on 127.0.0.1 (default: 8000)")
    arguments = parser.parse_args()
    try:
        resolve_model(arguments.model)  # here, where a wrong one is told in one line
    except (FNetError, MlflowException) as error:
        parser.error(str(error))
    ray.init(os.environ.get("RAY_ADDRESS", "local"))  # not any Ray that happens to run here
    serve.start(http_options={"port": arguments.port})
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own ends in an abort
    with suppress(KeyboardInterrupt):
        serve.run(app({"model": arguments.model}), blocking=True)
