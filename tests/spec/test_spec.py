"""Settings: what is read from a file and the environment, what follows from it, and how faults are told."""

from __future__ import annotations

import re
import subprocess
import sys
from glob import glob
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.spec.conftest import Load, faults
from tidegauge.errors import UsageError
from tidegauge.records import Columns
from tidegauge.spec import Pane, SpecError, StreamSpec, find_file, length_text, load_spec
from tidegauge.spec.fault import masked
from tidegauge.spec.length import SECONDS, read_seconds

HOUR, DAY, WEEK = 3600, 86_400, 604_800


# What is read


def test_nothing_said_is_every_default(load: Load) -> None:
    spec = load("[streams.queries]")
    stream = spec.streams["queries"]
    assert (spec.store, spec.poll) == (f"sqlite:///{Path.cwd()}/tidegauge.db", 10)
    assert (stream.name, stream.kind, stream.pane, stream.windows) == (
        "queries",
        "stream",
        Pane("seconds", 300),
        (HOUR, DAY, WEEK),
    )
    assert (stream.lateness, stream.future, stream.silence_after) == (600, 300, 3600)
    assert stream.keep == {300: 2 * DAY, HOUR: 30 * DAY, DAY: 400 * DAY, WEEK: 3650 * DAY}
    assert stream.columns.columns == Columns()
    assert (stream.samples.keep, stream.samples.uniform, stream.samples.novel) == (True, 512, 128)
    assert stream.model_dump(exclude={"name"}) == StreamSpec(name="any").model_dump(exclude={"name"})


TOML = """
poll = "1m"
[store]
url = "sqlite:///data/history.db"
[streams.web-queries]
source = "logs/*.parquet"
reference = "../normal.tg"
pane = "15m"
windows = ["1h", "1d"]
keep = { 1h = "60d" }
columns = { id = "key", outcomes = ["success", "clicked"], scale = 0.5 }
[streams.web-queries.samples]
keep = false
half_life = "7d"
[streams.web-queries.canary]
file = "canaries.npy"
"""
YAML = """
poll: 1m
store: {url: "sqlite:///data/history.db"}
streams:
  web-queries:
    source: logs/*.parquet
    reference: ../normal.tg
    pane: 15m
    windows: [1h, 1d]
    keep: {1h: 60d}
    columns: {id: key, outcomes: [success, clicked], scale: 0.5}
    samples: {keep: false, half_life: 7d}
    canary: {file: canaries.npy}
"""


@pytest.mark.parametrize(("text", "name"), [(TOML, "tidegauge.toml"), (YAML, "tidegauge.yaml"), (YAML, "a.yml")])
def test_both_kinds_of_file_say_the_same(load: Load, text: str, name: str) -> None:
    spec = load(text, name=name)
    stream = spec.streams["web-queries"]
    here = Path.cwd()
    assert (spec.poll, spec.store) == (60, f"sqlite:///{here}/data/history.db")
    assert (stream.source, stream.reference) == (f"{here}/logs/*.parquet", here.parent / "normal.tg")
    assert (stream.pane.length, stream.windows, stream.keep_for(HOUR)) == (900, (HOUR, DAY), 60 * DAY)
    assert stream.columns.columns == Columns(id="key", outcomes=("success", "clicked"), scale=0.5)
    assert (stream.samples.keep, stream.samples.half_life) == (False, 7 * DAY)
    assert stream.canary is not None
    assert (stream.canary.file, stream.canary.tolerance) == (here / "canaries.npy", 0.01)


def test_paths_are_those_of_the_file_and_not_of_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a[1]"
    folder.mkdir()
    (folder / "x.npy").touch()
    (folder / "tidegauge.toml").write_text('[streams.q]\nsource = "*.npy"\n[streams.one]\nsource = "x.npy"')
    monkeypatch.chdir(tmp_path)
    for path in (Path("a[1]/tidegauge.toml"), folder / "tidegauge.toml"):
        streams = load_spec(path, {}).streams
        assert streams["one"].source == str(folder / "x.npy")

        assert glob(streams["q"].source) == [str(folder / "x.npy")]


