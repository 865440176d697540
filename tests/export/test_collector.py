"""The metrics: every one that is promised, with the labels that are promised, saying what the store says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from tests.export.place import HOURS, ROWS, SEGMENTS, Place, batch, hour, linked, of, settings
from tests.run import measured
from tidegauge import Reference, __version__
from tidegauge.errors import StoreError
from tidegauge.export.collector import Collector
from tidegauge.export.exposition import text
from tidegauge.export.families import FAMILIES
from tidegauge.export.labels import LONGEST, MOST_REASONS, MOST_SEGMENTS
from tidegauge.records import ALL, Measured, PaneKey
from tidegauge.run.baseline import rebaseline
from tidegauge.score.registry import MEMBERS, SCORES
from tidegauge.store import open_store

ALL_ROWS = {"stream": "queries", "segment": "all"}
PANE = {**ALL_ROWS, "window": "1h"}
LINKED = {name for name in FAMILIES if name.startswith("tidegauge_link_")} | {"tidegauge_link"}
NOT_HERE = (LINKED - {"tidegauge_link_pending"}) | {"tidegauge_coverage_expected_ratio"}
"""What a history of seven hours, and one reference for queries and documents, cannot tell."""


def test_every_metric_is_told_with_its_labels(place: Place) -> None:
    place.collector.refresh_links()
    found = place.read()
    assert set(found) == set(FAMILIES) - NOT_HERE
    for name, samples in found.items():
        assert {frozenset(name for name, _ in labels) for labels in samples} == {frozenset(FAMILIES[name].labels)}
    assert place.collector.faults == {}


def test_links_and_coverage_are_told_with_their_labels(tmp_path: Path) -> None:
    place = linked(tmp_path)
    assert place.read()["tidegauge_link_pending"] == {of(stream="queries"): 1}
    place.collector.refresh_links()
    found = place.read()
    assert set(found) >= LINKED
    harmed, other = (of(stream="queries", outcome=name) for name in (measured.AFFECTED, measured.UNAFFECTED))
    assert found["tidegauge_link"] == {harmed: 1, other: 0}
    assert found["tidegauge_link_pending"] == {of(stream="queries"): 0}
    assert found["tidegauge_link_lag_seconds"][harmed] == measured.LAG * measured.HOUR
    assert found["tidegauge_link_slope_ratio"][harmed] == pytest.approx(100 * measured.HARM, rel=0.3)
    assert found["tidegauge_link_q_value"][harmed] < 0.05 < found["tidegauge_link_q_value"][other]


def test_coverage_is_told_as_it_was_expected(place: Place) -> None:
    """The index has another reference than the queries, and all that is new is missing from it."""
    other = Reference.fit(measured.batch(1000, seed=5), exchangeable=True, profile="small")
    store = place.store
    rebaseline(store, place.spec.streams["documents"], other, at=place.now)
    documents = place.recorder("documents")
    documents.observe(measured.batch(200, seed=99), name="index again")
    documents.settle(whole=True)
    place.collector.refresh_links()
    found, key = place.read(), of(stream="queries", documents="documents")
    assert found["tidegauge_coverage_expected_ratio"][key] > 0.9
    assert 0.5 < found["tidegauge_coverage_ratio"][key] < found["tidegauge_coverage_expected_ratio"][key]


def test_a_stream_without_outcomes_tells_of_its_coverage(filled: Callable[..., Place]) -> None:
    place = filled(outcomes={})
    place.collector.refresh_links()
    found = place.read()
    assert set(found["tidegauge_coverage_ratio"]) == {of(stream="queries", documents="documents")}
    assert found["tidegauge_link_pending"] == {of(stream="queries"): 0}
    assert "tidegauge_link" not in found


def test_links_are_looked_at_again_only_after_a_pane(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from tidegauge.run import link

    calls: list[str] = []
    real = link.link
    monkeypatch.setattr(link, "link", lambda store, monitor, **more: calls.append("") or real(store, monitor, **more))
    for _ in range(3):
        place.collector.refresh_links()
        place.read()
    assert len(calls) == 1
    place.land(batch(HOURS))
    assert place.read()["tidegauge_link_pending"][of(stream="queries")] == 1
    place.collector.refresh_links()
    assert len(calls) == 2


def test_windows_say_what_the_store_says(place: Place) -> None:
    found = place.read()
    for length, said in ((3600, "1h"), (3 * 3600, "3h")):
        for segment in (ALL, *SEGMENTS):
            window = place.store.windows("queries", length=length, segment=segment, newest=1)[0]
            key = of(stream="queries", segment=segment or "all", window=said)
            assert window.drift is not None
            assert found["tidegauge_drift"][key] == window.drift.value / 100
            assert found["tidegauge_drift_p_value"][key] == window.p
            assert found["tidegauge_window_rows"][key] == window.rows
            assert found["tidegauge_window_end_timestamp_seconds"][key] == window.key.end
            assert found["tidegauge_window_duplicate_ratio"][key] == window.duplicates / window.rows
            states = {dict(k)["state"]: v for k, v in found["tidegauge_window_state"].items() if key < k}
            assert {state for state, value in states.items() if value} == {window.state}
            assert len(states) == 6
            for score in window.scores:
                one = key | of(score=score.name)
                if segment and not score.member:
                    assert one not in found["tidegauge_score"]
                    continue
                for name, value in (
                    ("", score.value),
                    ("_null_mean", score.null_mean),
                    ("_null_sd", score.null_sd),
                    ("_z", score.z),
                    ("_effect", score.effect),
                ):
                    told = found[f"tidegauge_score{name}"].get(one)
                    assert told == (None if np.isnan(value) else value), (score.name, name)


def test_a_snapshot_says_what_it_holds_now(place: Place) -> None:
    key, documents = of(stream="documents", segment="all", window="now"), place.recorder("documents")
    for rows, at in ((200, place.now), (300, place.now + 60)):
        found = place.read()
        assert found["tidegauge_window_rows"][key] == rows
        assert found["tidegauge_window_end_timestamp_seconds"][key] == at
        assert found["tidegauge_last_close_timestamp_seconds"][of(stream="documents")] == at
        place.now += 60
        documents.observe(measured.batch(100, seed=7), name="more")
        documents.settle(whole=True)
    assert not [labels for labels in found["tidegauge_alarm_active"] if ("stream", "documents") in labels]


def test_scores_share_their_labels(place: Place) -> None:
    """So that PromQL compares them without matching groups."""
    found = place.read()
    scores = set(found["tidegauge_score"])
    for name in ("null_mean", "null_sd", "z", "effect"):
        assert set(found[f"tidegauge_score_{name}"]) == scores
    members = {labels for labels in scores if dict(labels)["score"] in MEMBERS}
    assert set(found["tidegauge_score_threshold"]) == members
    assert {dict(labels)["score"] for labels in scores if of(**PANE) < labels} <= set(SCORES)


def test_what_goes_beyond_its_threshold_is_drift(place: Place) -> None:
    """The newest hour of the filled store has rows that are new, the one after it has none."""
    for drifted in (True, False):
        found, here = place.read(), of(**PANE)
        beyond = {
            dict(labels)["score"]
            for labels, threshold in found["tidegauge_score_threshold"].items()
            if here < labels and found["tidegauge_score"][labels] > threshold
        }
        assert bool(beyond) == drifted
        assert found["tidegauge_window_state"][here | of(state="drift")] == drifted
        place.land(batch(HOURS))


def test_counts_are_those_of_the_stream(place: Place) -> None:
    found = place.read()
    assert found["tidegauge_rows_total"][of(stream="queries")] == HOURS * ROWS
    assert found["tidegauge_rejected_rows_total"] == {of(stream="queries", reason="nan"): 3}
    assert found["tidegauge_store_bytes"][of()] == place.store.size()
    assert found["tidegauge_build_info"] == {of(version=__version__): 1}
    state = place.store.state("queries")
    infos = {dict(labels)["stream"]: dict(labels) for labels in found["tidegauge_stream_info"]}
    assert infos["queries"] == {
        "stream": "queries",
        "kind": "stream",
        "reference": state.reference[:12],
        "model": "",
        "pane": "1h",
    }
    assert infos["later"]["model"] == "encoder-1"
    assert (infos["later"]["reference"], found["tidegauge_rows_total"][of(stream="later")]) == ("", 0)


def test_times_are_those_of_the_events(place: Place) -> None:
    place.now = hour(HOURS) + 1000.0
    found, key = place.read(), of(stream="queries")
    assert found["tidegauge_last_event_timestamp_seconds"][key] == hour(HOURS) - 1
    assert found["tidegauge_ingest_lag_seconds"][key] == 1001
    assert found["tidegauge_last_close_timestamp_seconds"][key] == hour(HOURS - 1)
    assert found["tidegauge_silence"][key] == 0
    place.now += 7200
    assert place.read()["tidegauge_silence"][key] == 1


def test_alarms_and_messages(place: Place) -> None:
    found = place.read()
    lasting = {labels: value for labels, value in found["tidegauge_alarm_active"].items() if value}
    kept = place.store.alarms("queries", lasting=True)
    assert kept
    assert sum(lasting.values()) == len(kept)
    for alarm in kept:
        assert of(stream="queries", kind=alarm.kind, severity=alarm.severity) in lasting
    assert len(found["tidegauge_alarm_active"]) == 8
    assert found["tidegauge_alarms_opened_total"][of(stream="queries")] == len(place.store.alarms("queries"))
    assert not any(found["tidegauge_alarm_acknowledged"].values())
    waiting = len(place.store.messages(waiting=True))
    assert found["tidegauge_messages_waiting"] == {of(endpoint="pager"): waiting}
    assert waiting
    with place.store.leading("queries") as desk:
        assert desk is not None
        desk.raise_alarm(replace(kept[0], state="acknowledged"))
    assert sum(place.read()["tidegauge_alarm_acknowledged"].values()) == 1


def test_calibration_and_promises(place: Place) -> None:
    found, key = place.read(), of(stream="queries")
    assert found["tidegauge_calibration_provisional"][key] == 1
    assert found["tidegauge_calibration_panes"][key] == 0
    # Two streams raise alarms; half of this one's share is that of all rows, as it has segments.
    assert found["tidegauge_promised_seconds_between_false_alarms"][key] == 90 * 86_400 * 2 * 2
    achieved = [found[f"tidegauge_achieved_seconds_between_false_alarms{end}"][key] for end in ("_lower", "", "_upper")]
    assert achieved == sorted(achieved)
    assert achieved[0] < achieved[2]


def test_new_clusters(place: Place) -> None:
    found, key = place.read(), of(stream="queries")
    [cluster] = place.store.clusters("queries")
    [share] = cluster.shares
    assert found["tidegauge_new_clusters"][key] == 1
    assert found["tidegauge_new_cluster_share_ratio"][key] == share.inside / share.sampled > 0.1
    with place.store.leading("queries") as desk:
        assert desk is not None
        desk.follow(replace(cluster, gone=hour(HOURS)))
    found = place.read(place.another())
    assert (found["tidegauge_new_clusters"][key], found["tidegauge_new_cluster_share_ratio"][key]) == (0, 0)


def test_outcomes_are_the_sums_of_panes(place: Place) -> None:
    found = place.read()
    for outcome in (measured.AFFECTED, measured.UNAFFECTED):
        for segment in (ALL, *SEGMENTS):
            panes = place.store.measured("queries", length=3600, outcome=outcome, segment=segment)
            key = of(stream="queries", segment=segment or "all", outcome=outcome)
            assert found["tidegauge_outcome_numerator_total"][key] == sum(each.numerator for each in panes)
            assert found["tidegauge_outcome_denominator_total"][key] == sum(each.denominator for each in panes)
    assert len(panes) == HOURS - 1


def test_counters_never_fall(place: Place) -> None:
    counters = [name for name in FAMILIES if name.endswith("_total")]
    before = place.read()
    for at in range(HOURS, HOURS + 5):
        place.land(batch(at, segments=("de", "en", "fr"), late=1))
        after = place.read()
        for name in counters:
            for labels, value in before[name].items():
                assert after[name][labels] >= value, (name, labels)
        before = after
    fresh = place.read(place.another())
    assert {name: fresh[name] for name in counters} == {name: before[name] for name in counters}


def test_outcomes_begin_anew_only_from_nothing(filled: Callable[..., Place]) -> None:
    """Panes are forgotten after six hours, so that they are counted over three; the sum of them all is still known."""
    place = filled(windows=[], keep={"pane": "6h"})
    key = of(stream="queries", segment="all", outcome=measured.AFFECTED)
    told, seen = 0.0, place.read()["tidegauge_outcome_denominator_total"][key]
    first, counted, resets = seen, 0.0, 0
    for at in range(HOURS, HOURS + 14):
        place.land(batch(at))
        told = place.read()["tidegauge_outcome_denominator_total"][key]
        # As Prometheus reads a counter: a fall is a beginning from nothing.
        counted, resets = counted + (told if told < seen else told - seen), resets + (told < seen)
        seen = told
    assert counted == 14 * ROWS
    assert resets == pytest.approx(14 / 3, abs=1)
    assert first <= 3 * ROWS


def test_a_counter_cannot_fall_below_nothing(filled: Callable[..., Place]) -> None:
    place = filled(windows=[])
    state = place.store.state("queries")
    with place.store.leading("queries") as desk:
        assert desk is not None
        key = PaneKey("queries", state.reference, 3600, hour(HOURS - 2))
        desk.measure([Measured(key, measured.AFFECTED, -5.0, 10.0)])
    place.read()
    place.land(batch(HOURS))
    found = place.read()
    assert {dict(labels)["outcome"] for labels in found["tidegauge_outcome_numerator_total"]} == {measured.UNAFFECTED}
    assert {dict(labels)["outcome"] for labels in found["tidegauge_outcome_denominator_total"]} == {measured.UNAFFECTED}
    assert found["tidegauge_folded_series_total"][of()] == 1


def test_nothing_is_told_of_a_reference_that_is_no_longer_in_force(place: Place) -> None:
    place.collector.refresh_links()
    other = Reference.fit(measured.batch(1000, seed=5), exchangeable=True, profile="small")
    rebaseline(place.store, place.spec.streams["queries"], other, at=place.now)
    found = place.read()
    assert not [labels for labels in found["tidegauge_drift"] if ("stream", "queries") in labels]
    assert not found["tidegauge_coverage_ratio"]
    assert found["tidegauge_outcome_numerator_total"][of(**ALL_ROWS, outcome=measured.AFFECTED)] == 0
    assert of(stream="queries") in found["tidegauge_rows_total"]


def test_many_segments_are_left_out_and_counted(filled: Callable[..., Place]) -> None:
    place = filled(segments=80)
    names = [f"s{i:02}" for i in range(70)]
    place.land(batch(HOURS, segments=[*names, *names[:20]], rows=180), batch(HOURS + 1))
    found = place.read()
    told = {dict(labels)["segment"] for labels in found["tidegauge_window_rows"] if ("stream", "queries") in labels}
    # The two that closed before have more rows, over the longest windows; then come the larger ones of the newest hour.
    assert len(told) == MOST_SEGMENTS + 1
    assert {"all", "de", "en", *names[:20]} < told
    kept = {dict(labels)["segment"] for labels in found["tidegauge_outcome_numerator_total"]}
    assert len(kept) == MOST_SEGMENTS + 1
    assert found["tidegauge_folded_series_total"][of()] >= 70 + 2 - MOST_SEGMENTS
    assert place.read()["tidegauge_folded_series_total"] == found["tidegauge_folded_series_total"]


def test_many_reasons_are_left_out_and_counted(place: Place) -> None:
    reasons = {f"reason {i}": i + 1 for i in range(MOST_REASONS + 5)}
    place.land(replace(batch(HOURS), rejected=reasons))
    found = place.read()
    told = {dict(labels)["reason"] for labels in found["tidegauge_rejected_rows_total"]}
    assert len(told) == MOST_REASONS
    assert found["tidegauge_folded_series_total"][of()] == 1 + 5
    assert not {"reason 0", "reason 4"} & told


def test_names_that_would_break_a_scrape(filled: Callable[..., Place]) -> None:
    """Names that the gate lets through, and such as only a damaged store has."""
    let_through = ["all", "all~5ef5ef03", 'a"b\\c', "{x}", "é∂", "x" * 190]
    place = filled(segments=40)
    place.land(batch(HOURS, segments=let_through, rows=240), batch(HOURS + 1))
    worse = {"{x}": "a\nb", "é∂": "\u202egnp\x01", "x" * 190: "y" * 5000}
    for before, after in worse.items():
        where = {"before": before, "after": after}
        damage(place, "UPDATE tidegauge_windows SET segment = :after WHERE segment = :before", **where)
        damage(place, "UPDATE tidegauge_outcomes SET segment = :after WHERE segment = :before", **where)
    reasons = dict.fromkeys(("a\nb", "a?b", "z" * 300), 1)
    damage(place, "UPDATE tidegauge_streams SET aside = :aside WHERE stream = 'queries'", aside=json.dumps(reasons))
    found = place.read()
    for samples in found.values():
        for labels in samples:
            for name, value in labels:
                assert value.isprintable(), (name, value)
                assert len(value) <= LONGEST, (name, value)
    told = {dict(labels)["segment"] for labels in found["tidegauge_window_rows"] if ("window", "1h") in labels}
    assert {"all", 'a"b\\c'} == {each for each in told if "~" not in each}
    assert len(told) == 1 + len(let_through)
    assert "all~5ef5ef03" in told
    assert len(found["tidegauge_rejected_rows_total"]) == 3
    assert found["tidegauge_window_rows"][of(**PANE)] == 240
    exposed = text(place.collector)
    parsed = [sample for family in text_string_to_metric_families(exposed) for sample in family.samples]
    assert {sample.labels["segment"] for sample in parsed if sample.name == "tidegauge_window_rows"} >= told


def damage(place: Place, statement: str, **values: object) -> None:
    with place.store.database.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


@pytest.mark.parametrize(
    ("statement", "gone", "left"),
    [
        ("UPDATE tidegauge_windows SET said = '{' WHERE stream = 'queries'", "tidegauge_drift", "tidegauge_rows_total"),
        ("UPDATE tidegauge_references SET data = x'00'", "tidegauge_score_threshold", "tidegauge_alarm_active"),
        ("UPDATE tidegauge_calibrations SET data = x'00'", "tidegauge_calibration_panes", "tidegauge_drift"),
        ("UPDATE tidegauge_alarms SET said = '[1]'", "tidegauge_alarm_active", "tidegauge_drift"),
        (
            "UPDATE tidegauge_streams SET pane = 'xyz' WHERE stream = 'queries'",
            "tidegauge_drift",
            "tidegauge_rows_total",
        ),
        (
            "UPDATE tidegauge_streams SET aside = '{' WHERE stream = 'queries'",
            "tidegauge_drift",
            "tidegauge_rows_total",
        ),
    ],
)
def test_one_damaged_stream_does_not_blind_the_others(place: Place, statement: str, gone: str, left: str) -> None:
    damage(place, statement)
    found = place.read(place.another())
    assert found["tidegauge_stream_readable"][of(stream="queries")] == 0
    assert found["tidegauge_stream_readable"][of(stream="later")] == 1
    assert not [labels for labels in found[gone] if ("stream", "queries") in labels]
    assert found[left]
    assert of(stream="documents") in found["tidegauge_rows_total"]


def test_a_fault_is_told_in_words(place: Place) -> None:
    damage(place, "UPDATE tidegauge_references SET data = x'00'")
    collector = place.another()
    place.read(collector)
    assert set(collector.faults) == {"queries", "documents"}
    assert "want" in collector.faults["queries"]
    collector.refresh_links()
    assert place.read(collector)["tidegauge_link_pending"][of(stream="queries")] == 1


def test_settings_that_do_not_fit_what_is_kept(filled: Callable[..., Place]) -> None:
    place = filled(pane="30m", windows=["3h"])
    found = place.read()
    assert found["tidegauge_stream_readable"][of(stream="queries")] == 0
    assert "panes of 30m" in place.collector.faults["queries"]
    # What is kept is told all the same, as it was cut.
    assert of(**PANE) in found["tidegauge_drift"]
    assert "1h" in {dict(labels).get("pane") for labels in found["tidegauge_stream_info"]}


def test_a_store_out_of_reach_fails_the_scrape(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise StoreError("store", got="a lost connection", want="one", transient=True)

    monkeypatch.setattr(place.store, "windows", lost)
    with pytest.raises(StoreError):
        place.read()


def test_panes_of_rows(tmp_path: Path) -> None:
    measured.reference().save(tmp_path / "normal.tg")
    counted = {"pane": "100 rows", "windows": ["200 rows"], "lateness": 600, "outcomes": {}, "documents": ""}
    place = Place(
        tmp_path, settings(tmp_path, **{**counted, "columns": {"id": "id", "time": "time", "outcomes": ["success"]}})
    )
    place.land(*(replace(batch(at), segments=None) for at in range(3)))
    found = place.read()
    newest = place.store.windows("queries", length=100, newest=1)[0]
    key = of(**ALL_ROWS, window="100 rows")
    assert found["tidegauge_window_end_timestamp_seconds"][key] == newest.last_time
    assert found["tidegauge_last_close_timestamp_seconds"][of(stream="queries")] == newest.last_time
    assert of(**ALL_ROWS, window="200 rows") in found["tidegauge_drift"]
    assert found["tidegauge_outcome_denominator_total"][of(**ALL_ROWS, outcome="success")] == 3 * ROWS
    place.store.close()


def test_nothing_is_read_to_register_it(tmp_path: Path) -> None:
    place = Place(tmp_path, settings(tmp_path))
    place.store.close()
    registry = CollectorRegistry()
    registry.register(place.collector)
    names = {name for metric in place.collector.describe() for name in (metric.name, f"{metric.name}_total")}
    assert {"tidegauge_drift", "tidegauge_rows_total"} <= names


def test_one_metric_may_be_asked_for(place: Place) -> None:
    registry = CollectorRegistry()
    registry.register(place.collector)
    some = list(registry.restricted_registry(["tidegauge_silence"]).collect())
    assert [metric.name for metric in some] == ["tidegauge_silence"]


def test_a_fresh_store_tells_that_nothing_came(tmp_path: Path) -> None:
    with_nothing = open_store(str(tmp_path / "empty.db"))
    collector = Collector(with_nothing, settings(tmp_path))
    collector.refresh_links()
    told = {sample.name for metric in collector.collect() for sample in metric.samples}
    assert {"tidegauge_stream_info", "tidegauge_stream_readable", "tidegauge_rows_total"} <= told
    assert "tidegauge_drift" not in told
    with_nothing.close()
