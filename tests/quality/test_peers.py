"""Peers side by side: how a peer is asked, the equal measured rate, the rows, and what is said when none is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quality import __main__ as command
from quality import data, peers
from quality.rivals import peer as rivals
from quality.rivals.peer import Peer, Talk, absent, question

# A peer that is none: it speaks the protocol as the real runners do.
STAND_IN = """
import sys
sys.path.insert(0, {here!r})
import numpy as np
from answer import serve

def means(before, after, seed, ask):
    print("chatter that must not reach the answers")
    distance = np.abs(before.mean(0) - after.mean(0)).sum()
    return distance + seed, None if ask == "statistic" else np.bool_(ask == "default")

def nothing_to_repair(before, after, seed, ask):
    return None if ask == "repaired" else (float(np.ones(8_000_000).sum()), None)

def breaks(before, after, seed, ask):
    raise ValueError("no such drift")

def ends(before, after, seed, ask):
    print("its last words", file=sys.stderr)
    raise SystemExit(3)

serve(dict(means=means, nothing_to_repair=nothing_to_repair, breaks=breaks, ends=ends))
"""
BEFORE, AFTER = np.zeros((3, 2), np.float32), np.full((4, 2), 0.5, np.float32)


@pytest.fixture
def stand_in(tmp_path: Path) -> Peer:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN.format(here=str(rivals.HERE)))
    return Peer("the stand-in", Path(sys.executable), script)


@pytest.fixture
def talk(stand_in: Peer) -> Iterator[Talk]:
    with Talk(stand_in) as running:
        yield running


def test_a_peer_answers_one_question_after_the_other(talk: Talk) -> None:
    with question(BEFORE, AFTER, 7, "default") as first, question(BEFORE, AFTER, 9, "repaired") as second:
        talk.send({**first, "methods": ["means", "nothing_to_repair"]})
        talk.send({**second, "methods": ["means", "nothing_to_repair"]})
        said = [talk.receive(), talk.receive()]
        talk.send({**second, "ask": "statistic", "methods": ["means"]})
        said.append(talk.receive())
    assert [list(s) for s in said] == [["means", "nothing_to_repair"], ["means"], ["means"]]
    assert [s["means"]["statistic"] for s in said] == [8.0, 10.0, 10.0]
    assert [s["means"]["fired"] for s in said] == [True, False, None]
    assert all(s["means"]["seconds"] > 0 for s in said)
    assert not Path(first["before"]).exists()
    if Path("/proc/self/clear_refs").exists():
        assert 60 < said[0]["nothing_to_repair"]["megabytes"] < 200
        assert said[0]["means"]["megabytes"] < 30


def test_a_peer_that_breaks_is_told_in_words(talk: Talk, stand_in: Peer) -> None:
    with question(BEFORE, AFTER, 0, "default") as request:
        talk.send({**request, "methods": ["breaks"]})
        with pytest.raises(SystemExit, match=r"the stand-in: ValueError: no such drift \(stand_in.py\)"):
            talk.receive()
        with Talk(stand_in) as other:
            other.send({**request, "methods": ["ends"]})
            with pytest.raises(SystemExit, match=r"(?s)ended without an answer.*its last words"):
                other.receive()
    stand_in.script.write_text("print('Traceback?', flush=True); input()")
    with Talk(stand_in) as third, pytest.raises(SystemExit, match=r"it answered 'Traceback\?"):
        third.receive()


def test_without_its_environment_a_peer_says_what_to_run(tmp_path: Path, stand_in: Peer) -> None:
    gone = Peer("somebody", tmp_path / "bin" / "python", stand_in.script)
    assert absent([stand_in]) == ""
    assert "somebody" in absent([stand_in, gone])
    with pytest.raises(SystemExit, match="somebody; make it once with scripts/peers"):
        Talk(gone)
    assert (rivals.HERE.parents[1] / rivals.MAKE).exists()
    for p in rivals.PEERS:
        assert p.script.exists()


def run_command(monkeypatch: pytest.MonkeyPatch, missing: str, *words: str) -> list[str]:
    """Tables that the command runs, none of them really."""
    ran: list[str] = []

    def instead(name: str, *rest: Any, **how: Any) -> list[Any]:
        ran.append(name)
        return []

    monkeypatch.setattr(command, "run_table", instead)
    monkeypatch.setattr(peers, "absent", lambda: missing)
    monkeypatch.setattr(sys, "argv", ["quality", *words])
    assert command.main() == 0
    return ran


def test_all_tables_run_without_the_peers_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "peers" not in run_command(monkeypatch, "run scripts/peers")
    assert "peers: left out: run scripts/peers" in capsys.readouterr().out
    assert "peers" in run_command(monkeypatch, "")
    assert run_command(monkeypatch, "run scripts/peers", "power") == ["power"]
    assert run_command(monkeypatch, "run scripts/peers", "peers", "--reps", "0") == ["peers"]
    with pytest.raises(SystemExit) as ended:
        run_command(monkeypatch, "run scripts/peers", "peers")
    assert ended.value.code == 2
    assert "run scripts/peers" in capsys.readouterr().err


@pytest.mark.parametrize("n", [1, 18, 19, 20, 39, 40, 99, 100])
def test_the_threshold_is_the_exact_rank_test(n: int) -> None:
    null = np.random.default_rng(n).integers(30, size=n).astype(float).tolist()
    limit = peers.threshold(null, 0.05)
    for x in {*null, -1.0, 29.5, 40.0}:
        p = Fraction(1 + sum(v >= x for v in null), n + 1)
        assert (x > limit) == (p <= Fraction(1, 20)), (x, limit, p)


def test_a_null_repetition_is_beyond_the_others_at_most_at_the_level() -> None:
    values = np.random.default_rng(0).standard_normal(40).tolist()
    beyond = [v > peers.threshold(values[:i] + values[i + 1 :]) for i, v in enumerate(values)]
    assert sum(beyond) == 2


def statistics(**values: float) -> dict[str, Any]:
    return {"methods": {k.replace("_", " "): v for k, v in values.items()}}


def test_power_is_counted_beyond_each_ones_own_null() -> None:
    null = [statistics(tidegauge=i, Alibi_Detect_MMD=100 * i, other=-1) for i in range(19)]
    changed = [statistics(tidegauge=17 + k, Alibi_Detect_MMD=1700 + 100 * k, other=k - 1) for k in range(4)]
    assert peers.power(null, changed) == {"tidegauge": 0.5, "Alibi Detect MMD": 0.5, "other": 0.75}
    assert set(peers.power(null[:5], changed).values()) == {0.0}


def decision(fired: bool, seconds: float) -> dict[str, Any]:
    return {"statistic": 0.0, "fired": fired, "seconds": seconds, "megabytes": 1.0}


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = data._stand_in("stand-in", 4, 3, ("en",))
    monkeypatch.setattr(data, "clinc", lambda: queries)
    turns = [
        {
            "methods": {
                "default": {
                    "tidegauge": decision(i == 0, 1.0 + i),
                    "Alibi Detect MMD": decision(False, 8.0 * (1 + i)),
                    "whylogs any of 9": decision(i < 8, 0.1),
                },
                "repaired": {"whylogs any of 9": decision(i < 1, 0.1)},
            }
        }
        for i in range(20)
    ]
    megabytes = {"tidegauge": 100.0, "Alibi Detect MMD": 1000.0, "whylogs any of 9": 20.0}
    results: dict[str, list[dict[str, Any]]] = {
        "memory, T8": [{"methods": {k: {"megabytes": v} for k, v in megabytes.items()}}],
        "decisions, T8": turns,
        "T4: unchanged": [statistics(tidegauge=i, Alibi_Detect_MMD=i) for i in range(19)],
        "T4: rotation": [statistics(tidegauge=20, Alibi_Detect_MMD=20 * (k % 2)) for k in range(4)],
        "T4: mix shift": [statistics(tidegauge=20 * (k % 2), Alibi_Detect_MMD=20) for k in range(4)],
        "scenario A: week 7, 5 %": [statistics(tidegauge=1, Alibi_Detect_MMD=1)],
    }
    default, repaired, rotation, mix, seconds, memory, better = peers.rows(results)
    assert (default.ours, default.holds, default.reps) == (0.05, True, 20)
    assert default.beside["peers"] == {"Alibi Detect MMD": 0.0, "whylogs any of 9": 0.4}
    assert repaired.beside["peers"] == {"whylogs any of 9": 0.05}
    assert (rotation.ours, rotation.target, rotation.holds, rotation.reps) == (1.0, 0.5, True, 4)
    assert (rotation.beside["null repetitions"], rotation.beside["ours at p 0.05"]) == (19, 1.0)
    assert (mix.ours, mix.target, mix.holds, mix.beside["best peer"]) == (0.5, 1.0, False, "Alibi Detect MMD")
    assert (seconds.ours, seconds.holds) == (8.0, False)
    assert (memory.ours, memory.holds) == (0.1, True)
    assert better.ours == 3
    assert better.beside == {
        "power, T4: mix shift": "Alibi Detect MMD 1; ours 0.5",
        "seconds": "whylogs any of 9 0.1; ours 10.5",
        "megabytes": "whylogs any of 9 20; ours 100",
    }


def test_both_sides_of_every_cell_share_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = data._stand_in("stand-in", 10, 15, ("en",))
    monkeypatch.setattr(data, "clinc", lambda: queries)
    place = {row.tobytes(): i for i, row in enumerate(queries.x)}
    for cell in peers.cells("full"):
        source, change = cell.settings["source"], cell.settings["change"]
        if source == "T4":
            continue
        before, after = peers.draw(source, change, np.random.default_rng(1))
        if source == "T7":
            assert (before.shape, after.shape) == ((200, 32), (200, 32))
            continue
        rows = [[place[row.tobytes()] for row in x] for x in (before, after)]
        assert (len(rows[0]), len(rows[1])) == ((800 if "scenario" in source else 2000), 400)
        assert len({*rows[0], *rows[1]}) == len(rows[0]) + 400
        new = queries.oos if source in {"T8", "T8 out-of-scope", "scenario A"} else None
        if new is None:
            new = np.isin(queries.domains, data.TRAVEL if source.startswith("T8") else data.NEW_DOMAINS)
        share = 0 if change == peers.UNCHANGED else int(change.split()[-2])
        assert (new[rows[0]].sum(), new[rows[1]].sum()) == (0, 4 * share)
