"""All that 'tidegauge templates' writes, by path: what is made from lists, and what lies ready beside this file."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from tidegauge.export.grafana import dashboard_json
from tidegauge.export.rule_tests import rule_tests_yaml
from tidegauge.export.rules import rules_yaml

RULES: Final = "tidegauge.rules.yml"
_READY: Final = (
    "alertmanager/alertmanager.yml",
    "systemd/tidegauge.service",
    "docker/Dockerfile",
    "docker/compose.yml",
    "docker/grafana/datasources.yml",
    "docker/grafana/dashboards.yml",
    "README.md",
)
_NO_TOKEN: Final = """\
  # Where tidegauge asks for tokens, one of scope read:
  # authorization: {credentials_file: tidegauge.token}"""
_TOKEN: Final = "  authorization: {credentials_file: /run/secrets/read_token}"


def templates(docs: str = "docs") -> dict[str, str]:
    """Build every file.

    Parameters
    ----------
    docs : str
        Where tidegauge's docs are, for links to dashboard.md and runbook.md: an address or a path.

    Returns
    -------
    dict of str to str
        Text by path.

    Examples
    --------
    >>> sorted(path for path in templates() if path.startswith("prometheus/"))[:2]
    ['prometheus/prometheus.yml', 'prometheus/tidegauge.rules.slow.test.yml']
    """
    return {
        "grafana/tidegauge.json": dashboard_json(docs),
        f"prometheus/{RULES}": rules_yaml(docs),
        "prometheus/tidegauge.rules.test.yml": rule_tests_yaml(RULES, docs),
        "prometheus/tidegauge.rules.slow.test.yml": rule_tests_yaml(RULES, docs, slow=True),
        "prometheus/prometheus.yml": _scraping("127.0.0.1:8765", "127.0.0.1:9093", _NO_TOKEN),
        "docker/prometheus.yml": _scraping("tidegauge:8765", "alertmanager:9093", _TOKEN),
        **{path: _ready(path) for path in _READY},
    }


def _scraping(tidegauge: str, alertmanager: str, authorization: str) -> str:
    text = _ready("prometheus/prometheus.yml")
    filled = {"@TIDEGAUGE@": tidegauge, "@ALERTMANAGER@": alertmanager, "@AUTHORIZATION@": authorization}
    for place, value in filled.items():
        text = text.replace(place, value)
    return text


def _ready(path: str) -> str:
    return files("tidegauge.export").joinpath("templates", *path.split("/")).read_text(encoding="utf-8")
