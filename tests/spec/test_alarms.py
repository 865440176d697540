"""Settings of alarms: how a budget is written, whom is told, and that no secret stands in a file or a message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.spec.conftest import Load, faults
from tidegauge.spec import Alarms, AlarmSettings, Budget, Endpoint, Spec, StreamSpec

DAY = 86_400
PAGER = "[alarms.endpoints.pager]\nurl = 'https://hooks.example.org/drift'\n"


def test_nothing_said_is_every_default(load: Load) -> None:
    spec = load("[streams.q]")
    assert spec.alarms == Alarms()
    assert (spec.alarms.budget, spec.alarms.repeat) == (Budget(1, 90 * DAY, "seconds"), 300)
    assert (spec.alarms.report, spec.alarms.runbook, spec.alarms.endpoints) == ("", "", {})
    own = spec.streams["q"].alarm
    assert own == AlarmSettings()
    assert (own.enabled, own.min_effect, own.season, own.critical, own.calm, own.segments) == (
        True,
        0.0,
        True,
        10.0,
        3,
        True,
    )


TOML = """
[alarms]
budget = "2 in 30d"
repeat = "1m"
runbook = "https://wiki.example.org/{kind}"
report = "https://gauge.example.org/{stream}?alarm={alarm}&since={since}&until={until}"
[alarms.endpoints.Pager-1]
url = "https://hooks.example.org/drift"
secret = "file:keys/pager"
timeout = "3s"
kinds = ["drift", "silence"]
least = "critical"
[alarms.endpoints.prometheus]
kind = "alertmanager"
url = "http://[::1]:9093/behind"
[streams.q.alarm]
min_effect = 2
critical = 20
calm = 5
segments = false
"""
YAML = """
alarms:
  budget: 2 in 30d
  repeat: 1m
  runbook: https://wiki.example.org/{kind}
  report: https://gauge.example.org/{stream}?alarm={alarm}&since={since}&until={until}
  endpoints:
    Pager-1:
      {url: "https://hooks.example.org/drift", secret: "file:keys/pager", timeout: 3s, kinds: [drift, silence],
       least: critical}
    prometheus: {kind: alertmanager, url: "http://[::1]:9093/behind"}
streams:
  q: {alarm: {min_effect: 2, critical: 20, calm: 5, segments: false}}