@pytest.mark.parametrize(
    "source", ["-", "", "postgresql://me@host/db", "sqlite:////abs/x.db", "sqlite:///:memory:", "/abs/a.npy"]
)
def test_what_is_no_relative_path_stays(load: Load, source: str) -> None:
    more = 'table = "t"\nkey = "id"' if "://" in source else ""
    assert load(f'[streams.q]\nsource = "{source}"\n{more}').streams["q"].source == source


def test_source_in_sqlite_is_beside_the_file(load: Load) -> None:
    stream = load('[streams.q]\nsource = "sqlite:///x.db"\ntable = "t"\nkey = "id"').streams["q"]
    assert stream.source == f"sqlite:///{Path.cwd()}/x.db"
    assert stream.is_database


# What follows


def test_windows_by_default_are_those_that_the_pane_divides() -> None:
    windows = {pane: StreamSpec(name="q", pane=pane).windows for pane in ("90s", "7m", "1h", "1w", "100 rows")}
    assert windows == {"90s": (HOUR, DAY, WEEK), "7m": (WEEK,), "1h": (DAY, WEEK), "1w": (), "100 rows": ()}


def test_each_length_is_kept_until_the_next_is_made() -> None:
    stream = StreamSpec(name="q", windows=("1w",))
    assert stream.keep == {300: 2 * WEEK, WEEK: 3650 * DAY}
    rows = StreamSpec(name="q", pane="10 rows", windows=["100 rows", "1000000 rows"], keep={"100 rows": "2000000 rows"})
    assert rows.keep == {10: 10_000, 100: 2_000_000, 1_000_000: 1_000_000_000}
    assert [rows.keep_for(length) for length in (1, 10, 50, 100)] == [10_000, 10_000, 10_000, 2_000_000]


def test_silence() -> None:
    after = [
        StreamSpec(name="q", pane="1h"),
        StreamSpec(name="q", quality={"silence": "5m"}),
        StreamSpec(name="q", quality={"silence": 0}),
        StreamSpec(name="q", pane="5 rows"),
        StreamSpec(name="q", kind="snapshot"),
        StreamSpec(name="q", pane="5 rows", quality={"silence": "1h"}),
    ]
    assert [stream.silence_after for stream in after] == [12 * HOUR, 300, 0, 0, 0, HOUR]


@given(st.integers(1, 3000), st.sampled_from(list(SECONDS)))
def test_lengths_go_there_and_back(number: int, unit: str) -> None:
    seconds = number * SECONDS[unit]
    said = length_text(seconds)
    assert read_seconds(said) == seconds == Pane.parse(f" {number} {unit} ").length
    larger = [size for size in SECONDS.values() if size > SECONDS[said[-1]]]
    assert all(seconds % size for size in larger)


@given(st.integers(1, 10**11))
def test_panes_of_rows_go_there_and_back(rows: int) -> None:
    assert Pane.parse(str(Pane("rows", rows))) == Pane("rows", rows)


@pytest.mark.parametrize("text", ["0s", "5", "5x", "-5m", "5.5m", "m", "", "5 m m", "٥m", "1e3 rows", "9999999999y"])
def test_what_is_no_pane(text: str) -> None:
    with pytest.raises(ValueError, match="want a span of time"):
        Pane.parse(text)


def test_settings_do_not_change() -> None:
    stream = StreamSpec(name="q")
    with pytest.raises(ValidationError):
        stream.share = 0.5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        stream.quality.silence = 1  # type: ignore[misc]


def test_settings_survive_json() -> None:
    for stream in (
        StreamSpec(name="q", pane="7m", keep={"pane": "30d"}, canary={"file": "a.npy"}),
        StreamSpec(name="q", pane="10 rows", windows=("100 rows",)),
    ):
        again = StreamSpec.model_validate_json(stream.model_dump_json())
        assert (again, again.keep) == (stream, stream.keep)


# The environment


