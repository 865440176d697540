"""What to monitor: frozen settings from one TOML or YAML file, overridden by the environment."""

from tidegauge.spec.alarms import Alarms, AlarmSettings, Budget, Endpoint
from tidegauge.spec.fault import SpecError
from tidegauge.spec.length import Pane, length_text
from tidegauge.spec.load import find_file, load_spec
from tidegauge.spec.model import Canary, ColumnNames, Quality, Samples, Spec, StreamSpec
from tidegauge.spec.outcomes import OutcomeSettings

__all__ = [
    "AlarmSettings",
    "Alarms",
    "Budget",
    "Canary",
    "ColumnNames",
    "Endpoint",
    "OutcomeSettings",
    "Pane",
    "Quality",
    "Samples",
    "Spec",
    "SpecError",
    "StreamSpec",
    "find_file",
    "length_text",
    "load_spec",
]
