"""Settings of alarms: how many may be false, whom they are told to, and when a stream raises one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema, field_validator

from tidegauge.records import AlarmKind, Severity
from tidegauge.spec.fault import Refused
from tidegauge.spec.length import Pane, length_text, read_seconds
from tidegauge.spec.table import NAME, NAME_WANTED, PLAIN, Seconds, Table, beside, listed, plain_name

EndpointKind = Literal["webhook", "alertmanager"]

FEWEST_PANES: Final = 20
"""Panes of a stream between two false alarms: more often, no threshold tells an alarm from what panes do anyway."""
BUDGET_PATTERN: Final = r"^\s*[0-9]{1,6}\s+in\s+[0-9]{1,12}\s*([smhdwy]|panes?)\s*$"
SECRET_PATTERN: Final = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)?$"
URL_PATTERN: Final = r"^https?://[!-\[\]-~]+$"

_BUDGET = re.compile(r"\s*([0-9]{1,6})\s+in\s+([0-9]{1,12}\s*[smhdwy]|([0-9]{1,12})\s*panes?)\s*", re.ASCII)
_BUDGET_WANTED: Final = "false alarms in a time, such as '1 in 90d', or in panes, such as '1 in 5000 panes'"
_SECRET = re.compile(SECRET_PATTERN, re.ASCII)
_SECRET_WANTED: Final = "where the secret is: 'env:NAME' or 'file:PATH'"
_URL = re.compile(URL_PATTERN, re.ASCII | re.IGNORECASE)
_URL_WANTED: Final = "an address of http:// or https://, such as 'https://hooks.example.org/drift'"
_USER = re.compile(r"^([A-Za-z]*:/*)\S*@")
_FIELD = re.compile(r"\{[^{}]*\}|[{}]")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many alarms may be false: ``false_alarms`` in ``length`` seconds, or panes.

    Examples
    --------
    >>> budget = Budget.parse("2 in 30d")
    >>> budget, str(budget), str(Budget.parse("1 in 5000 panes"))
    (Budget(false_alarms=2, length=2592000, unit='seconds'), '2 in 30d', '1 in 5000 panes')
    """

    false_alarms: int
    length: int
    unit: Literal["seconds", "panes"]

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``"1 in 90d"`` or ``"1 in 5000 panes"``; ``ValueError`` where it is neither, or is nothing."""
        found = _BUDGET.fullmatch(text)
        if found is None:
            hint = "Rows differ from stream to stream: say panes" if "row" in text else ""
            raise Refused(text, _BUDGET_WANTED, hint)
        false_alarms, panes = int(found[1]), found[3]
        length = int(panes) if panes else read_seconds(found[2])
        if not false_alarms or not length:
            raise Refused(text, f"{_BUDGET_WANTED}; none is no budget that can be kept")
        return cls(false_alarms, length, "panes" if panes else "seconds")

    def __str__(self) -> str:
        length = f"{self.length} panes" if self.unit == "panes" else length_text(self.length)
        return f"{self.false_alarms} in {length}"


def _read_budget(value: Any) -> Budget:
    if isinstance(value, Budget):
        return value
    if not isinstance(value, str):
        raise Refused(value, _BUDGET_WANTED)
    return Budget.parse(value)


def check_budget(budget: Budget, panes: Mapping[str, Pane]) -> None:
    """Refuse a budget whose share of some stream is fewer than FEWEST_PANES of its ``panes``; what panes of rows are
    in time nobody knows beforehand.

    Examples
    --------
    >>> check_budget(Budget.parse("1 in 1h"), {"q": Pane.parse("1h")})
    Traceback (most recent call last):
    tidegauge.spec.fault.Refused: got '1 in 1h', want at least '1 in 20h': 20 panes of 1h between two false alarms in q
    """
    timed = budget.unit == "seconds"
    lengths = {name: pane.length if timed else 1 for name, pane in panes.items() if pane.unit == "seconds" or not timed}
    if not lengths:
        return
    name = max(lengths, key=lambda name: lengths[name])
    least = ceil(FEWEST_PANES * lengths[name] * budget.false_alarms / len(panes))
    if budget.length < least:
        why = f"{FEWEST_PANES} panes of {panes[name]} between two false alarms in {name}"
        raise Refused(str(budget), f"at least '{replace(budget, length=least)}': {why}", below=("alarms", "budget"))


def _checked_url(url: str) -> str:
    """Refuse what is no address of the web, without saying whose it is."""
    try:
        parts = urlsplit(url)
        good = bool(_URL.fullmatch(url) and parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        spaced = _URL.match(url) is not None
        raise Refused(_USER.sub(r"\1***@", url), _URL_WANTED, "Write other characters as %20" if spaced else "")
    return url


def _checked_template(text: str, known: Collection[str]) -> str:
    """Refuse a template of an address that has other fields than those that are filled in."""
    for field in _FIELD.findall(text):
        if field[1:-1] not in known or len(field) < 3:
            raise Refused(field, f"one of {', '.join(f'{{{name}}}' for name in known)}")
    if text:
        _checked_url(_FIELD.sub("x", text))
    return text


class Endpoint(Table):
    """Somebody who is told of alarms.

    Examples
    --------
    >>> pager = Endpoint(url="https://me:pw@hooks.example.org/T0/x", secret="env:DRIFT_SECRET", least="critical")
    >>> pager.kind, pager.host, pager.signed, pager.wants("drift", "warning")
    ('webhook', 'https://hooks.example.org', True, False)
    """

    kind: EndpointKind = "webhook"
    """webhook: alarms are posted as JSON. alertmanager: they are posted to the API of a Prometheus Alertmanager."""
    url: Annotated[str, WithJsonSchema({"type": "string", "pattern": URL_PATTERN})] = Field(
        repr=False, examples=["https://hooks.example.org/drift"]
    )
    """Where to post: of an Alertmanager its base address, such as http://alertmanager:9093. An address that holds a
    password or a token is better set as TIDEGAUGE_ALARMS__ENDPOINTS__NAME__URL than written here."""
    secret: Annotated[str, WithJsonSchema({"type": "string", "pattern": SECRET_PATTERN})] = Field(
        default="", examples=["env:DRIFT_SECRET", "file:/run/secrets/drift"]
    )
    """Where the key is by which a webhook's messages are signed: env:NAME, a variable of the environment, or file:PATH;
    never the key itself. Unset: they are not signed, and the receiver cannot tell them from forged ones."""
    timeout: Annotated[Seconds, Field(ge=1, le=60)] = 10
    """How long a try may take; it is tried again later, as often as needed."""
    kinds: Annotated[tuple[AlarmKind, ...], BeforeValidator(listed)] = Field(default=(), examples=[["drift"]])
    """Which kinds of alarm are told. Unset: all."""
    least: Severity = "warning"
    """How severe an alarm has to be for it to be told."""

    @property
    def host(self) -> str:
        """The address as people may see it: without user, password, path and query, where secrets are."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

    @property
    def signed(self) -> bool:
        """Whether a receiver can tell its messages from forged ones."""
        return bool(self.secret)

    def wants(self, kind: AlarmKind, severity: Severity) -> bool:
        """Whether an alarm is told here."""
        return (not self.kinds or kind in self.kinds) and (self.least == "warning" or severity == "critical")

    @field_validator("url")
    @classmethod
    def _of_the_web(cls, url: str) -> str:
        return _checked_url(url)

    @field_validator("secret", mode="before")
    @classmethod
    def _elsewhere(cls, secret: Any, info: ValidationInfo) -> str:
        if secret == "":
            return secret
        if info.data.get("kind") == "alertmanager":
            hint = "A password for it belongs into its address, set by the environment"
            raise Refused(None, "nothing, as an Alertmanager checks no signature", hint, got="a secret")
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret):
            hint = "Put the secret there, and only its name here"
            raise Refused(None, _SECRET_WANTED, hint, got="something else, perhaps the secret itself")
        place, _, path = secret.partition(":")
        return f"file:{beside(path, info)}" if place == "file" else secret