def test_environment_goes_before_the_file(load: Load) -> None:
    environ = {
        "TIDEGAUGE_STORE__URL": "postgresql://me:pw@host/db",
        "tidegauge_poll": "90s",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__PANE": "5m",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__WINDOWS": "1h, 1d,1w",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__KEEP__1H": "70d",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__COLUMNS__OUTCOMES": "no_answer",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__SAMPLES__KEEP": "true",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__SEGMENTS": "7",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__QUALITY__MAX_REJECTED": "0.2",
        "TIDEGAUGE_STREAMS__WEB_QUERIES__MODEL_ID": "",
        "TIDEGAUGE_PORT": "tcp://10.0.0.1:80",
        "TIDEGAUGE_CONFIG": "elsewhere.toml",
        "OTHER_POLL": "1s",
    }
    spec = load(TOML, environ)
    stream = spec.streams["web-queries"]
    assert (spec.store, spec.poll, list(spec.streams)) == ("postgresql://me:pw@host/db", 90, ["web-queries"])
    assert (stream.pane.length, stream.windows, stream.keep_for(HOUR)) == (300, (HOUR, DAY, WEEK), 70 * DAY)
    assert (stream.columns.id, stream.columns.outcomes) == ("key", ("no_answer",))
    assert (stream.samples.keep, stream.segments, stream.quality.max_rejected) == (True, 7, 0.2)


def test_faults_of_the_environment_name_the_variable(load: Load) -> None:
    environ = {
        "TIDEGAUGE_STREAMS__Q__ALPHA": "7",
        "TIDEGAUGE_STREAMS__Q__KEEP__1H": "no",
        "TIDEGAUGE_STREAMS__Q__PANEL": "5m",
        "TIDEGAUGE_STREAMS__P__PANE": "5m",
        "TIDEGAUGE_STRE__URL": "x",
        "TIDEGAUGE_POLL__X": "x",
    }
    assert faults(load, "poll = 5\n[streams.q]", environ) == [
        "TIDEGAUGE_POLL__X: got 5 at poll, want a table there",
        "TIDEGAUGE_STREAMS__P__PANE: got stream 'p', want a setting of one of the file's streams: q. "
        "Streams are named in the file",
        "TIDEGAUGE_STRE__URL: got an unknown setting 'stre', want one of store, poll, alarms, server, streams",
        "tidegauge.toml: streams.q.keep.1h (set by TIDEGAUGE_STREAMS__Q__KEEP__1H): got 'no', want a span of time, "
        "such as '90s', '5m', '1h', '7d', '1w' or '10y'",
        "tidegauge.toml: streams.q.alpha (set by TIDEGAUGE_STREAMS__Q__ALPHA): got '7', want less than 1",
        "tidegauge.toml: streams.q.panel (set by TIDEGAUGE_STREAMS__Q__PANEL): got an unknown setting, want 'pane', "
        "the nearest known one",
    ]


def test_the_process_has_an_environment_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    load("[streams.q]")
    monkeypatch.setenv("TIDEGAUGE_POLL", "7s")
    assert load_spec().poll == 7


