"""Ready series in tables: the same points from every kind of table, and every row that is no point is counted."""

from __future__ import annotations

import json
import sqlite3
import zoneinfo
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegauge.errors import DataError, UsageError
from tidegauge.read.series import SeriesPoint, TableSeries, table
from tidegauge.read.series.point import Series

NAMES = ("time", "good", "asked", "locale")
ROWS: list[tuple[Any, ...]] = [
    ("2026-01-01T00:00:00+00:00", 5, 9, "de"),
    ("2026-01-01T00:05:00", 6.5, 10, "fr"),
    ("2026-01-01 01:10+01:00", 0, 0, None),
    ("2026-01-02", 7, 3, "de"),
]
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
POINTS = [
    SeriesPoint(START, 5, 9, "de"),
    SeriesPoint(START + 300, 6.5, 10, "fr"),
    SeriesPoint(START + 600, 0, 0, "none"),
    SeriesPoint(START + 86_400, 7, 3, "de"),  # above its denominator: not for the reader to judge
]
EVER = (0.0, 4e9)


def csv(folder: Path, rows: Sequence[Sequence[Any]] = ROWS) -> str:
    lines = [",".join(NAMES), *(",".join("" if value is None else str(value) for value in row) for row in rows)]
    (folder / "a.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "a.csv")


def jsonl(folder: Path) -> str:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True))) for row in ROWS]
    (folder / "a.jsonl").write_text("\n\n".join(lines))
    return str(folder / "a.jsonl")


def parquet(folder: Path) -> str:
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    columns[0] = [datetime.fromisoformat(each) for each in columns[0]]
    columns[0] = [each if each.tzinfo else each.replace(tzinfo=UTC) for each in columns[0]]
    times = pa.array(columns[0], pa.timestamp("ns", "Europe/Berlin"))
    pq.write_table(pa.table([times, *map(pa.array, columns[1:])], list(NAMES)), folder / "a.parquet", row_group_size=3)
    return str(folder / "a.parquet")


def database(folder: Path, rows: Sequence[Sequence[Any]] = ROWS, kind: str = "text") -> str:
    with closing(sqlite3.connect(folder / "a.db")) as made:
        made.execute(f"create table daily (time {kind}, good real, asked integer, locale text)")
        made.executemany("insert into daily values (?, ?, ?, ?)", rows)
        made.commit()
    return f"sqlite:///{folder / 'a.db'}"


def of(source: str, **more: Any) -> TableSeries:
    named = {"time": "time", "numerator": "good", "denominator": "asked", "segment": "locale"}
    return TableSeries(source, **{**named, **({"table": "daily"} if "://" in source else {}), **more})


def told(series: Series) -> list[str]:
    return [str(fault) for fault in series.faults()]


@pytest.mark.parametrize("made", [csv, jsonl, parquet, database])
def test_every_kind_of_table_gives_the_same_points(tmp_path: Path, made: Callable[[Path], str]) -> None:
    series: Series = of(made(tmp_path))
    assert sorted(series.points(*EVER), key=lambda point: point.at) == POINTS
    assert list(series.points(START, START + 600)) == POINTS[:2]
    assert told(series) == []
    bare = of(series.source if made is not database else made_again(tmp_path), denominator="", segment="")
    assert sorted((p.at, p.numerator, p.denominator, p.segment) for p in bare.points(*EVER)) == [
        (point.at, point.numerator, 1, "") for point in POINTS
    ]


def made_again(folder: Path) -> str:
    return f"sqlite:///{folder / 'a.db'}"


@pytest.mark.parametrize(
    ("written", "at"),
    [
        ("1767225600", START),
        ("1767225600.5", START + 0.5),
        (" 2026-01-01 ", START),
        ("2026-01-01T01:00:00+01:00", START),
        ("20260101", 20_260_101.0),  # digits are seconds, as in every other table
    ],
)
def test_times_are_told(tmp_path: Path, written: str, at: float) -> None:
    assert [point.at for point in of(csv(tmp_path, [(written, 1, 2, "")])).points(*EVER)] == [at]


