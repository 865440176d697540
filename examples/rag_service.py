"""A small service that finds documents for questions, and tells tidegauge what it is asked.

    python examples/rag_service.py                 # asks itself a few questions, and says what it sent
    python examples/rag_service.py --port 8080     # then: curl 'localhost:8080/search?q=where+is+my+parcel'
                                                   #       curl -X POST 'localhost:8080/feedback?id=ID&helpful=1'

It needs tidegauge alone: embeddings are made by hashing, where a real service would ask its model. Lines that begin
with ``client`` are all that tidegauge takes; nothing else changes, whether or not anybody listens to them.

The stream expects, in the settings of ``tidegauge serve``:

    [streams.queries.outcomes.answered]

    [streams.queries.outcomes.helpful]
    late = "7d"
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import re
import signal
import threading
import uuid
import zlib
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import make_server

import numpy as np

from tidegauge.client import Client

DIMENSIONS = 256
ENOUGH = 0.4
DOCUMENTS = (
    "Where is my parcel? It arrives within three working days; track it with the number in our mail.",
    "How to return a parcel: put the return label on it, and bring it to any shop within thirty days.",
    "When do I get my money back? We refund it to your card within a week after your return has arrived.",
    "When are you open? Our shops are open from nine to eight, on Sundays from eleven to five.",
    "How to change the address of an order: in your account, or write to us before it has left.",
    "How to pay: by card, by invoice, or in cash at the door. We never ask for a card's number by mail.",
)
QUESTIONS = (
    ("where is my parcel", True),
    ("how do I return a parcel", True),
    ("when are you open on Sundays", True),
    ("when do I get my money back after a return", True),
    ("is there a gift voucher for my aunt", False),
)


def embed(text: str) -> np.ndarray:
    """The hashing trick: every word and every three letters in a row point somewhere. Shape (256,), unit length."""
    words = re.findall(r"[a-z]+", text.lower())
    pieces = [*words, *(f"#{word}#"[i : i + 3] for word in words for i in range(len(word)))]
    vector = np.zeros(DIMENSIONS, np.float32)
    for piece in pieces:
        value = zlib.crc32(piece.encode())
        vector[value % DIMENSIONS] += 1 if value & 0x10000 else -1
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


INDEX = np.stack([embed(document) for document in DOCUMENTS])


def search(client: Client, question: str) -> dict[str, Any]:
    """The document that is nearest to a question, or none."""
    vector = embed(question)
    scores = INDEX @ vector
    best = int(np.argmax(scores))
    answered = bool(scores[best] >= ENOUGH)
    asked = uuid.uuid4().hex
    client.observe(vector, id=asked, text=question, outcomes={"answered": answered})
    return {"id": asked, "score": round(float(scores[best]), 2), "document": DOCUMENTS[best] if answered else None}


def feedback(client: Client, asked: str, helpful: bool) -> None:
    """What the person who asked says of the answer, sooner or later."""
    client.outcome(asked, helpful=helpful)


def application(client: Client) -> Any:
    """The service as a WSGI application."""

    def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        status, told = HTTPStatus.NOT_FOUND, {"error": "GET /search?q= or POST /feedback?id=&helpful="}
        match environ["REQUEST_METHOD"], environ["PATH_INFO"]:
            case "GET", "/search" if "q" in given:
                status, told = HTTPStatus.OK, search(client, given["q"])
            case "POST", "/feedback" if "id" in given:
                feedback(client, given["id"], given.get("helpful") == "1")
                status, told = HTTPStatus.OK, {"thanks": True}
        body = json.dumps(told).encode()
        start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
        return [body]

    return respond


def main() -> None:
    """Serve, or ask a few questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidegauge", default="http://127.0.0.1:8765", metavar="URL", help="where tidegauge serves")
    parser.add_argument("--stream", default="queries")
    parser.add_argument("--port", type=int, help="serve on this port, until Ctrl-C or SIGTERM")
    given = parser.parse_args()

    client = Client(given.tidegauge, stream=given.stream, model_id="hashing-256")
    if given.port is not None:
        with make_server("127.0.0.1", given.port, application(client)) as server:
            for each in (signal.SIGINT, signal.SIGTERM):  # else it ends without sending what waits
                signal.signal(each, lambda *_: threading.Thread(target=server.shutdown).start())
            print(f"http://127.0.0.1:{server.server_port}/search?q=where+is+my+parcel", flush=True)
            server.serve_forever()
        print("stopped")
    else:
        for question, helpful in QUESTIONS:
            found = search(client, question)
            print(f"{question}? {found['score']:.2f} {found['document'] or 'nothing found'}")
            feedback(client, found["id"], helpful)
    client.close(timeout=2)
    stats = client.stats
    print(f"vectors: {stats.rows.sent} of {stats.rows.given} sent; outcomes: {stats.outcomes.sent} sent later")
    if stats.last_error:
        print(f"tidegauge at {given.tidegauge}: {stats.last_error}; the answers did not depend on it")


if __name__ == "__main__":
    main()
