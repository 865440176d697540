"""``tidegauge templates``: all files or none, readable by what they are for, and without secrets."""

from __future__ import annotations

import configparser
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Tidegauge
from tidegauge.export.deployment import templates

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "templates"
FILES = {
    "README.md",
    "alertmanager/alertmanager.yml",
    "docker/Dockerfile",
    "docker/compose.yml",
    "docker/grafana/dashboards.yml",
    "docker/grafana/datasources.yml",
    "docker/prometheus.yml",
    "grafana/tidegauge.json",
    "prometheus/prometheus.yml",
    "prometheus/tidegauge.rules.slow.test.yml",
    "prometheus/tidegauge.rules.test.yml",
    "prometheus/tidegauge.rules.yml",
    "systemd/tidegauge.service",
}


def written(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def load(name: str) -> Any:
    return yaml.safe_load(templates()[name])


def test_it_writes_every_file_and_names_them(tidegauge: Tidegauge, tmp_path: Path) -> None:
    done = tidegauge("templates", "--out", tmp_path / "a" / "b")
    assert (done.status, done.err) == (0, "")
    found = written(tmp_path / "a" / "b")
    assert set(found) == FILES
    assert found == templates()
    assert {Path(line).relative_to(tmp_path / "a" / "b").as_posix() for line in done.out.splitlines()} == FILES


def test_it_changes_nothing_that_differs_unless_it_is_told_to(tidegauge: Tidegauge, tmp_path: Path) -> None:
    assert tidegauge("templates", "--out", tmp_path).status == 0
    assert tidegauge("templates", "--out", tmp_path).status == 0
    mine = tmp_path / "alertmanager" / "alertmanager.yml"
    mine.write_text("mine\n")
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / "prometheus" / "prometheus.yml").unlink()
    done = tidegauge("templates", "--out", tmp_path)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert "files that differ: alertmanager/alertmanager.yml, README.md, want" in done.err
    assert "--force" in done.err
    assert mine.read_text() == "mine\n"
    assert not (tmp_path / "prometheus" / "prometheus.yml").exists()
    assert tidegauge("templates", "--out", tmp_path, "--force").status == 0
    assert written(tmp_path) == templates()