# Faults


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pane = 300", "pane: got 300, want a span of time"),
        ("pane = '0 rows'", "pane: got '0 rows', want a span of time"),
        ("lateness = -1", "lateness: got -1, want a span of time"),
        ("lateness = true", "lateness: got true, want a span of time"),
        ("lateness = '5 rows'", "lateness: got '5 rows', want a span of time"),
        ("windows = '7m'", "windows: got '7m', want a whole multiple of 5m, the pane"),
        ("windows = ['5m']", "windows: got '5m', want a whole multiple of 5m, the pane"),
        ("windows = ['1d', '1h']", "windows: got '1h', want a whole multiple of 1d, the window before"),
        ("windows = ['10 rows']", "windows: got '10 rows', want a span of time"),
        ("windows = 5", "windows: got 5, want a list"),
        ("pane = '5 rows'\nwindows = ['1h']", "windows: got '1h', want a number of rows"),
        ("keep = { 2h = '3d' }", "keep: got '2h', want one of pane, 1h, 1d, 1w"),
        ("keep = { pane = '30m' }", "keep.pane: got '30m', want at least 1h and the lateness of 10m: the next"),
        ("keep = { 1w = '1d' }", "keep.1w: got '1d', want at least 1w, its own length"),
        ("keep = '5d'", "keep: got '5d', want a table"),
        ("kind = 'streams'", "kind: got 'streams', want 'stream' or 'snapshot'"),
        ("kind = 'snapshot'\npane = '5m'", "pane: got '5m', want nothing, as a snapshot has no panes"),
        ("kind = 'snapshot'\nlateness = '5m'", "lateness: got '5m', want nothing, as a snapshot has no panes"),
        ("source = 'a.npy'\ntable = 't'", "table: got 't', want nothing, as the source is no database"),
        ("source = 'x://y'\nkey = 'id'", "table: got nothing, want the name of a table to read"),
        ("source = 'x://y'\ntable = 't'", "key: got nothing, want the name of a column that only rises"),
        ("source = 5", "source: got 5, want text"),
        ("reference = 5", "reference: got 5, want a path"),
        ("segments = 0", "segments: got 0, want at least 1"),
        ("segments = 2.5", "segments: got 2.5, want a whole number"),
        ("segments = true", "segments: got true, want a number"),
        ("batch_rows = 9999999", "batch_rows: got 9999999, want at most 1,048,576"),
        ("alpha = 'x'", "alpha: got 'x', want a number"),
        ("alpha = nan", "alpha: got nan, want"),
        ("share = 0", "share: got 0, want more than 0"),
        ("min_effect = -1", "min_effect: got -1, want at least 0"),
        ("columns = 'x'", "columns: got 'x', want a table"),
        ("columns.id = ''", "columns.id: got '', want some text"),
        ("columns.outcomes = ['a', 5]", "columns.outcomes, item 2: got 5, want text"),
        ("columns.scale = 0", "columns.scale: got 0, want more than 0"),
        ("samples.keep = 'perhaps'", "samples.keep: got 'perhaps', want true or false"),
        ("quality.max_rejected = 2", "quality.max_rejected: got 2, want at most 1"),
        ("canary = {}", "canary.file: got nothing, want a value: it has no default"),
        ("canary.file = 'x'\ncanary.tolerance = 3", "canary.tolerance: got 3, want at most 2"),
        ("windws = []", "windws: got an unknown setting, want 'windows', the nearest known one"),
        ("uniform = 5", "uniform: got an unknown setting, want it in [streams.q.samples]"),
        ("zzz = 5", "zzz: got an unknown setting, want one of kind, source, table"),
        ("columns.embedding_column = 'x'", "columns.embedding_column: got an unknown setting, want one of vector, id"),
        ("name = 'p'", "name: got 'p', want 'q', the name of its table"),
    ],
    ids=lambda text: text[:30],
)
def test_each_fault_is_told(load: Load, line: str, said: str) -> None:
    [told] = faults(load, f"[streams.q]\n{line}")
    assert told.startswith(f"tidegauge.toml: streams.q.{said}")
    assert not re.search(r"Input|should|valid|pydantic|type=|\bstr\b|Refused", told)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "pane = '5m'",
            "pane: got an unknown setting, want one of store, poll, alarms, server, streams. 'pane' is a setting of a",
        ),
        ("stor = 1", "stor: got an unknown setting, want 'store', the nearest known one"),
        ("streams = 5", "streams: got 5, want a table"),
        ("[streams]\nq = 5", "streams.q: got 5, want a table"),
        ("[streams.'a b']", "streams.'a b': got 'a b', want letters, digits, - and _"),
        ("[streams.a-b]\n[streams.A_b]", "streams.A_b: got 'A_b', want a name that differs from 'a-b' in more than"),
        ("[store]\nurl = 'x.db'", "store.url: got 'x.db', want sqlite:///FILE, or postgresql://USER:PASSWORD@HOST/"),
        ("[store]\nurl = 'mysql://h/d'", "store.url: got 'mysql://h/d', want sqlite:///FILE"),
        ("[store]\nurl = 'sqlite:///:memory:'", "store.url: got 'sqlite:///:memory:', want sqlite:///FILE"),
        ("[store]\nulr = 'x'", "store.ulr: got an unknown setting, want 'url', the nearest known one"),
        ("poll = 0", "poll: got 0, want at least 1"),
        ("poll = []", "poll: got a list, want a span of time"),
    ],
)
def test_each_fault_outside_of_streams_is_told(load: Load, text: str, said: str) -> None:
    [told] = faults(load, text)
    assert told.startswith(f"tidegauge.toml: {said}")


def test_all_faults_are_told_at_once(load: Load) -> None:
    text = "poll = 'x'\n[streams.q]\npane = '5x'\nkeep = {}\nwindows = ['1h']\nalpha = 2\n[streams.p]\nshare = 9\nq = 1"
    told = faults(load, text)
    places = [each.partition(": ")[2].partition(":")[0] for each in told]
    assert places == ["poll", "streams.q.pane", "streams.q.alpha", "streams.p.share", "streams.p.q"]
    with pytest.raises(SpecError) as caught:
        load(text)
    assert str(caught.value) == "; ".join(told)
    assert (caught.value.what, caught.value.got) == ("tidegauge.toml: poll", "'x'")