class Alarms(Table):
    """How many alarms may be false, and whom they are told to.

    Examples
    --------
    >>> alarms = Alarms(endpoints={"pager": {"url": "https://hooks.example.org/drift"}})
    >>> str(alarms.budget), alarms.repeat, alarms.endpoints["pager"].signed
    ('1 in 90d', 300, False)
    """

    budget: Annotated[
        Budget,
        BeforeValidator(_read_budget),
        PlainSerializer(str, when_used="json"),
        WithJsonSchema({"type": "string", "pattern": BUDGET_PATTERN}),
    ] = Budget(1, 90 * 86_400, "seconds")
    """How many false alarms may come in a time, such as 1 in 90d, or in panes, such as 1 in 5000 panes: over all
    streams and segments together."""
    repeat: Annotated[Seconds, Field(ge=1)] = 300
    """How often an alarm that lasts is posted to an Alertmanager again, which takes it for over after three times as
    long."""
    runbook: str = Field(default="", examples=["https://wiki.example.org/runbooks/{kind}"])
    """Address of what to do about an alarm, in which {stream} and {kind} are filled in. Unset: a sentence says what to
    do first."""
    report: str = Field(default="", examples=["https://gauge.example.org/{stream}?alarm={alarm}"])
    """Address of the page of an alarm, in which {stream}, {alarm}, {since} and {until} are filled in."""
    endpoints: dict[str, Endpoint] = Field(default={})
    """Whom alarms are told to, by name."""

    @field_validator("runbook")
    @classmethod
    def _runbook_known(cls, text: str) -> str:
        return _checked_template(text, ("stream", "kind"))

    @field_validator("report")
    @classmethod
    def _report_known(cls, text: str) -> str:
        return _checked_template(text, ("stream", "alarm", "since", "until"))

    @field_validator("endpoints")
    @classmethod
    def _apart(cls, endpoints: Mapping[str, Endpoint]) -> Mapping[str, Endpoint]:
        plain: dict[str, str] = {}
        for name in endpoints:
            if not re.fullmatch(NAME, name):
                raise Refused(name, NAME_WANTED, below=(name,))
            other = plain.setdefault(plain_name(name), name)
            if other != name:
                raise Refused(name, f"a name that differs from {other!r} in more than case, - and _", below=(name,))
        return endpoints


class AlarmSettings(Table):
    """When the stream raises an alarm."""

    enabled: bool = True
    """Whether it ever does."""
    min_effect: Annotated[float, Field(ge=0, le=100), PLAIN] = 0.0
    """Smallest effect of interest, in per cent of the traffic as drift is told. 0: whatever goes beyond the budget, as
    a small new cluster hardly moves that number."""
    season: bool = True
    """Whether a pane is compared with the same hours of the week, where the history has them."""
    critical: Annotated[float, Field(gt=0, le=100), PLAIN] = 10.0
    """From how many per cent of the traffic an alarm is critical."""
    calm: Annotated[int, Field(ge=1, le=10_000), PLAIN] = 3
    """How many quiet panes resolve an alarm."""
    segments: bool = True
    """Whether segments raise alarms of their own."""
