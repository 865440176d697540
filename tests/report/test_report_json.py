from __future__ import annotations

import json as standard_json
from dataclasses import fields
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import pytest

from tests.report.cases import drifted, empty
from tidegauge.errors import ArtefactError
from tidegauge.records import Comparison
from tidegauge.report import json


def _schema() -> dict[str, Any]:
    return standard_json.loads(
        resources.files("tidegauge.report").joinpath("schema/comparison-1.json").read_text("utf-8")
    )


def _strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return standard_json.loads(text, parse_constant=refuse)


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(_schema())


def test_every_case_keeps_to_the_schema(comparison: Comparison) -> None:
    jsonschema.Draft202012Validator(_schema()).validate(_strict(json.render(comparison)))


def test_schema_names_every_field() -> None:
    assert set(_schema()["required"]) == {"schema", "version", *(field.name for field in fields(Comparison))}


def test_round_trip_gives_the_same_json(comparison: Comparison) -> None:
    text = json.render(comparison)
    assert json.render(json.from_dict(_strict(text))) == text


def test_round_trip_keeps_arrays_and_scalars() -> None:
    c = drifted()
    back = json.from_dict(_strict(json.render(c)))
    np.testing.assert_array_equal(back.view.before, c.view.before[:2000])
    np.testing.assert_array_equal(back.view.cov_after, c.view.cov_after.astype(np.float32))
    assert (back.drift, back.panel, back.scores, back.novelty) == (c.drift, c.panel, c.scores, c.novelty)


def test_empty_samples_keep_their_width() -> None:
    assert json.from_dict(_strict(json.render(empty()))).view.after.shape == (0, 2)


@pytest.mark.parametrize("schema", ["tidegauge.comparison/2", None, 1])
def test_other_versions_are_refused(schema: object) -> None:
    with pytest.raises(ArtefactError, match="comparison/1") as caught:
        json.from_dict(json.to_dict(drifted()) | {"schema": schema})
    assert caught.value.got == repr(schema)


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("width",), "wide", r"comparison\.width"),
        (("width",), True, r"comparison\.width"),
        (("door",), "back door", r"comparison\.door"),
        (("drift", "value"), [], r"comparison\.drift\.value"),
        (("scores",), {}, r"comparison\.scores"),
        (("scores",), [3], r"comparison\.scores\[0\]"),
        (("panel", "members"), [], r"comparison\.panel\.members"),
        (("view", "explained"), [1.0], r"comparison\.view\.explained"),
        (("view", "before"), [[1.0], [1.0, 2.0]], r"comparison\.view\.before"),
        (("view", "mean_before"), "x", r"comparison\.view\.mean_before"),
    ],
)
def test_damage_is_refused_with_its_place(path: tuple[str, ...], value: object, told: str) -> None:
    d = _strict(json.render(drifted()))
    inner = d
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ArtefactError, match=told):
        json.from_dict(d)


def test_missing_fields_are_refused_unless_they_have_a_default() -> None:
    d = _strict(json.render(drifted()))
    del d["model_id"]
    assert json.from_dict(d).model_id == ""
    del d["verdict"]
    with pytest.raises(ArtefactError, match="verdict"):
        json.from_dict(d)


def test_unknown_fields_are_ignored() -> None:
    assert json.from_dict(json.to_dict(drifted()) | {"later": 1}).width == 384