def test_passwords_are_not_told(load: Load) -> None:
    for url in ("mysql://me:secret@h/d", "postgresql:/me:secret@h/d", "postgresqlx://me:se@cr:et@h/secret"):
        [told] = faults(load, f"[store]\nurl = '{url}'")
        assert "me:***@h" in told
        assert "secret@" not in told
    assert masked("postgresql://h/d?password=secret&x=1") == "postgresql://h/d?password=***&x=1"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("a = 1\nb = = 2", "t.toml", "t.toml, line 2, column 5: got invalid value, want correct TOML"),
        ("a = 1\na = 2", "t.toml", "t.toml, "),
        ("a = [", "t.toml", "t.toml, end of document: got invalid value, want correct TOML"),
        ("a = " + "[" * 100_000, "t.toml", "t.toml: got values too large or too deep, want correct TOML"),
        ("a: [1\nb: 2", "t.yaml", "t.yaml, line 2, column 2: got expected ',' or ']', but got ':', want correct YAML"),
        ("a: 1\na: 2", "t.yaml", "t.yaml, line 2, column 1: got the key a twice, want correct YAML"),
        ("a: &x [1]\nb: *x", "t.yaml", "t.yaml, line 1, column 4: got seq used again by an alias; write it out"),
        ("streams:\n  no: {}", "t.yaml", "t.yaml, line 2, column 3: got the key no, which is no text; put it in"),
        ("? [1]\n: 2", "t.yaml", "t.yaml, line 1, column 3: got a key that is no text; put it in quotes"),
        ("a: !!python/object:os.system x", "t.yaml", "t.yaml, line 1, column 4: got could not determine a constr"),
        ("[" * 100_000, "t.yaml", "t.yaml: got values too large or too deep, want correct YAML"),
        ("a: \x01", "t.yaml", "t.yaml: got characters that no text has, want correct YAML"),
        ("- 1", "t.yaml", "t.yaml: got no table at the top, want tables, such as streams"),
        (b"a = '\xff'", "t.toml", "t.toml, line 1: got bytes that are no UTF-8, want text in UTF-8"),
        (b"#" * (1 << 20) + b"#", "t.toml", "t.toml: got more than 1 MiB, want a file of settings"),
        ("{}", "t.json", "t.json: got the extension .json, want .toml, .yaml or .yml"),
    ],
    ids=lambda text: text[:20],
)
def test_broken_files(load: Load, text: str, name: str, said: str) -> None:
    assert any(each.startswith(said) for each in faults(load, text, name=name))


def test_aliases_within_aliases_cost_nothing(load: Load) -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]
    assert "used again by an alias" in faults(load, "\n".join(lines), name="t.yaml")[0]


def test_empty_yaml_is_no_stream(load: Load) -> None:
    assert load("", name="t.yaml").streams == {}


def test_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"got no tidegauge.toml, want a file of settings"):
        load_spec()
    for name in ("tidegauge.yml", "tidegauge.yaml", "tidegauge.toml"):
        Path(name).write_text("")
        assert find_file() == Path(name)
        if name != "tidegauge.toml":
            Path(name).unlink()
    Path("tidegauge.yaml").write_text("")
    with pytest.raises(UsageError, match=r"got tidegauge.toml and tidegauge.yaml, want one of them"):
        load_spec()
    with pytest.raises(UsageError, match=r"elsewhere.toml: got no such file"):
        load_spec(Path("elsewhere.toml"))
    Path("folder.toml").mkdir()
    with pytest.raises(UsageError, match=r"folder.toml: got Is a directory"):
        load_spec(Path("folder.toml"))


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import tidegauge", ("pydantic", "yaml", "sqlalchemy", "numpy")),
        ("from tidegauge.cli import run; run(['check', '--help'])", ("tidegauge.spec", "yaml", "sqlalchemy", "numpy")),
        ("from tidegauge.cli import run; run(['check', '--schema'])", ("yaml", "sqlalchemy", "pyarrow")),
    ],
)
def test_libraries_are_imported_where_they_are_used(code: str, absent: tuple[str, ...]) -> None:
    check = f"{code}\nimport sys; print(*set({absent}).intersection(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