"""


def test_both_kinds_of_file_say_the_same(load: Load) -> None:
    spec = load(TOML)
    assert load(YAML, name="tidegauge.yaml") == spec
    pager, prometheus = spec.alarms.endpoints["Pager-1"], spec.alarms.endpoints["prometheus"]
    assert (pager.secret, pager.signed, pager.timeout) == (f"file:{Path.cwd()}/keys/pager", True, 3)
    assert [
        pager.wants(*each) for each in (("drift", "critical"), ("drift", "warning"), ("data quality", "critical"))
    ] == [
        True,
        False,
        False,
    ]
    assert (prometheus.signed, prometheus.host, prometheus.wants("silence", "warning")) == (
        False,
        "http://[::1]:9093",
        True,
    )
    assert spec.streams["q"].alarm.model_dump() == {
        "enabled": True,
        "min_effect": 2.0,
        "season": True,
        "critical": 20.0,
        "calm": 5,
        "segments": False,
    }


def test_the_environment_goes_before_the_file(load: Load) -> None:
    environ = {
        "TIDEGAUGE_ALARMS__BUDGET": "1 in 5000 panes",
        "TIDEGAUGE_ALARMS__ENDPOINTS__PAGER_1__URL": "https://ada:pw@other.example/t0ken",
        "TIDEGAUGE_ALARMS__ENDPOINTS__PAGER_1__SECRET": "env:DRIFT_SECRET",
        "TIDEGAUGE_ALARMS__ENDPOINTS__PROMETHEUS__KINDS": "drift, model changed",
        "TIDEGAUGE_STREAMS__Q__ALARM__CALM": "9",
    }
    spec = load(TOML, environ)
    pager = spec.alarms.endpoints["Pager-1"]
    assert spec.alarms.budget == Budget(1, 5000, "panes")
    assert (pager.url, pager.host) == ("https://ada:pw@other.example/t0ken", "https://other.example")
    assert pager.secret == "env:DRIFT_SECRET"
    assert spec.alarms.endpoints["prometheus"].kinds == ("drift", "model changed")
    assert spec.streams["q"].alarm.calm == 9


def test_faults_of_the_environment_name_the_variable(load: Load) -> None:
    environ: Mapping[str, str] = {
        "TIDEGAUGE_ALARMS__ENDPOINTS__PAGER__SECRET": "hunter2",
        "TIDEGAUGE_ALARMS__ENDPOINTS__CHAT__URL": "https://x/",
        "TIDEGAUGE_ALARMS__ENDPOINTS": "x",
        "TIDEGAUGE_ALARMS__BUDGT": "x",
    }
    told = faults(load, PAGER, environ)
    assert told == [
        "TIDEGAUGE_ALARMS__ENDPOINTS: got no endpoint, want a setting of one of the file's endpoints: pager. "
        "Endpoints are named in the file",
        "TIDEGAUGE_ALARMS__ENDPOINTS__CHAT__URL: got endpoint 'chat', want a setting of one of the file's endpoints: "
        "pager. Endpoints are named in the file",
        "tidegauge.toml: alarms.endpoints.pager.secret (set by TIDEGAUGE_ALARMS__ENDPOINTS__PAGER__SECRET): got "
        "something else, perhaps the secret itself, want where the secret is: 'env:NAME' or 'file:PATH'. Put the "
        "secret there, and only its name here",
        "tidegauge.toml: alarms.budgt (set by TIDEGAUGE_ALARMS__BUDGT): got an unknown setting, want 'budget', the "
        "nearest known one",
    ]


# Budgets


@given(st.integers(1, 999_999), st.integers(1, 10**9), st.sampled_from(["seconds", "panes"]))
def test_budgets_go_there_and_back(false_alarms: int, length: int, unit: str) -> None:
    budget = Budget(false_alarms, length, unit)  # type: ignore[arg-type]
    assert Budget.parse(str(budget)) == budget
    assert Alarms.model_validate_json(Alarms(budget=budget).model_dump_json()).budget == budget


def test_budgets_as_people_write_them() -> None:
    assert Budget.parse(" 1  in  12 w ") == Budget(1, 84 * DAY, "seconds")
    assert Budget.parse("3 in 1 pane") == Budget(3, 1, "panes")
    assert str(Budget.parse("10 in 365d")) == "10 in 1y"


@pytest.mark.parametrize(
    "text", ["", "1", "1 in", "90d", "1 in 90", "1 in 90 days", "0 in 90d", "1 in 0d", "1 in 0 panes", "1/90d",
             "-1 in 90d", "1.5 in 90d", "1 in 5000 rows", "٣ in 90d", "1 in 99999999999y"]
)  # fmt: skip
def test_what_is_no_budget(text: str) -> None:
    with pytest.raises(ValueError, match=r"want (false alarms in a time, such as '1 in 90d'|a span of time)"):
        Budget.parse(text)


@pytest.mark.parametrize(
    ("budget", "streams", "least"),
    [
        ("1 in 1h", {"q": "1h"}, "'1 in 20h': 20 panes of 1h between two false alarms in q"),
        ("3 in 59h", {"q": "1h"}, "'3 in 60h': 20 panes of 1h"),
        ("1 in 19 panes", {"q": "1h"}, "'1 in 20 panes': 20 panes of 1h"),
        ("1 in 19 panes", {"q": "100 rows"}, "'1 in 20 panes': 20 panes of 100 rows"),
        (
            "1 in 6d",
            {"q": "1h", "slow": "1d", "off": None},
            "'1 in 10d': 20 panes of 1d between two false alarms in sl",
        ),
        ("1 in 9 panes", {"q": "1h", "slow": "1d"}, "'1 in 10 panes'"),
    ],
)
def test_a_budget_of_hardly_any_panes_is_refused(load: Load, budget: str, streams: dict[str, str], least: str) -> None:
    cut = [
        f"[streams.{name}]\n" + (f"pane = '{pane}'" if pane else "alarm.enabled = false")
        for name, pane in streams.items()
    ]
    text = "\n".join([f"[alarms]\nbudget = '{budget}'", *cut])
    [told] = faults(load, text)
    assert told.startswith(f"tidegauge.toml: alarms.budget: got '{budget}', want at least {least}")
    enough = least.split("'")[1]
    assert str(load(text.replace(budget, enough)).alarms.budget) == str(Budget.parse(enough))
    [told] = faults(load, "\n".join(cut), {"TIDEGAUGE_ALARMS__BUDGET": budget})
    assert told.startswith("tidegauge.toml: alarms.budget (set by TIDEGAUGE_ALARMS__BUDGET): got ")


@pytest.mark.parametrize(
    "text",
    [
        "[streams.q]\npane = '1w'",  # nobody asked for the usual budget
        "[alarms]\nbudget = '1 in 1h'\n[streams.q]\npane = '100 rows'",
        "[alarms]\nbudget = '1 in 1h'\n[streams.q]\nkind = 'snapshot'",
        "[alarms]\nbudget = '1 in 1h'\n[streams.q]\nalarm.enabled = false",
        "[alarms]\nbudget = '1 in 1h'",
    ],
)
def test_where_nothing_is_known_of_panes_no_budget_is_refused(load: Load, text: str) -> None:
    assert load(text).alarms.budget


# Faults


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("alarms = 5", "alarms: got 5, want a table"),
        ("[alarms]\nbudget = 5", "alarms.budget: got 5, want false alarms in a time, such as '1 in 90d', or in panes"),
        ("[alarms]\nbudget = '1 in 50 rows'", "alarms.budget: got '1 in 50 rows', want false alarms in a time"),
        ("[alarms]\nbudget = '0 in 9d'", "alarms.budget: got '0 in 9d', want false alarms in a time"),
        ("[alarms]\nrepeat = 0", "alarms.repeat: got 0, want at least 1"),
        ("[alarms]\nrunbok = ''", "alarms.runbok: got an unknown setting, want 'runbook', the nearest known one"),
        ("[alarms]\nmin_effect = 2", "alarms.min_effect: got an unknown setting, want one of budget, repeat"),
        ("[alarms]\nendpoints = 5", "alarms.endpoints: got 5, want a table"),
        ("[alarms]\nreport = 'x'", "alarms.report: got 'x', want an address of http:// or https://"),
        ("[alarms]\nreport = 'ftp://h/{alarm}'", "alarms.report: got 'ftp://h/x', want an address of http:// or"),
        ("[alarms]\nreport = 'https://h/{alarms}'", "alarms.report: got '{alarms}', want one of {stream}, {alarm}, {s"),
        ("[alarms]\nreport = 'https://h/{alarm.__class__}'", "alarms.report: got '{alarm.__class__}', want one of"),
        ("[alarms]\nreport = 'https://h/{0}'", "alarms.report: got '{0}', want one of"),
        ("[alarms]\nreport = 'https://h/{}'", "alarms.report: got '{}', want one of"),
        ("[alarms]\nreport = 'https://h/{alarm'", "alarms.report: got '{', want one of"),
        ("[alarms]\nreport = 'https://h/{{alarm}}'", "alarms.report: got '{', want one of"),
        ("[alarms]\nrunbook = 'https://h/{alarm}'", "alarms.runbook: got '{alarm}', want one of {stream}, {kind}"),
        ("[alarms.endpoints]\npager = 5", "alarms.endpoints.pager: got 5, want a table"),
        ("[alarms.endpoints.pager]", "alarms.endpoints.pager.url: got nothing, want a value: it has no default"),
        (
            "[alarms.endpoints.'a b']\nurl='http://h'",
            "alarms.endpoints.'a b': got 'a b', want letters, digits, - and _",
        ),
        (PAGER + "[alarms.endpoints.PAGER]\nurl='http://h'", "alarms.endpoints.PAGER: got 'PAGER', want a name that"),
        (PAGER + "kind = 'slack'", "alarms.endpoints.pager.kind: got 'slack', want 'webhook' or 'alertmanager'"),
        (PAGER + "timeout = '2m'", "alarms.endpoints.pager.timeout: got '2m', want at most 60"),
        (PAGER + "kinds = ['drft']", "alarms.endpoints.pager.kinds, item 1: got 'drft', want 'drift', 'model changed'"),
        (PAGER + "least = 'info'", "alarms.endpoints.pager.least: got 'info', want 'warning' or 'critical'"),
        (PAGER + "verify = false", "alarms.endpoints.pager.verify: got an unknown setting, want one of kind, url, sec"),
        (
            PAGER + "kind = 'alertmanager'\nsecret = 'env:X'",
            "alarms.endpoints.pager.secret: got a secret, want nothing",
        ),
        ("[streams.q.alarm]\nmin_effect = 101", "streams.q.alarm.min_effect: got 101, want at most 100"),
        ("[streams.q.alarm]\ncritical = 0", "streams.q.alarm.critical: got 0, want more than 0"),
        ("[streams.q.alarm]\ncalm = 0", "streams.q.alarm.calm: got 0, want at least 1"),
        (
            "[streams.q.alarm]\nseasn = true",
            "streams.q.alarm.seasn: got an unknown setting, want 'season', the nearest",
        ),
        ("[streams.q]\ncalm = 5", "streams.q.calm: got an unknown setting, want it in [streams.q.alarm]"),
        ("[streams.q]\nalarm = true", "streams.q.alarm: got true, want a table"),
    ],
)
def test_each_fault_is_told(load: Load, text: str, said: str) -> None:
    [told] = faults(load, text)
    assert told.startswith(f"tidegauge.toml: {said}")


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example.org", "//h/", "ftp://h/", "file:///etc/passwd", "https://", "https:///x", "https://h:port/",
     "https://h:99999/", "https://h:0/", "https://h/a b", "https://h/\tx", "https://h/ä",
     "https://h\nx", "https://h\\x", "http://[::1/"],
)  # fmt: skip
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValidationError, match="want an address of http:// or https://"):
        Endpoint(url=url)


@pytest.mark.parametrize(
    "secret", ["'hunter2'", "42", "'env:'", "'env:1X'", "'env:A B'", "'file:'", "'ENV:hunter2'", "['hunter2']"]
)
def test_a_secret_in_the_file_is_refused_and_not_told(load: Load, secret: str) -> None:
    [told] = faults(load, f"{PAGER}secret = {secret}")
    assert "pager.secret: got something else, perhaps the secret itself, want where the secret is: 'env:NAME'" in told
    assert "hunter2" not in told
    assert "42" not in told


@pytest.mark.parametrize(
    "url",
    ["ftp://me:hunter2@h/", "https:/me:hunter2@h", "https://hunter2@h:port/", "https://me:hun:ter2@h/a b",
     "me:hunter2@h", "https://me:x@hunter2@h:99999/"],
)  # fmt: skip
def test_whose_address_it_is_is_not_told(load: Load, url: str) -> None:
    for text in (f"[alarms.endpoints.pager]\nurl = '{url}'", f"[alarms]\nreport = '{url}'"):
        [told] = faults(load, text)
        assert "want an address of http:// or https://" in told
        assert "hunter2" not in told
        assert "ter2" not in told


def test_an_endpoint_is_shown_without_its_address() -> None:
    endpoint = Endpoint(url="https://me:hunter2@hooks.example.org:8443/T0/tok3n?key=k3y")
    spec = Spec(alarms=Alarms(endpoints={"pager": endpoint}))
    for text in (repr(spec), str(endpoint), endpoint.host):
        assert not any(each in text for each in ("hunter2", "tok3n", "k3y"))
    assert endpoint.host == "https://hooks.example.org:8443"


def test_settings_survive_json(load: Load) -> None:
    spec = load(TOML)
    assert Alarms.model_validate_json(spec.alarms.model_dump_json()) == spec.alarms
    stream = StreamSpec(name="q", alarm={"min_effect": 0.5, "season": False})
    assert StreamSpec.model_validate_json(stream.model_dump_json()) == stream
    with pytest.raises(ValidationError):
        spec.alarms.budget = Budget(2, 1, "panes")  # type: ignore[misc]