@pytest.mark.parametrize("kind", ["date32", "timestamp[s]", "timestamp[ns]", "int64", "double", "decimal"])
def test_parquet_times_of_every_type(tmp_path: Path, kind: str) -> None:
    day = datetime(2026, 1, 1, 0, 0, 1)
    given: dict[str, Any] = {
        "date32": pa.array([date(2026, 1, 1)]),
        "timestamp[s]": pa.array([day], pa.timestamp("s")),
        "timestamp[ns]": pa.array([int(START + 1) * 10**9 + 1], pa.timestamp("ns")),
        "int64": pa.array([int(START) + 1]),
        "double": pa.array([START + 1]),
        "decimal": pa.array([START + 1]).cast(pa.decimal128(20, 3)),
    }
    pq.write_table(pa.table({"time": given[kind], "good": pa.array([True])}), tmp_path / "a.parquet")
    series = of(str(tmp_path / "a.parquet"), denominator="", segment="")
    assert list(series.points(*EVER)) == [SeriesPoint(START + (kind != "date32"), 1, 1)]


BAD: list[tuple[Any, ...]] = [
    ("2026-01-01", 1, 2, "de"),
    ("yesterday", 1, 2, "de"),
    ("", 1, 2, "de"),
    ("true", 1, 2, "de"),
    ("1767225600000", 1, 2, "de"),  # milliseconds
    ("2026-01-02", "", 2, "de"),
    ("2026-01-03", 1, "NaN", "de"),
    ("2026-01-04", "many", 2, "de"),
    ("2026-01-05", 1, "lots", "de"),
    ("2026-01-06", "inf", 2, "de"),
    ("2026-01-07", 1, 2),
    ("2026-01-08", 1, 2, "de", "!"),
    ("2026-01-09", "", 2, "de"),
    ("2030-01-01", "", "", "de"),  # not of the span
]


def test_every_bad_row_is_counted_and_the_first_named(tmp_path: Path) -> None:
    file = csv(tmp_path, BAD)
    series = of(file)
    until = START + 30 * 86_400
    for _ in range(2):
        assert list(series.points(START, until)) == [SeriesPoint(START, 1, 2, "de")]
        assert sorted(told(series)) == sorted(
            [
                f"4 time (first: {file}, row 2)",
                f"2 no numerator (first: {file}, row 6)",
                f"1 no denominator (first: {file}, row 7)",
                f"2 not a number (first: {file}, row 8)",
                f"1 infinite (first: {file}, row 10)",
                f"2 malformed (first: {file}, row 11)",
            ]
        )


