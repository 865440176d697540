"""``tidegauge init``: a file of settings in which every setting is explained."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tidegauge.cli import options
from tidegauge.cli.output import check_folder, emit, note, writing
from tidegauge.errors import UsageError

NAME = "init"
HELP = options.help_text(
    "Write a file of settings, which says what to monitor: every setting is explained there, and its default shown.\n\n"
    "Where the source is there already, its columns are guessed.",
    "tidegauge init",
    "tidegauge init --stream queries --source 'logs/*.parquet' --reference normal.tg",
    "tidegauge init monitoring/tidegauge.toml --source 'postgresql://reader@db/search'",
)
_WIDTH = 100
_HEAD = """\
# What tidegauge monitors. Lines that begin with "# name =" show a default, or an example where there is none.
#
# Spans of time are 90s, 5m, 1h, 7d, 1w or 10y. Relative paths are relative to the folder of this file. A variable of
# the environment goes before a setting here: TIDEGAUGE_STREAMS__{stream}__PANE=15m.
#
# 'tidegauge check' says whether all is well.
"""
_DATABASE = {"table": "queries", "key": "id"}


def command(
    path: Annotated[
        Path, typer.Argument(metavar="[PATH]", help="Where to write it: a .toml file, or a folder.")
    ] = Path("tidegauge.toml"),
    stream: Annotated[str, typer.Option("--stream", metavar="NAME", help="What the stream is called.")] = "queries",
    source: Annotated[
        str,
        typer.Option(
            "--source", metavar="SOURCE", help="Where rows come from: a file, folder, pattern, - or a database."
        ),
    ] = "queries.parquet",
    reference: Annotated[
        str, typer.Option("--reference", "-r", metavar="REF", help="What 'tidegauge fit' made, or will make.")
    ] = "normal.tg",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it is there.")] = False,
) -> None:
    """Write the file, and say what to do next."""
    file = path / "tidegauge.toml" if path.is_dir() else path
    _check_place(file, force=force)
    _check_name(stream)
    settings: dict[str, Any] = {"source": _seen_from(file, source), "reference": _seen_from(file, reference)}
    if "://" in source:
        settings |= _DATABASE
        note(f"table and key are examples: name those of {stream}'s source")
    elif source != "-":
        from tidegauge.cli.guess import guess

        settings["columns"] = guess(source)
    settings["model_id"] = _model(reference)
    text = template(stream, settings)
    with writing(file):
        file.write_text(text, encoding="utf-8")
    guessed = ", ".join(settings.get("columns", ()))
    if guessed:
        note(f"guessed columns, to be looked at: {guessed}")
    emit(f"{file}\n")


def template(stream: str, settings: Mapping[str, Any]) -> str:
    """Lay out a file of settings: those given, and all others as comments.

    Parameters
    ----------
    stream : str
        The stream's name.
    settings : mapping
        Settings of the stream by name; ``columns`` is a mapping of guesses.
    """
    from tidegauge.spec.schema import json_schema

    schema = json_schema()
    tables = schema["$defs"]
    inner = {
        "columns": "ColumnNames",
        "samples": "Samples",
        "quality": "Quality",
        "canary": "Canary",
        "alarm": "AlarmSettings",
    }
    alarms, endpoint = tables["Alarms"], tables["Endpoint"]
    told = {name: each for name, each in alarms["properties"].items() if name != "endpoints"}
    server, token = tables["Server"], tables["Token"]
    listens = {name: each for name, each in server["properties"].items() if name != "tokens"}
    outcome, named = tables["OutcomeSettings"], {*inner, "outcomes"}
    plain = {name: each for name, each in tables["StreamSpec"]["properties"].items() if name not in named}
    blocks = [
        _HEAD.format(stream=stream.upper().replace("-", "_")),
        "\n".join(_setting("poll", schema["properties"]["poll"], {})),
        _table("store", tables["StoreTable"]["description"], tables["StoreTable"]["properties"], {}),
        _table("alarms", alarms["description"], told, {}),
        _table("alarms.endpoints.pager", endpoint["description"], endpoint["properties"], {}, shown=False),
        _table("server", server["description"], listens, {}),
        _table("server.tokens.gateway", token["description"], token["properties"], {}, shown=False),
        _table(f"streams.{stream}", tables["StreamSpec"]["description"], plain, settings),
    ]
    for name, table in inner.items():
        given = settings.get(name, {})
        text = tables[table]["description"]
        blocks.append(
            _table(f"streams.{stream}.{name}", text, tables[table]["properties"], given, shown=name != "canary")
        )
    success = f"streams.{stream}.outcomes.success"
    blocks.append(_table(success, outcome["description"], outcome["properties"], {}, shown=False))
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n"


def _table(name: str, text: str, properties: Mapping[str, Any], given: Mapping[str, Any], *, shown: bool = True) -> str:
    lines = [*_comment(text), f"[{name}]" if shown else f"# [{name}]"]
    guessed = name.endswith(".columns")
    for key, each in properties.items():
        lines += ["", *_setting(key, each, given, guessed=guessed)]
    return "\n".join(lines)


def _setting(key: str, about: Mapping[str, Any], given: Mapping[str, Any], *, guessed: bool = False) -> Iterator[str]:
    yield from _comment(about["description"])
    if given.get(key):
        yield f"{key} = {_toml(given[key])}" + ("  # a guess: look at it" if guessed else "")
        return
    default = about.get("default")
    yield f"# {key} = {_toml(about['examples'][0] if default in (None, '', []) else default)}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)]


def _toml(value: Any) -> str:
    """Write a value as TOML does.

    Examples
    --------
    >>> print(_toml({"pane": "2d", "1h": "30d"}), _toml(["a"]), _toml(True), _toml(0.5))
    { pane = "2d", 1h = "30d" } ["a"] true 0.5
    """
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _check_place(file: Path, *, force: bool) -> None:
    from tidegauge.spec.file import NAMES

    if file.suffix != ".toml":
        raise UsageError(
            str(file), got=f"the extension {file.suffix or 'of no name'}", want="a .toml file, or a folder"
        )
    if file.exists() and not force:
        raise UsageError(str(file), got="a file that is there", want="a new one", hint="Say --force to overwrite it")
    others = [name for name in NAMES if name != file.name and (file.parent / name).exists()]
    if file.name in NAMES and others:
        raise UsageError(str(file), got=f"{others[0]} beside it", want="one file of settings in a folder")
    if not file.absolute().parent.is_dir():
        raise UsageError(str(file), got="a folder that is not there", want="a folder that is")
    check_folder(file.absolute().parent)


def _check_name(stream: str) -> None:
    from tidegauge.spec import table

    if not re.fullmatch(table.NAME, stream):
        raise UsageError("--stream", got=repr(stream), want=table.NAME_WANTED)


def _seen_from(file: Path, path: str) -> str:
    """The path as it has to be written in a file that lies elsewhere."""
    if path == "-" or "://" in path or Path(path).is_absolute():
        return path
    return Path(os.path.relpath(path, file.absolute().parent)).as_posix()


def _model(reference: str) -> str:
    """The model of a reference, if it is there and names one."""
    from tidegauge.cli.inputs import kind_of_file, load_reference

    return load_reference(reference).model_id if kind_of_file(reference) == "reference" else ""
