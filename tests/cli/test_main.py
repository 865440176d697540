"""The console script: help, versions, quick start, and what reaches a person when something goes wrong."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tidegauge as package
from tests.cli.conftest import Tidegauge

SCRIPT = Path(sys.executable).with_name("tidegauge")
MONITORING = ["init", "check", "watch", "observe", "backfill", "status", "history", "report", "rebaseline", "forget"]
COMMANDS = ["compare", "fit", "sketch", "inspect", "demo", *MONITORING, "export", "import"]
HEAVY = ["numpy", "scipy", "pyarrow", "matplotlib", "sklearn", "jinja2"]


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(tidegauge: Tidegauge, command: str) -> None:
    done = tidegauge(command, "--help")
    assert (done.status, done.err) == (0, "")
    assert f"  $ tidegauge {command}" in done.out
    assert len(done.out.split("Examples:")[1].split("\n\n")[0].splitlines()) >= 2


def test_version(tidegauge: Tidegauge) -> None:
    assert tidegauge("--version").out == f"tidegauge {package.__version__}\n"


def test_no_command_shows_help(tidegauge: Tidegauge) -> None:
    done = tidegauge()
    assert all(command in done.out + done.err for command in COMMANDS)


def test_unknown_command(tidegauge: Tidegauge) -> None:
    assert tidegauge("measure").status == 2


@pytest.mark.parametrize("code", ["from tidegauge.cli import run; run(['compare', '--help'])", "import tidegauge"])
def test_start_is_quick(code: str) -> None:
    check = f"{code}\nimport sys; print(*(m for m in {HEAVY} if m in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


def test_names_survive_the_import_of_their_folders() -> None:
    check = "import tidegauge, tidegauge.score.panel; print(tidegauge.score.__module__, len(dir(tidegauge)) > 12)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "tidegauge.comparison.doors True\n"
    assert all(callable(getattr(package, name)) for name in package.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        package.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_script_passes_status_and_message_on(files: Path) -> None:
    done = script("compare", files / "before.npy", files / "wide.npy")
    assert (done.returncode, done.stdout) == (2, "")
    wanted = f"{files}/wide.npy: got vectors of width 5, want width 4, as in {files}/before.npy"
    hint = "If they are of one Matryoshka model, say --truncate 4"
    assert done.stderr == f"tidegauge: {wanted}. {hint}\n"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ZeroDivisionError("oh"), 2, "unexpected ZeroDivisionError"),
        (MemoryError(), 2, "not enough memory"),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=["fault", "memory", "interrupt"],
)
def test_what_goes_wrong_is_one_line(
    tidegauge: Tidegauge, files: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("tidegauge.comparison.compare", fail)
    done = tidegauge("compare", files / "before.npy", files / "same.npy")
    assert (done.status, done.out) == (status, "")
    assert said in done.err
    assert done.err.count("\n") <= 1
    if isinstance(error, ZeroDivisionError):
        with pytest.raises(ZeroDivisionError):
            tidegauge("--debug", "compare", files / "before.npy", files / "same.npy")


def test_warnings_of_libraries_stay_inside(tidegauge: Tidegauge, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: object, **__: object) -> None:
        warnings.warn("from a library", RuntimeWarning, stacklevel=1)
        raise MemoryError

    monkeypatch.setattr("tidegauge.comparison.compare", warn)
    assert "from a library" not in tidegauge("compare", files / "before.npy", files / "same.npy").err


def test_reader_that_goes_away_keeps_the_status(files: Path) -> None:
    command = [SCRIPT, "compare", files / "before.npy", files / "moved.npy", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def on_terminal(files: Path, **environment: str) -> tuple[str, str]:
    """Stdout and stderr of a comparison whose both ends are terminals."""
    pairs = [pty.openpty() for _ in range(2)]
    command = [SCRIPT, "compare", files / "before.npy", files / "moved.npy"]
    env = {**{k: v for k, v in os.environ.items() if k != "NO_COLOR"}, "TERM": "xterm", **environment}
    process = subprocess.Popen(command, stdout=pairs[0][1], stderr=pairs[1][1], env=env)
    for _, inner in pairs:
        os.close(inner)
    with ThreadPoolExecutor() as pool:  # both at once: a terminal that nobody reads blocks who writes to it
        out, err = pool.map(read_all, [outer for outer, _ in pairs])
    process.wait()
    return out, err


def read_all(terminal: int) -> str:
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            os.close(terminal)
            return b"".join(parts).decode()
        parts.append(part)


def test_terminal_gets_colour_and_progress(files: Path) -> None:
    out, err = on_terminal(files)
    assert out.startswith("\x1b[1;31mDrift")
    assert "Comparing" in err
    plain, _ = on_terminal(files, NO_COLOR="1")
    assert "\x1b" not in plain
