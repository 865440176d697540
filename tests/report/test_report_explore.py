from __future__ import annotations

import html as standard_html
import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.report.cases import drifted, hostile, one_dimension
from tidegauge.errors import UsageError
from tidegauge.records import Comparison
from tidegauge.report import explore, interactive, model, payload, write_report
from tidegauge.report.formats import plain
from tidegauge.report.groups import groups

_WORDS = ["order", "refund", "card", "gift", "parcel", "late", "size", "code", "store", "open", "pay", "return"]


def clustered(c: Comparison, rows: int = 60) -> Comparison:
    """The comparison with clusters, outcomes, ids and texts for its first rows."""
    rng = np.random.default_rng(3)
    names = (*(k.name for k in c.novelty.clusters), *(r.cell for r in (*c.gained, *c.lost)), "cell 1 of 16")
    names = tuple(dict.fromkeys(names))
    view = c.view
    sides = {}
    for side, points in (("before", view.before[:rows]), ("after", view.after[:rows])):
        n = len(points)
        sides |= {
            side: points,
            f"{side}_ids": tuple(f"{side}-{i}" for i in range(n)),
            f"{side}_texts": tuple(" ".join(rng.choice(_WORDS, 9)) for _ in range(n)),
            f"{side}_clusters": (np.arange(n) % len(names)).astype(np.int32),
            f"{side}_outcomes": {"retrieval success": (np.arange(n) % 3 > 0).astype(np.float32)},
        }
    return replace(c, view=replace(view, clusters=names, **sides))


def carried(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="map-data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_case_renders_the_same_every_time(comparison: Comparison) -> None:
    page = explore.render(comparison)
    assert page == explore.render(comparison)
    assert len(page.encode()) < 1_500_000
    assert len(re.findall("<script", page)) == len(re.findall("</script>", page)) == 3


def test_the_page_carries_every_row() -> None:
    c = clustered(drifted())
    data = carried(explore.render(c))
    shown = payload.points(c.view)
    for side, points in zip(data["sides"], shown, strict=True):
        places = payload.decode_places(side["places"], data["x"], data["y"])
        np.testing.assert_allclose(places, points.xy, atol=1e-3)
        np.testing.assert_array_equal(payload.decode_clusters(side["clusters"]), points.clusters)
        assert payload.decode_words(side["ids"]) == list(points.ids)
        assert payload.decode_words(side["texts"]) == list(points.texts)
        values = payload.decode_values(side["outcomes"][0], data["outcomes"][0]["levels"])
        np.testing.assert_array_equal(values, points.outcomes["retrieval success"])


def test_the_page_forbids_the_network_and_eval() -> None:
    page = explore.render(drifted())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'unsafe-inline'; ")
    assert "eval" not in policy[1]
    assert not re.findall(r'(?:src|href)="(?!data:)', page.split("<script")[0])


def test_hostile_texts_stay_in_their_place() -> None:
    page = explore.render(clustered(hostile()))
    outside = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert "<script" not in outside
    assert "<img onerror" not in outside
    inside = carried(page)
    assert inside["sides"][0]["label"] == "<script>alert('x')</script>"
    assert not re.findall("[\x1b\u202e\u2066]", page)


def test_says_what_the_text_report_says(comparison: Comparison) -> None:
    page = standard_html.unescape(explore.render(comparison))
    values = model.page(comparison)
    assert values.verdict in page
    for answer in values.answers:
        assert answer.sentence in page
    for score in values.scores:
        assert score.meaning in page


def test_groups_are_new_gained_lost_and_the_rest() -> None:
    c = clustered(drifted())
    found = groups(c)
    assert [(group.key, group.name) for group in found] == [
        ("N1", "refund gift card"), ("N2", "parcel locker code"), ("G1", "8/3"), ("G2", "32/17"), ("L1", "8/1"),
        ("", "cell 1 of 16"),
    ]  # fmt: skip
    assert [group.place for group in found] == list(range(6))
    assert (found[0].rows_before, found[0].rows_after, found[5].rows_after) == (10, 10, 10)
    assert found[0].after == model.cluster_row(c.novelty.clusters[0]).share
    assert [plain(group.rates[0]) for group in found[:2]] == [
        "retrieval success: 0 % of 10 before, 0 % of 10 after",
        "retrieval success: 100 % of 10 before, 100 % of 10 after",
    ]


def test_a_cluster_without_rows_is_listed_all_the_same() -> None:
    c = clustered(drifted())
    view = replace(
        c.view,
        clusters=c.view.clusters[1:],
        before_clusters=c.view.before_clusters * 0,
        after_clusters=c.view.after_clusters * 0,
    )
    found = groups(replace(c, view=view))
    assert (found[0].name, found[0].place, found[0].rows_after) == ("refund gift card", -1, 0)


def test_a_view_without_clusters_is_one_group() -> None:
    c = replace(drifted(), novelty=replace(drifted().novelty, clusters=()), gained=(), lost=())
    (only,) = groups(c)
    assert (only.name, only.place, only.rows_before, only.rows_after) == ("all rows", 0, 2700, 400)


def test_pages_stay_below_three_megabytes() -> None:
    """Fifty thousand rows whose ids and texts hardly shrink."""
    rng = np.random.default_rng(4)
    c, n = drifted(), 25_000
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789 ,", "S1")

    def words(width: int) -> tuple[str, ...]:
        rows = letters[rng.integers(len(letters), size=(n, width))]
        return tuple(row.tobytes().decode() for row in rows)

    def rows() -> Any:
        return rng.standard_normal((n, 2)).astype(np.float32)

    view = replace(
        c.view, before=rows(), after=rows(), before_ids=words(36), after_ids=words(36),
        before_texts=words(60), after_texts=words(60),
        before_outcomes={"dwell": rng.random(n).astype(np.float32)},
        after_outcomes={"dwell": rng.random(n).astype(np.float32)},
    )  # fmt: skip
    page = explore.render(replace(c, view=view))
    assert len(page.encode()) < 3_000_000
    assert "To keep this page small, texts are cut to " in page
    assert carried(page)["sides"][0]["rows"] == n


def test_one_dimension_lies_in_lanes() -> None:
    c = one_dimension()
    data = carried(explore.render(c))
    for side, sign in zip(data["sides"], (1, -1), strict=True):
        assert (sign * payload.decode_places(side["places"], data["x"], data["y"])[:, 1] > 0.1).all()


@pytest.mark.parametrize(("z", "place"), [(0.0, 0.0), (-10.0, -10.0), (1000.0, 30.0), (-100.0, -20.0)])
def test_far_scores_are_drawn_in(z: float, place: float) -> None:
    assert interactive.z_place(z, compressed=True) == pytest.approx(place)
    assert interactive.z_place(z, compressed=False) == z


def test_models_are_numbered_by_their_place() -> None:
    c = drifted()
    first, second = (json.dumps(interactive.item(interactive.scores_figure(c))) for _ in range(2))
    assert first == second
    assert not re.findall(r'"p\d{3,}"', first)


def test_without_bokeh_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "bokeh" else find(name, *rest))
    with pytest.raises(UsageError, match=r"pip install 'tidegauge\[interactive\]'"):
        write_report(drifted(), tmp_path / "out", interactive=True)
    assert not (tmp_path / "out").exists()


def test_the_report_holds_the_page_where_it_is_asked_for(tmp_path: Path) -> None:
    paths = write_report(drifted(), tmp_path, interactive=True)
    assert "explore.html" in {path.name for path in paths}
    assert (tmp_path / "explore.html").read_text("utf-8") == explore.render(drifted())
