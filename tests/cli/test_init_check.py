"""``tidegauge init`` writes settings that ``tidegauge check`` finds right, and ``check`` finds what is not."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tomllib
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tests.cli.conftest import Tidegauge
from tidegauge.cli.guess import guess
from tidegauge.cli.init import template
from tidegauge.spec import Alarms, Endpoint, OutcomeSettings, StreamSpec, load_spec
from tidegauge.spec.schema import json_schema


@pytest.fixture
def here(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own with a source, and references without a model, of one, and of another width."""
    for name in ("before.parquet", "same.npy", "wide.npy", "normal.tg", "modelled.tg"):
        shutil.copy(files / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name in ("TIDEGAUGE_CONFIG", "TIDEGAUGE_STORE__URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(text: str, name: str = "tidegauge.toml") -> None:
    Path(name).write_text(text)


@pytest.mark.parametrize("command", ["init", "check"])
def test_help_has_examples(tidegauge: Tidegauge, command: str) -> None:
    done = tidegauge(command, "--help")
    assert (done.status, done.out.count(f"  $ tidegauge {command}")) == (0, 3)


# init


def test_what_init_writes_is_right_once_all_is_there(tidegauge: Tidegauge, here: Path) -> None:
    done = tidegauge("init")
    assert (done.status, done.out) == (0, "tidegauge.toml\n")
    done = tidegauge("check")
    assert done.status == 2
    assert "streams.queries.reference: " not in done.err  # normal.tg is there
    assert "streams.queries.source: " in done.err
    shutil.copy("before.parquet", "queries.parquet")
    assert tidegauge("check").status == 0


def test_init_looks_at_the_source_and_reference(tidegauge: Tidegauge, here: Path) -> None:
    done = tidegauge("init", "--stream", "web", "--source", "before.parquet", "--reference", "modelled.tg")
    assert (done.status, done.err) == (
        0,
        "tidegauge: guessed columns, to be looked at: vector, id, time, session, outcomes\n",
    )
    stream = load_spec(Path("tidegauge.toml"), {}).streams["web"]
    assert (stream.source, stream.reference) == (str(here / "before.parquet"), here / "modelled.tg")
    assert stream.model_id == "encoder-1"
    names = stream.columns
    assert (names.vector, names.id, names.text, names.time, names.session) == ("vector", "key", None, "at", "visit")
    assert names.outcomes == ("success",)
    text = Path("tidegauge.toml").read_text()
    assert text.count("# a guess: look at it") == 5
    assert 'id = "key"  # a guess: look at it' in text
    assert tidegauge("check").status == 0


def test_init_elsewhere_writes_paths_as_they_are_seen_from_there(tidegauge: Tidegauge, here: Path) -> None:
    Path("conf").mkdir()
    assert tidegauge("init", "conf", "--source", "same.npy", "--reference", here / "normal.tg").out == (
        "conf/tidegauge.toml\n"
    )
    written = tomllib.loads(Path("conf/tidegauge.toml").read_text())["streams"]["queries"]
    assert (written["source"], written["reference"]) == ("../same.npy", str(here / "normal.tg"))
    assert tidegauge("check", "--config", "conf/tidegauge.toml").status == 0


@pytest.mark.parametrize("source", ["-", "postgresql://reader@db/search", 'odd "name"\\.npy'])
def test_init_takes_any_source(tidegauge: Tidegauge, here: Path, source: str) -> None:
    assert tidegauge("init", "--source", source).status == 0
    stream = load_spec(Path("tidegauge.toml"), {}).streams["queries"]
    assert stream.source in {source, str(here / source)}


def test_init_overwrites_nothing(tidegauge: Tidegauge, here: Path) -> None:
    write("# mine")
    done = tidegauge("init")
    assert (done.status, done.out) == (2, "")
    assert (
        done.err == "tidegauge: tidegauge.toml: got a file that is there, want a new one. Say --force to overwrite it\n"
    )
    assert Path("tidegauge.toml").read_text() == "# mine"
    assert tidegauge("init", "--force").status == 0
    assert "[streams.queries]" in Path("tidegauge.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.yaml"], "a.yaml: got the extension .yaml, want a .toml file"),
        (["missing/a.toml"], "missing/a.toml: got a folder that is not there, want a folder that is"),
        (["--stream", "a b"], "--stream: got 'a b', want letters, digits, - and _"),
        (["--stream", ""], "--stream: got '', want letters, digits, - and _"),
    ],
)
def test_init_refuses(tidegauge: Tidegauge, here: Path, arguments: list[str], said: str) -> None:
    done = tidegauge("init", *arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"tidegauge: {said}")
    assert not list(here.glob("**/*.toml"))


