"""The example of a service, as it is run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.client.service import Service

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "rag_service.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OPENBLAS_NUM_THREADS": "1"}


def command(*words: str) -> list[str]:
    return [sys.executable, "-W", "error", str(EXAMPLE), *words]


def run(url: str) -> str:
    done = subprocess.run(
        command("--tidegauge", url), capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_asks_itself_and_says_what_it_sent(service: Service) -> None:
    said = run(service.url).splitlines()
    assert said[0].startswith("where is my parcel? 0.")
    assert said[0].endswith("mail.")
    assert said[4].endswith("nothing found")
    assert said[5:] == ["vectors: 5 of 5 sent; outcomes: 5 sent later"]
    batch, late = service.requests
    assert [len(vector) for vector in batch.columns["vector"]] == [256] * 5
    assert batch.columns["answered"] == [1, 1, 1, 1, 0]
    assert batch.headers["Model-Id"] == "hashing-256"
    assert late.columns["ids"] == batch.columns["id"]
    assert late.columns["helpful"] == [1, 1, 1, 1, 0]


def test_it_does_its_work_where_nobody_listens() -> None:
    said = run("http://127.0.0.1:9").splitlines()
    assert said[0].endswith("mail.")
    assert said[5] == "vectors: 0 of 5 sent; outcomes: 0 sent later"
    assert "the connection was refused" in said[6]


def test_it_serves(service: Service) -> None:
    words = command("--tidegauge", service.url, "--port", "0")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT) as it:
        try:
            url = it.stdout.readline().strip()
            with urllib.request.urlopen(url, timeout=20) as response:
                found = json.loads(response.read())
            feedback = url.partition("/search")[0] + f"/feedback?id={found['id']}&helpful=1"
            with urllib.request.urlopen(urllib.request.Request(feedback, method="POST"), timeout=20) as response:
                assert json.loads(response.read()) == {"thanks": True}
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(url.partition("/search")[0], timeout=20)
        finally:
            it.terminate()
        assert it.stdout.read().splitlines() == ["stopped", "vectors: 1 of 1 sent; outcomes: 1 sent later"]
    assert found["document"].startswith("Where is my parcel?")
    assert service.column("id") == [found["id"], None]