def test_what_others_lie_there_stays(tidegauge: Tidegauge, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("mine\n")
    assert tidegauge("templates", "--out", tmp_path, "--force").status == 0
    assert (tmp_path / "mine.yml").read_text() == "mine\n"


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_place_that_is_no_folder_is_refused(tidegauge: Tidegauge, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    done = tidegauge("templates", "--out", tmp_path / where)
    assert done.status == 2
    assert "want a folder to write into" in done.err


def test_a_folder_where_a_file_goes_is_refused(tidegauge: Tidegauge, tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    done = tidegauge("templates", "--out", tmp_path, "--force")
    assert done.status == 2
    assert "README.md: got Is a directory, want a file, or none" in done.err


def test_files_are_for_others_to_read(tidegauge: Tidegauge, tmp_path: Path) -> None:
    assert tidegauge("templates", "--out", tmp_path).status == 0
    for path in tmp_path.rglob("*.yml"):
        assert path.stat().st_mode & stat.S_IRUSR
        assert not path.stat().st_mode & stat.S_IXUSR


def test_links_lead_where_the_docs_are(tidegauge: Tidegauge, tmp_path: Path) -> None:
    assert tidegauge("templates", "--out", tmp_path, "--docs", "https://docs.example.org/t/").status == 0
    rules = (tmp_path / "prometheus" / "tidegauge.rules.yml").read_text()
    assert "https://docs.example.org/t/runbook.md#tidegaugedriftalarm" in rules
    tests = (tmp_path / "prometheus" / "tidegauge.rules.test.yml").read_text()
    assert "https://docs.example.org/t/runbook.md#tidegaugedriftalarm" in tests
    assert "https://docs.example.org/t/dashboard.md" in (tmp_path / "grafana" / "tidegauge.json").read_text()


@pytest.mark.parametrize("docs", ["", "two words", "a\nb", "x" * 501])
def test_an_address_that_is_none_is_refused(tidegauge: Tidegauge, tmp_path: Path, docs: str) -> None:
    done = tidegauge("templates", "--out", tmp_path, "--docs", docs)
    assert done.status == 2
    assert "--docs" in done.err
    assert not any(tmp_path.iterdir())


def test_the_committed_copy_is_what_the_command_writes() -> None:
    assert written(COMMITTED) == templates(), "run: tidegauge templates --out docs/templates --force"


def test_every_file_can_be_read() -> None:
    for name, text in templates().items():
        assert text.endswith("\n")
        assert "@" not in re.sub(r"@\w+-service|@privileged|@resources", "", text), (
            f"{name}: a place that is not filled"
        )
        if name.endswith(".yml"):
            assert yaml.safe_load(text), name
        elif name.endswith(".json"):
            assert json.loads(text)


def test_they_hold_no_secret() -> None:
    for name, text in templates().items():
        assert not re.search(r"(?i)\b(password|token|secret)\w*\s*[:=]\s*['\"]?\w{16,}", text), name
        assert not re.search(r"\b[0-9a-f]{32,}\b", text), name


def test_prometheus_knows_the_job_that_the_rules_ask_for() -> None:
    for name, target in (("prometheus/prometheus.yml", "127.0.0.1:8765"), ("docker/prometheus.yml", "tidegauge:8765")):
        [job] = load(name)["scrape_configs"]
        assert job["job_name"] == "tidegauge"
        assert job["static_configs"] == [{"targets": [target]}]
    assert '{job="tidegauge"}' in templates()["prometheus/tidegauge.rules.yml"]


def test_alertmanager_keeps_quiet_only_of_alerts_that_there_are() -> None:
    from tidegauge.export.rules import ALERTS

    named = re.findall(r"Tidegauge\w+", templates()["alertmanager/alertmanager.yml"])
    assert len(named) > 5
    assert set(named) <= {alert.name for alert in ALERTS}
    config = load("alertmanager/alertmanager.yml")
    receivers = {each["name"] for each in config["receivers"]}
    assert {config["route"]["receiver"], *(each["receiver"] for each in config["route"]["routes"])} <= receivers


def test_the_unit_is_confined() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(templates()["systemd/tidegauge.service"])
    service = unit["Service"]
    wanted = {"DynamicUser": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "NoNewPrivileges": "yes"}
    assert {name: service[name] for name in wanted} == wanted
    assert service["CapabilityBoundingSet"] == ""
    assert service["StateDirectory"] == "tidegauge"
    assert service["ExecStart"].split()[1:] == ["serve", "--config", "/etc/tidegauge/tidegauge.toml"]


def test_the_image_runs_without_root_and_containers_are_confined() -> None:
    lines = templates()["docker/Dockerfile"].splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER 10001"]
    assert lines.index("USER 10001") < next(i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT"))
    compose = load("docker/compose.yml")
    assert set(compose["services"]) == {"tidegauge", "prometheus", "alertmanager", "grafana"}
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name
        assert "image" not in service or not service["image"].endswith(":latest"), name


def test_all_that_compose_mounts_is_written_or_is_to_be_made() -> None:
    compose, made = load("docker/compose.yml"), {"docker/tidegauge", "docker/secrets/read_token"}
    made |= {"docker/secrets/grafana_password"}
    mounts = [mount for service in compose["services"].values() for mount in service["volumes"]]
    named = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]
    named += [secret["file"] for secret in compose["secrets"].values()]
    assert len(named) > 6
    for path in named:
        at = re.sub(r"^docker/\.\./", "", f"docker/{path.removeprefix('./')}")
        assert at in FILES | made, path


def test_the_readme_tells_of_every_folder() -> None:
    text = templates()["README.md"]
    for name in FILES - {"README.md"}:
        assert name in text or f"`{name.split('/')[0]}/`" in text, name
    assert "was not" in text
    assert "Grafana's own rendering" in text