def test_init_does_not_put_a_second_file_beside_the_first(tidegauge: Tidegauge, here: Path) -> None:
    write("", "tidegauge.yaml")
    assert "got tidegauge.yaml beside it" in tidegauge("init", "--force").err
    assert tidegauge("init", "other.toml").status == 0


def test_defaults_in_comments_are_the_defaults(tmp_path: Path) -> None:
    lines = template("queries", {}).splitlines()
    # Examples that stand for no default, and what only a database has.
    examples = (
        "vector id text time session segment outcomes scale source table key reference model_id truncate silence "
        "runbook report secret kinds documents column denominator late numerator token"
    )
    setting = re.compile(r"# (\w+) = .*|# (\[.*\])")
    shown = [match for line in lines if (match := setting.fullmatch(line))]
    defaults = [line for line in lines if not (match := setting.fullmatch(line)) or match[1] not in examples.split()]
    file = tmp_path / "tidegauge.toml"
    file.write_text("\n".join(line[2:] if setting.fullmatch(line) else line for line in defaults))
    spec = load_spec(file, {})
    assert spec.poll == 10
    pager = spec.alarms.endpoints["pager"]
    assert pager == Endpoint(url=pager.url)
    assert spec.alarms.model_copy(update={"endpoints": {}}) == Alarms()
    stream = spec.streams["queries"]
    assert stream.canary is not None
    assert stream.outcomes == {"success": OutcomeSettings()}
    assert stream.model_copy(update={"canary": None, "outcomes": {}}) == StreamSpec(name="queries")
    properties = json_schema()["$defs"]
    settings = sum(len(table["properties"]) for table in properties.values()) - 8 + 1
    assert len(shown) == settings + 4
    file.write_text("\n".join(line[2:] if setting.fullmatch(line) else line for line in lines))
    jsonschema.validate(tomllib.loads(file.read_text()), json_schema())


# Guesses


@pytest.mark.parametrize("form", ["parquet", "feather", "csv", "jsonl", "csv.gz"])
def test_guesses_in_every_format(tmp_path: Path, form: str) -> None:
    rows = {
        "Query_ID": ["a", "b"],
        "query": ["x", "y"],
        "ts": [1.7e9, 1.7e9 + 1],
        "locale": ["en", "de"],
        "clicked": [0, 1],
    }
    path = tmp_path / f"q.{form}"
    if form in {"parquet", "feather", "jsonl"}:
        table = pa.table({**rows, "embedding": [[1.0, 2.0], [3.0, 4.0]], "rank": [[1], [2]][:2]}).drop(["rank"])
        if form == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
        else:
            (pq.write_table if form == "parquet" else feather.write_feather)(table, path)
    else:
        flat = pa.table({**rows, "x0": [1.0, 2.0], "x1": [3.0, 4.0]}).to_pandas()
        flat.to_csv(path, index=False)
    vector = {} if form.startswith("csv") else {"vector": "embedding"}
    named = {"id": "Query_ID", "text": "query", "time": "ts", "segment": "locale", "outcomes": ["clicked"]}
    assert guess(str(path)) == {**vector, **named}