def test_faults_of_json_lines_and_databases(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    good = {"time": 60, "good": 1, "asked": 2, "locale": "de"}
    lines = [json.dumps(good), "{", "[1]", json.dumps({**good, "good": None}), json.dumps({**good, "asked": "x"})]
    file.write_text("\n".join([*lines, json.dumps({**good, "good": False, "asked": 10**400, "locale": 7.0})]))
    series = of(str(file))
    assert list(series.points(*EVER)) == [SeriesPoint(60, 1, 2, "de")]
    assert [(fault.reason, fault.count) for fault in series.faults()] == [
        ("malformed", 2),
        ("no numerator", 1),
        ("not a number", 1),
        ("infinite", 1),
    ]
    rows = [(60, 1, 2, "de"), (None, 1, 2, "de"), ("soon", 1, 2, "de"), (90, None, 2, 5), (95, 1, 2, 5)]
    series = of(database(tmp_path, rows, "integer"))
    assert list(series.points(*EVER)) == [SeriesPoint(60, 1, 2, "de"), SeriesPoint(95, 1, 2, "5")]
    assert told(series) == [
        f"2 time (first: {series.source}, time missing)",
        f"1 no numerator (first: {series.source}, time 90)",
    ]


def test_what_is_added_is_read_the_next_time(tmp_path: Path) -> None:
    series = of(database(tmp_path, []))
    assert list(series.points(*EVER)) == []
    with closing(sqlite3.connect(tmp_path / "a.db")) as made:
        made.execute("insert into daily values ('2026-01-01', 1, 2, 'de')")
        made.commit()
    assert list(series.points(*EVER)) == [SeriesPoint(START, 1, 2, "de")]


def test_a_table_of_too_many_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_ROWS", 3)
    series = of(database(tmp_path))
    with pytest.raises(DataError, match=r"table daily: got more than 3 rows, want fewer\. Ask for a shorter span"):
        list(series.points(*EVER))


def test_several_files_are_one_series(tmp_path: Path) -> None:
    for day in (1, 2, 10):
        (tmp_path / f"part-{day}.csv").write_text(f"time,good\n2026-01-{day:02},{day}\n")
    series = of(str(tmp_path), denominator="", segment="")
    assert [point.numerator for point in series.points(*EVER)] == [1, 2, 10]
    (tmp_path / "part-11.csv").write_text("time,good\n2026-01-11,\n")
    assert [point.numerator for point in series.points(*EVER)] == [1, 2, 10]
    assert told(series) == [f"1 no numerator (first: {tmp_path / 'part-11.csv'}, row 1)"]


def test_long_tables_are_read_in_blocks(tmp_path: Path) -> None:
    lines = [f"{60 * i},{i % 7},8" for i in range(40_000)]
    lines[20_000] = "x"
    (tmp_path / "a.tsv").write_text("time\tgood\tasked\n" + "\n".join(lines).replace(",", "\t") + "\n")
    series = of(str(tmp_path / "a.tsv"), segment="")
    found = list(series.points(*EVER))
    assert [point.at for point in found] == [60.0 * i for i in range(40_000) if i != 20_000]
    assert found[-1] == SeriesPoint(60 * 39_999, 39_999 % 7, 8)
    assert told(series) == [f"1 malformed (first: {tmp_path / 'a.tsv'}, row 20001)"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got an empty file"),
        ("time,asked,locale\n", "got no column good, want one of time, asked, locale"),
        ("time,good,good,asked,locale\n", "got 2 columns good"),
        ("0.5,2,3,4\n", "got a first row of numbers, want one of names"),
        ('time,good,asked,locale\n"' + "x" * 200_000, "got field larger than field limit"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_at_once(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=rf"a\.csv: {said}"):
        of(str(tmp_path / "a.csv"))


def test_a_damaged_parquet_file_and_other_formats(tmp_path: Path) -> None:
    file = Path(parquet(tmp_path))
    with pytest.raises(DataError, match="no column nothing, want one of time, good, asked, locale"):
        of(str(file), numerator="nothing")
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match="want a whole Parquet file"):
        of(str(file))
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY and so on")
    with pytest.raises(DataError, match="got a NumPy file, want CSV, Parquet or JSON lines"):
        of(str(tmp_path / "a.npy"))


def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="got time '' and numerator 'good'"):
        of(csv(tmp_path), time="")
    with pytest.raises(UsageError, match="Only a database has tables"):
        of(csv(tmp_path), table="daily")
    with pytest.raises(UsageError, match="got no table"):
        of(database(tmp_path), table="")
    with pytest.raises(DataError, match="no column nothing, want one of time, good, asked, locale"):
        of(made_again(tmp_path), numerator="nothing")
    with pytest.raises(DataError, match="got no such file, want a database"):
        of(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(DataError, match="no such file or directory"):
        of(str(tmp_path / "none.csv"))


def test_times_of_a_zone_are_moments(tmp_path: Path) -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    local = [datetime(2026, 3, 29, 1, 30, tzinfo=berlin) + timedelta(hours=hours) for hours in (0, 2)]
    rows = [(each.isoformat(), i, 1, "") for i, each in enumerate(local)]
    found = [point.at for point in of(csv(tmp_path, rows)).points(*EVER)]
    assert found == [each.timestamp() for each in local]
    assert found[1] - found[0] == 3600  # the clocks went forward
