"""The exposition, by Prometheus' own tool: it reads it, and has nothing to say of its names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.export.place import Place, copied, linked
from tests.export.test_families import PAGE, PROMQL
from tidegauge.export.exposition import text, write_textfile
from tidegauge.export.families import FAMILIES

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def promtool() -> Path:
    prometheus = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
    found = Path(prometheus).with_name("promtool") if prometheus else None
    if found is None or not found.exists():
        pytest.fail("no promtool found; 'make test-services' installs Debian's where it can")
    return found


@pytest.fixture(params=["filled", "linked"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A store of a few hours with all but links, and one of ten days that has those."""
    if request.param == "linked":
        made = linked(tmp_path)
    else:
        template = tmp_path / "template"
        template.mkdir()
        made = copied(template, tmp_path)
    made.collector.refresh_links()
    yield made
    made.store.close()


def check(promtool: Path, exposed: str) -> subprocess.CompletedProcess[str]:
    command = [promtool, "check", "metrics", "--extended"]
    return subprocess.run(command, input=exposed, capture_output=True, text=True, check=False, timeout=60)


def test_it_has_nothing_to_say(promtool: Path, place: Place) -> None:
    done = check(promtool, text(place.collector))
    assert (done.returncode, done.stderr) == (0, "")
    named = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("tidegauge_")}
    assert named <= set(FAMILIES)
    assert len(named) > 30


def test_a_textfile_is_read_as_well(promtool: Path, place: Place, tmp_path: Path) -> None:
    write_textfile(place.collector, tmp_path / "tidegauge.prom")
    done = check(promtool, (tmp_path / "tidegauge.prom").read_text())
    assert (done.returncode, done.stderr) == (0, "")


def test_the_examples_of_the_manual_are_promql(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"example:{i}", "expr": expr} for i, expr in enumerate(PROMQL.findall(PAGE.read_text()))]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "examples", "rules": rules}]}))
    command = [promtool, "check", "rules", tmp_path / "rules.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout
    assert len(rules) >= 6


def test_it_would_say_so(promtool: Path) -> None:
    """The check can fail: of a counter that does not end in ``_total`` and has no help."""
    done = check(promtool, "# TYPE tidegauge_rows counter\ntidegauge_rows 1\n")
    assert done.returncode == 3
    assert "tidegauge_rows" in done.stderr