def test_no_guess_where_it_could_not_be_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"v": [[1.0, 2.0]], "time": ["half past nine"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_bytes(b"\x00\xff" * 99)
    np.save(tmp_path / "c.npy", np.ones((3, 2)))
    assert [guess(str(tmp_path / name)) for name in ("a.parquet", "b.csv", "c.npy", "nothing.csv")] == [{}] * 4


# check

GOOD = """
[streams.web]
source = "before.parquet"
reference = "normal.tg"
columns = { id = "key", time = "at", outcomes = ["success"] }
canary.file = "before.parquet"
"""


def test_check_says_what_it_found(tidegauge: Tidegauge, here: Path) -> None:
    write(GOOD)
    done = tidegauge("check")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[:3] == [
        "store: tidegauge.db: not there yet, and will be made",
        "alarms: 1 in 90d may be false",
        "web: panes of 5m, windows of 1h, 1d, 1w; closed 10m after their end; silent after 1h",
    ]
    assert re.fullmatch(r"  reference: normal.tg: [0-9a-f]{12}, 160 rows of width 4, of an unnamed model", lines[3])
    assert lines[4:] == [
        "  source: before.parquet: 1 file; first 160 rows of width 4; columns: id key, time at, outcome success",
        "  canaries: before.parquet: vectors of width 4, known again by their ids",
        "  alarms: one false alarm in 90 days (25,920 panes)",
        "tidegauge.toml: all is well.",
    ]
    assert not Path("tidegauge.db").exists()


def test_check_as_json(tidegauge: Tidegauge, here: Path) -> None:
    write(GOOD)
    told = json.loads(tidegauge("check", "--format", "json").out)
    assert (told["schema"], told["file"], told["ok"], told["faults"]) == (
        "tidegauge.check/1",
        "tidegauge.toml",
        True,
        [],
    )
    assert set(told["streams"]["web"]) == {"stream", "reference", "source", "canaries", "alarms"}
    write(GOOD.replace("normal.tg", "missing.tg") + "alpha = 2\n")
    done = tidegauge("check", "--format", "json")
    told = json.loads(done.out)
    assert (done.status, done.err, told["ok"], told["streams"]) == (2, "", False, {})
    assert told["faults"] == [
        {"what": "tidegauge.toml: streams.web.alpha", "got": "2", "want": "less than 1", "hint": ""}
    ]


def test_check_tells_all_faults_of_the_settings(tidegauge: Tidegauge, here: Path) -> None:
    write("poll = 'x'\n[streams.web]\nwindws = 5\npane = '5x'")
    done = tidegauge("check")
    assert (done.status, done.out) == (2, "")
    assert [line.partition(": got")[0] for line in done.err.splitlines()] == [
        "tidegauge: tidegauge.toml: poll",
        "tidegauge: tidegauge.toml: streams.web.pane",
        "tidegauge: tidegauge.toml: streams.web.windws",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "streams: got none, want at least one stream to monitor"),
        ("[streams.w]\nsource = 'no/*.npy'", "streams.w.source: .*no/\\*.npy: got no match, want a file"),
        (
            "[streams.w]\nsource = 'before.parquet'\ncolumns.id = 'ids'",
            "streams.w.source: .*: got no column ids, want one",
        ),
        ("[streams.w]\nsource = 'normal.tg'", "streams.w.source: .*normal.tg: got the unknown extension .tg"),
        (
            "[streams.w]\nsource = 'wide.npy'\nreference = 'normal.tg'",
            "streams.w.source: .*wide.npy: got width 5, want width 4, as the reference",
        ),
        (
            "[streams.w]\nsource = 'same.npy'\ntruncate = 9",
            "streams.w.source: .*same.npy: got width 4, want at least 9",
        ),
        ("[streams.w]\nreference = 'missing.tg'", "streams.w.reference: .*missing.tg: got No such file"),
        ("[streams.w]\nreference = 'same.npy'", "streams.w.reference: .*same.npy: got "),
        ("[streams.w]\nreference = 'normal.tg'\ntruncate = 3", "streams.w.reference: .*: got width 4, want width 3"),
        (
            "[streams.w]\nreference = 'modelled.tg'\nmodel_id = 'encoder-2'",
            "streams.w.reference: .*: got model 'encoder-1', want model 'encoder-2', as model_id says",
        ),
        ("[streams.w]\ncanary.file = 'no.npy'", "streams.w.canary.file: .*no.npy: got no such file"),
        ("[streams.w]\ncanary.file = 'same.npy'", "streams.w.canary.file: .*: got no column of ids or texts"),
        ("[streams.w]\n[store]\nurl = 'sqlite:///no/x.db'", "store.url: .*no/x.db: got a folder that is not there"),
        ("[streams.w]\n[store]\nurl = 'sqlite:///same.npy'", "store.url: .*same.npy: got "),
        (
            "[streams.w]\n[store]\nurl = 'postgresql://me:secret@127.0.0.1:1/db'",
            r"store.url: postgresql://me:\*\*\*@127.0.0.1:1/db: got connection",
        ),
    ],
    ids=lambda text: text[-30:],
)
def test_check_tells_each_fault(tidegauge: Tidegauge, here: Path, text: str, said: str) -> None:
    write(text)
    done = tidegauge("check")
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert re.match(f"tidegauge: tidegauge.toml: {said}", done.err)
    assert "all is well" not in done.out
    assert "secret" not in done.out + done.err


