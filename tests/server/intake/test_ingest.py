"""Rows and outcomes that come in by HTTP are kept once, whole, or refused in words."""

from __future__ import annotations

import gzip
import json
import threading

import numpy as np
import pyarrow as pa
import pytest

from tidegauge.errors import StoreError

BATCHES, LATE = "/v1/streams/queries/batches", "/v1/streams/queries/outcomes"
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def stream_of(table, **options):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def table_of(rows, **columns):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.astype(np.float32).ravel()), rows.shape[1])
    return pa.table({"vector": vectors, **columns})


def kept(service):
    state = service.store.state("queries")
    parts = service.store.parts("queries")
    return state.seen, sum(part.part.rows for part in parts), dict(state.aside)


def problem_of(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    return body


def test_a_batch_of_json_is_kept_once_under_its_id(client, service, rows):
    body = {"vectors": rows.tolist(), "ids": [str(i) for i in range(40)], "segments": ["de", None] * 20}
    first = client.post(BATCHES, json=body, headers={"idempotency-key": "monday"})
    again = client.post(BATCHES, json=body, headers={"idempotency-key": "monday"})
    want = {"batch": "monday", "stream": "queries", "landed": "landed", "rows": 40, "aside": {}}
    assert (first.status_code, first.json()) == (202, want)
    assert (again.status_code, again.json()) == (200, {**want, "landed": "repeated", "rows": 0})
    assert kept(service) == (40, 40, {})
    assert set(service.store.state("queries").segments) >= {"de"}


def test_without_an_id_every_request_counts_and_says_its_id(client, service, rows):
    answers = [client.post(BATCHES, json={"vectors": rows.tolist()}).json() for _ in range(2)]
    assert answers[0]["batch"] != answers[1]["batch"]
    assert kept(service)[0] == 80
    again = client.post(BATCHES, json={"vectors": rows.tolist()}, headers={"idempotency-key": answers[0]["batch"]})
    assert again.json()["landed"] == "repeated"


def test_arrow_is_kept_as_json_is(client, service, rows):
    columns = {
        "id": [f"r{i}" for i in range(40)],
        "time": pa.array([1_700_000_000.0] * 40),
        "session": ["s"] * 40,
        "segment": ["de"] * 40,
        "text": ["words"] * 40,
        "success": [1, None] * 20,
        "clicked": [3] * 40,
        "clicked_denominator": [5] * 40,
    }
    answer = client.post(BATCHES, content=stream_of(table_of(rows, **columns)), headers=ARROW)
    assert answer.status_code == 202, answer.text
    assert answer.json()["rows"] == 40
    assert service.store.state("queries").watermark == 1_700_000_000.0


def test_rows_that_cannot_be_measured_are_set_aside_and_counted(client, service, rows):
    vectors = rows.tolist()
    vectors[3], vectors[4], vectors[5] = [0.0] * 8, [1.0] * 7, None
    times = [1_700_000_000.0] * 39 + [9e9]
    answer = client.post(BATCHES, json={"vectors": vectors, "times": times})
    assert answer.json()["aside"] == {"zero": 1, "width": 1, "null": 1, "future": 1}
    assert answer.json()["rows"] == 36
    assert sum(kept(service)[2].values()) == 4


def test_gzip_is_unpacked_within_its_bound(client, rows):
    body = json.dumps({"vectors": rows.tolist()}).encode()
    packed = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(BATCHES, content=gzip.compress(body), headers=packed).status_code == 202
    bomb = gzip.compress(b'{"vectors": [' + b" " * (8 << 20) + b"]}")
    problem_of(client.post(BATCHES, content=bomb, headers=packed), 413)
    problem_of(client.post(BATCHES, content=gzip.compress(body)[:-9], headers=packed), 400)
    problem_of(client.post(BATCHES, content=body, headers=packed), 400)
    problem_of(client.post(BATCHES, content=body, headers={**packed, "content-encoding": "br"}), 415)


@pytest.mark.parametrize("packing", ["lz4", "zstd"])
def test_compressed_arrow_is_refused_before_it_is_unpacked(client, packing):
    table = table_of(np.zeros((400, 8)), text=["a" * 400] * 400)
    body = stream_of(table, compression=packing)
    said = problem_of(client.post(BATCHES, content=body, headers=ARROW), 422)
    assert "compressed" in said["got"]
    coded = pa.table({"vector": table["vector"], "segment": table["text"].dictionary_encode()})
    assert (
        "compressed"
        in problem_of(client.post(BATCHES, content=stream_of(coded, compression=packing), headers=ARROW), 422)["got"]
    )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"[" * 100_000, 400, "JSON"),
        (b"[]", 422, "object"),
        (b"{}", 422, "vectors"),
        (b'{"vectors": []}', 422, "no rows"),
        (b'{"vectors": 3}', 422, "vectors"),
        (b'{"vectors": [["a"]]}', 422, ""),
        (b'{"vectors": [[1]], "ids": []}', 422, "ids"),
        (b'{"vectors": [[1]], "ids": "a"}', 422, "ids"),
        (b'{"vectors": [[1]], "colour": []}', 422, "colour"),
        (b'{"vectors": [[1]], "outcomes": {"unheard": [1]}}', 422, "unheard"),
        (b'{"vectors": [[1]], "outcomes": {"success": ["yes"]}}', 422, "success"),
        (b'{"vectors": [[1]], "outcomes": []}', 202, ""),
        (b'{"vectors": [[' + b"9" * 4000 + b"]]}", None, ""),
        (b'{"vectors": [[1e999, 1, 1, 1, 1, 1, 1, 1]]}', 202, ""),
        (b'{"vectors": [{}]}', 422, ""),
        (b'{"vectors": [[[1]]]}', 422, ""),
        (b'{"vectors": [[true, 1, 1, 1, 1, 1, 1, 1]]}', None, ""),
    ],
)
def test_what_is_no_batch_is_refused_in_words(client, service, body, status, words):
    answer = client.post(BATCHES, content=body, headers={"content-type": "application/json"})
    assert answer.status_code < 500, answer.text
    if status is not None:
        assert answer.status_code == status, answer.text
    if answer.status_code >= 400:
        assert words in json.dumps(problem_of(answer, answer.status_code))
        assert kept(service)[0] == 0


