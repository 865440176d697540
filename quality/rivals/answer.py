"""The runner's side of the conversation: a request per line on stdin, an answer per line on stdout.

It runs inside a peer's own environment, so it knows nothing but numpy and the standard library.

A request names the two ``.npy`` files, the seed, what is asked and, if not all, which methods:

    {"before": PATH, "after": PATH, "seed": 0, "ask": "statistic" | "default" | "repaired", "methods": [NAME]}

``statistic`` wants a number that is larger under drift, as cheaply as it comes; ``default`` and ``repaired`` want the
peer's own decision, at its own settings and at settings that its users would come to. The answer says for each method
that has any: statistic, fired (None where only the statistic was asked), seconds, and megabytes: the highest resident
size during the work, less the size before it (0 where the kernel does not tell).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

# before, after, seed, ask -> statistic and whether it fired; None: nothing of the kind to ask of this method.
Method = Callable[[np.ndarray, np.ndarray, int, str], "tuple[float, bool | None] | None"]


def serve(methods: dict[str, Method]) -> None:
    """Answer until stdin ends. What a library prints goes to stderr, and its warnings nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for line in sys.stdin:
        answers.write(json.dumps(answer(methods, json.loads(line))) + "\n")
        answers.flush()


def answer(methods: dict[str, Method], request: dict[str, Any]) -> dict[str, Any]:
    """What every method asked for says; or the error in words."""
    try:
        before, after = (np.load(request[side], allow_pickle=False) for side in ("before", "after"))
        said = {
            name: found
            for name in request.get("methods") or methods
            if (found := measured(methods[name], before, after, request["seed"], request["ask"]))
        }
    except Exception as error:  # whatever goes wrong inside a peer is its answer
        return {"error": f"{type(error).__name__}: {error}"}
    return {"methods": said}


def measured(method: Method, before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> dict[str, Any] | None:
    """One method's answer with its time and memory."""
    at_rest, began = forget_peak(), time.perf_counter()
    found = method(before, after, seed, ask)
    if found is None:
        return None
    seconds, statistic, fired = time.perf_counter() - began, float(found[0]), found[1]
    return {
        "statistic": statistic,
        "fired": None if fired is None else bool(fired),
        "seconds": seconds,
        "megabytes": memory("VmHWM") - at_rest,
    }


def forget_peak() -> float:
    """Start the highest resident size anew; returns the size now, in megabytes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return memory("VmHWM")
    return memory("VmRSS")


def memory(what: str) -> float:
    """A size of this process in megabytes (2 to the 20 bytes), 0 where the kernel does not tell."""
    try:
        with open("/proc/self/status") as file:
            sizes = [line.split()[1] for line in file if line.startswith(what + ":")]
    except OSError:
        return 0.0
    return int(sizes[0]) / 1024 if sizes else 0.0
