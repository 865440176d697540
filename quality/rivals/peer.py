"""Our side of the conversation with a peer: a process in its own environment, asked line by line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from quality.data import Float32

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE.parents[1] / ".peers"
MAKE = "scripts/peers"

Ask = Literal["statistic", "default", "repaired"]
Answer = dict[str, dict[str, Any]]

# One thread each, as ours; and nothing is reported home.
SETTINGS = {
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
    "LOKY_MAX_CPU_COUNT": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "DO_NOT_TRACK": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "WHYLOGS_NO_ANALYTICS": "1",
}


@dataclass(frozen=True)
class Peer:
    """A runner and the interpreter of its environment."""

    name: str
    python: Path
    script: Path


OURS = Peer("tidegauge", Path(sys.executable), HERE / "tidegauge_panel.py")
PEERS = (
    OURS,
    Peer("Alibi Detect", ENVIRONMENTS / "alibi" / "bin" / "python", HERE / "alibi_mmd.py"),
    Peer("Evidently", ENVIRONMENTS / "evidently" / "bin" / "python", HERE / "evidently_embeddings.py"),
    Peer("whylogs", ENVIRONMENTS / "whylogs" / "bin" / "python", HERE / "whylogs_embeddings.py"),
)


def absent(peers: Sequence[Peer] = PEERS) -> str:
    """What to say if an environment is missing; empty if all are there."""
    names = [p.name for p in peers if not p.python.exists()]
    return f"no environment for {', '.join(names)}; make it once with {MAKE} (about 3 GB)" if names else ""


class Talk:
    """A running peer. Send, then receive; a peer that breaks ends the program with what it said."""

    def __init__(self, peer: Peer) -> None:
        if missing := absent([peer]):
            raise SystemExit(missing)
        self.peer = peer
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            [str(peer.python), str(peer.script)],
            env={**os.environ, **SETTINGS},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
        )

    def send(self, request: dict[str, Any]) -> None:
        """Ask."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self._broken("it ended")

    def receive(self) -> Answer:
        """Wait for the answer to the oldest question: method -> what it says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        try:
            said = json.loads(line)
        except json.JSONDecodeError:
            self._broken(f"it answered {line[:200]!r}" if line else "it ended without an answer")
        if "error" in said:
            self._broken(said["error"])
        return said["methods"]

    def _broken(self, why: str) -> None:
        self.complaints.seek(0)
        last = self.complaints.read().strip().splitlines()[-5:]
        self.close()
        raise SystemExit("\n    ".join([f"{self.peer.name}: {why} ({self.peer.script.name})", *last]))

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.complaints):
            if pipe:
                with suppress(BrokenPipeError):  # words unsent to a process that is gone
                    pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@contextmanager
def question(before: Float32, after: Float32, seed: int, ask: Ask) -> Iterator[dict[str, Any]]:
    """A request, with both sides in files for as long as it lasts."""
    with tempfile.TemporaryDirectory() as folder:
        sides = {"before": before, "after": after}
        paths = {side: str(Path(folder, side + ".npy")) for side in sides}
        for side, rows in sides.items():
            np.save(paths[side], rows, allow_pickle=False)
        yield {**paths, "seed": seed, "ask": ask}
