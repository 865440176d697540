"""One TOML or YAML file, read as plain tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tidegauge.errors import UsageError
from tidegauge.spec.fault import SpecError

NAMES: Final = ("tidegauge.toml", "tidegauge.yaml", "tidegauge.yml")
_YAML: Final = (".yaml", ".yml")
_MOST_BYTES: Final = 1 << 20
_PLACE = re.compile(r"(.*?) \(at (.*)\)", re.DOTALL)


def find_file(folder: Path = Path()) -> Path:
    """Return the file of settings of a folder: ``tidegauge.toml``, ``.yaml`` or ``.yml``.

    Raises ``UsageError`` where there is none, or more than one.

    Examples
    --------
    >>> find_file(Path("/"))
    Traceback (most recent call last):
    tidegauge.errors.UsageError: /: got no tidegauge.toml, want a file of settings. Say which with --config, or let \
'tidegauge init' write one
    """
    there = [folder / name for name in NAMES if (folder / name).is_file()]
    if not there:
        hint = "Say which with --config, or let 'tidegauge init' write one"
        raise UsageError(str(folder.resolve()), got=f"no {NAMES[0]}", want="a file of settings", hint=hint)
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise UsageError(str(folder.resolve()), got=names, want="one of them", hint="Say which with --config")
    return there[0]


def read_tables(path: Path) -> dict[str, Any]:
    """Read a file of settings as plain tables; ``UsageError`` says where in the file its syntax is broken."""
    what = str(path)
    if path.suffix.lower() not in (".toml", *_YAML):
        raise UsageError(what, got=f"the extension {path.suffix or 'of no name'}", want=".toml, .yaml or .yml")
    text = _text(path)
    tables = _yaml(text, what) if path.suffix.lower() in _YAML else _toml(text, what)
    if not isinstance(tables, dict):
        raise UsageError(what, got="no table at the top", want="tables, such as streams")
    return tables


def _text(path: Path) -> str:
    what = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        hint = "'tidegauge init' writes one"
        raise UsageError(what, got="no such file", want="a file of settings", hint=hint) from None
    except OSError as error:
        raise UsageError(what, got=error.strerror or str(error), want="a file that can be read") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(what, got="more than 1 MiB", want="a file of settings")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{what}, line {line}", got="bytes that are no UTF-8", want="text in UTF-8") from None


def _toml(text: str, what: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _PLACE.fullmatch(str(error))
        problem, place = match.groups() if match else (str(error), "")
        raise _broken(what, place, problem, "TOML") from None
    except (ValueError, RecursionError):
        raise _broken(what, "", "values too large or too deep", "TOML") from None


def _yaml(text: str, what: str) -> Any:
    import yaml

    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        faults = [_broken(what, _mark(node), problem, "YAML") for node, problem in _unwanted(root, set())]
        if faults:
            raise SpecError(faults)
        return {} if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        place = "" if error.problem_mark is None else _mark(error)
        raise _broken(what, place, error.problem or "broken YAML", "YAML") from None
    except yaml.YAMLError:
        raise _broken(what, "", "characters that no text has", "YAML") from None
    except (ValueError, RecursionError):
        raise _broken(what, "", "values too large or too deep", "YAML") from None


def _unwanted(node: Any, seen: set[int]) -> Iterator[tuple[Any, str]]:
    """Yield nodes that mean two things to two readers, or grow without end: aliases, keys given twice or no text."""
    import yaml

    if id(node) in seen:
        yield node, f"{node.tag.rpartition(':')[2]} used again by an alias; write it out"
        return
    if not isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _unwanted(each, seen)
        return
    keys: set[str] = set()
    for key, value in node.value:
        if not (isinstance(key, yaml.ScalarNode) and key.tag == "tag:yaml.org,2002:str"):
            named = f"the key {key.value}, which is no text" if isinstance(key.value, str) else "a key that is no text"
            yield key, f"{named}; put it in quotes"
        elif key.value in keys:
            yield key, f"the key {key.value} twice"
        else:
            keys.add(key.value)
        yield from _unwanted(value, seen)


def _mark(place: Any) -> str:
    mark = getattr(place, "problem_mark", None) or place.start_mark
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _broken(what: str, place: str, problem: str, kind: str) -> UsageError:
    said = problem[:1].lower() + problem[1:]
    return UsageError(f"{what}, {place}" if place else what, got=said, want=f"correct {kind}")
