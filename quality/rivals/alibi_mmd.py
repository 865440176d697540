"""Alibi Detect: MMDDrift with the PyTorch backend, everything else at its default (100 permutations, p below .05).

Its permutation test holds its level, so there is nothing to repair. The statistic is its MMD^2, which one permutation
gives as well as a hundred: the kernel and its bandwidth are the same.
"""

from __future__ import annotations

import numpy as np
import torch
from alibi_detect.cd import MMDDrift
from answer import serve


def mmd(before: np.ndarray, after: np.ndarray, seed: int, ask: str) -> tuple[float, bool | None] | None:
    """MMD^2, and whether the permutation test fires."""
    if ask == "repaired":
        return None
    torch.manual_seed(seed)
    how = {"n_permutations": 1} if ask == "statistic" else {}
    said = MMDDrift(before, backend="pytorch", **how).predict(after)["data"]
    return said["distance"], None if ask == "statistic" else bool(said["is_drift"])


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve({"Alibi Detect MMD": mmd})