def test_check_tells_faults_of_all_streams(tidegauge: Tidegauge, here: Path) -> None:
    write(
        "[streams.a]\nsource = 'a.npy'\nreference = 'a.tg'\n"
        "[streams.b]\nsource = 'b.npy'\n[streams.c]\nsource = 'same.npy'"
    )
    done = tidegauge("check")
    assert [re.search(r"streams\.\w\.\w+", line)[0] for line in done.err.splitlines()] == [  # type: ignore[index]
        "streams.a.reference",
        "streams.a.source",
        "streams.b.source",
    ]
    assert "  source: same.npy: 1 file; first 160 rows of width 4; columns: vectors only\n" in done.out


def test_check_looks_into_a_database(tidegauge: Tidegauge, here: Path) -> None:
    with sqlite3.connect("rows.db") as connection:
        connection.execute("create table asked (id integer primary key, vector blob, at real)")
    connection.close()
    text = "[streams.w]\nsource = 'sqlite:///rows.db'\ntable = 'asked'\nkey = 'id'\ncolumns = {time = 'at'}"
    write(text)
    done = tidegauge("check")
    assert (done.status, done.err) == (0, "")
    assert "table asked, columns id, vector, at" in done.out
    for old, new, said in (
        ("'asked'", "'told'", "got no table told"),
        ("'id'", "'nr'", "table asked: got no column nr, want one of id, vector, at"),
        ("rows.db", "none.db", "none.db: got no such file"),
        ("rows.db", "same.npy", "got file is not a database"),
        ("sqlite:///rows.db", "nonsense://x", "got "),
    ):
        write(text.replace(old, new))
        done = tidegauge("check")
        assert done.status == 2
        assert said in done.err
    assert not Path("none.db").exists()


def test_check_looks_into_a_store_that_is_there(tidegauge: Tidegauge, here: Path) -> None:
    from tidegauge.store import open_store

    store = open_store(str(here / "tidegauge.db"))
    store.register("web", "stream")
    store.close()
    write(GOOD)
    done = tidegauge("check")
    assert re.match(r"store: tidegauge.db: [0-9,]+ bytes, streams web\n", done.out)
    assert done.status == 0


def test_check_says_what_is_not_looked_at(tidegauge: Tidegauge, here: Path) -> None:
    write("[streams.a]\nsource = '-'\npane = '9 rows'\n[streams.b]\n[streams.c]\nkind = 'snapshot'")
    done = tidegauge("check")
    assert done.status == 0
    for said in (
        "a: panes of 9 rows\n",
        "  source: standard input, which is not looked at\n",
        "b: panes of 5m, windows of 1h, 1d, 1w; closed 10m after their end; silent after 1h; no column of times, so ",
        "  source: none: rows come by 'tidegauge observe'\n",
        "  reference: none: 'tidegauge rebaseline b FILE' gives one\n",
        "c: a snapshot: what is there now, replaced whole\n",
    ):
        assert said in done.out


def test_check_finds_its_file(tidegauge: Tidegauge, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "got no tidegauge.toml, want a file of settings" in tidegauge("check").err
    Path("conf").mkdir()
    write(GOOD.replace('= "', '= "../'), "conf/other.toml")
    assert tidegauge("check", "--config", "conf/other.toml").status == 2  # columns are no paths
    write(GOOD.replace('"before', '"../before').replace('"normal', '"../normal'), "conf/other.toml")
    assert tidegauge("check", "--config", "conf/other.toml").status == 0
    monkeypatch.setenv("TIDEGAUGE_CONFIG", "conf/other.toml")
    assert tidegauge("check").out.endswith("conf/other.toml: all is well.\n")
    monkeypatch.setenv("TIDEGAUGE_STREAMS__WEB__ALPHA", "7")
    assert "streams.web.alpha (set by TIDEGAUGE_STREAMS__WEB__ALPHA): got '7'" in tidegauge("check").err


def test_check_prints_the_schema(tidegauge: Tidegauge, here: Path) -> None:
    assert json.loads(tidegauge("check", "--schema").out) == json_schema()
