"""The five steps of the service's page, taken word for word, end in an alarm."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tidegauge.client import Client

PAGE = (Path(__file__).parents[2] / "docs" / "server.md").read_text("utf-8")
STEPS = PAGE[PAGE.index("## From nothing") : PAGE.index("## What is taken")]
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SCRIPT = Path(sys.executable).with_name("tidegauge")
WIDTH, PANE, PER_PANE = 16, 300, 120


def blocks(kind: str) -> list[str]:
    found = [text for language, text in BLOCK.findall(STEPS) if language == kind]
    return ["\n".join(line[3:] for line in text.splitlines()) for text in found]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    process = subprocess.Popen([SCRIPT, "serve", "--port", "0"], cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield next(line.split()[-1].rstrip("/") for line in process.stderr if "serving" in line)
    finally:
        process.terminate()
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_five_steps_end_in_an_alarm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    elsewhere = 3 * rng.standard_normal(WIDTH)
    normal = rng.standard_normal((4000, WIDTH)).astype(np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(normal.ravel()), WIDTH)
    pq.write_table(pa.table({"vector": vectors}), "ref.parquet")

    assert "serve" in "".join(blocks("sh"))
    [settings] = blocks("yaml")
    Path("tidegauge.yaml").write_text(settings)
    for line in "\n".join(blocks("console")).splitlines():
        subprocess.run([SCRIPT, *shlex.split(line.removeprefix("$ "))[1:]], check=True, capture_output=True)

    [code] = blocks("py")
    begun = (time.time() // PANE - 60) * PANE
    with served(tmp_path) as url:
        # The traffic of some hours: as it was, and then with a fifth of it elsewhere.
        with Client(url, stream="queries") as before:
            for pane in range(50):
                rows = rng.standard_normal((PER_PANE, WIDTH))
                if pane >= 40:
                    rows[: PER_PANE // 5] = elsewhere + rng.standard_normal((PER_PANE // 5, WIDTH)) / 4
                before.observe_many(rows, times=begun + PANE * (pane + np.linspace(0, 0.99, PER_PANE)))
            assert before.flush(100)
        assert before.stats.rows.sent == 50 * PER_PANE
        names: dict[str, Any] = {"vector": normal[0].tolist(), "request_id": "r0", "locale": "de"}
        exec(code.replace("http://127.0.0.1:8765", url), names)
        assert names["gauge"].flush(30)
        names["gauge"].close()
        assert names["gauge"].stats.rows.sent == names["gauge"].stats.outcomes.sent == 1
    told = subprocess.run([SCRIPT, "alarms", "--format", "json"], capture_output=True, text=True, check=False)
    alarms = [each["alarm"] for each in json.loads(told.stdout)["alarms"]]
    [alarm] = [
        alarm for alarm in alarms if alarm["kind"] == "drift"
    ]  # hours that are sent in seconds look like silence
    assert begun + 40 * PANE <= alarm["opened"] <= begun + 44 * PANE
    assert "new cluster" in told.stdout