def test_what_is_no_arrow_is_refused_in_words(client, service, rows):
    whole = stream_of(table_of(rows))
    pieces = [b"", b"ARROW1", whole[:50], whole[: len(whole) // 2], b"\xff" * 64, b"\xff\xff\xff\xff\x7f\xff\xff\xff"]
    for body in pieces:
        answer = client.post(BATCHES, content=body, headers=ARROW)
        assert 400 <= answer.status_code < 500, (body[:20], answer.text)
        problem_of(answer, answer.status_code)
    twice = pa.Table.from_arrays([table_of(rows)["vector"]] * 2, names=["vector", "vector"])
    problem_of(client.post(BATCHES, content=stream_of(twice), headers=ARROW), 422)
    problem_of(client.post(BATCHES, content=stream_of(pa.table({"x": [1]})), headers=ARROW), 422)
    assert kept(service)[0] == 0


def test_bounds_are_told_before_the_body_is_read(client, rows):
    problem_of(client.post(BATCHES, content=b" " * (2 << 20), headers={"content-type": "application/json"}), 413)
    problem_of(client.post(BATCHES, json={"vectors": [[1.0]] * 501}), 413)

    def endless():
        for _ in range(64):
            yield b" " * (1 << 16)

    problem_of(client.post(BATCHES, content=endless(), headers={"content-type": "application/json"}), 413)


def test_other_kinds_ids_and_streams_are_refused(client, rows):
    problem_of(client.post(BATCHES, content=b"a=b", headers={"content-type": "text/plain"}), 415)
    problem_of(client.post(LATE, content=b"{}", headers={"content-type": "text/plain"}), 415)
    problem_of(client.post(BATCHES, json={"vectors": [[1.0] * 8]}, headers={"idempotency-key": "a b"}), 422)
    problem_of(client.post(BATCHES, json={"vectors": [[1.0] * 8]}, headers={"idempotency-key": "x" * 201}), 422)
    problem_of(client.post("/v1/streams/nothing/batches", json={"vectors": [[1.0]]}), 404)
    for name in ("../queries", "%2e%2e", "que%0aries", "q" * 80, "queries%00"):
        assert client.post(f"/v1/streams/{name}/batches", json={"vectors": [[1.0]]}).status_code in (404, 405, 422)
    said = problem_of(client.post("/v1/streams/bare/batches", json={"vectors": [[1.0]]}), 409)
    assert "reference" in json.dumps(said)


def test_late_outcomes_are_added_once_and_the_others_named(client, service, rows):
    client.post(BATCHES, json={"vectors": rows[:2].tolist(), "ids": ["a", "b"]})
    body = {"ids": ["a", "b", "c"], "outcomes": {"success": [1, None, 0]}}
    answer = client.post(LATE, json=body)
    assert answer.status_code == 202
    assert answer.json()["added"] == 1
    assert answer.json()["aside"] == {"unknown": 1}
    assert client.post(LATE, json=body).json()["added"] == 0
    for wrong in (
        {},
        {"ids": []},
        {"ids": ["a"], "outcomes": {"success": []}},
        {"ids": [{}], "outcomes": {"success": [1]}},
    ):
        problem_of(client.post(LATE, json=wrong), 422)


def test_a_store_that_cannot_be_written_sends_callers_away_for_now(client, service, rows, monkeypatch):
    def full(_landing):
        raise StoreError("gauge.db", got="a full disk", want="room", transient=True)

    monkeypatch.setattr(service.store, "land", full)
    answer = client.post(BATCHES, json={"vectors": rows.tolist()}, headers={"idempotency-key": "a"})
    assert "full disk" in problem_of(answer, 503)["got"]
    assert int(answer.headers["retry-after"]) > 0
    monkeypatch.undo()
    assert client.post(BATCHES, json={"vectors": rows.tolist()}, headers={"idempotency-key": "a"}).status_code == 202
    assert kept(service)[0] == 40


def test_too_much_is_sent_away_and_nothing_acknowledged_is_lost(client, service, rows, monkeypatch):
    monkeypatch.setattr(service.intakes["queries"], "_most", 60)
    land, gate = service.store.land, threading.Event()

    def slow(landing):
        gate.wait(5)
        return land(landing)

    monkeypatch.setattr(service.store, "land", slow)
    answers = []
    body = {"vectors": rows.tolist()}
    threads = [threading.Thread(target=lambda: answers.append(client.post(BATCHES, json=body))) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(answers) < 5:
        pass
    gate.set()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [202, 429, 429, 429, 429, 429]
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers if each.status_code == 429)
    assert kept(service)[0] == 40


def test_a_caller_who_waited_too_long_may_send_again_and_it_counts_once(client, service, rows, monkeypatch):
    land = service.store.land

    def slow(landing):
        threading.Event().wait(0.6)
        return land(landing)

    object.__setattr__(service.spec.server, "timeout", 0.2)
    monkeypatch.setattr(service.store, "land", slow)
    headers = {"idempotency-key": "slow"}
    problem_of(client.post(BATCHES, json={"vectors": rows.tolist()}, headers=headers), 503)
    object.__setattr__(service.spec.server, "timeout", 5)
    assert client.post(BATCHES, json={"vectors": rows.tolist()}, headers=headers).status_code in (200, 202)
    assert kept(service)[0] == 40
