"""The two conda files: their shape, their Python, and that their extras are the ones pyproject.toml names."""

import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA_SPEC = re.compile(r"[a-z0-9][a-z0-9._-]*((==|=|>=|<=|<|>)[0-9][0-9A-Za-z.*]*)?")
SCHEMA = {
    "type": "object",
    "required": ["name", "channels", "dependencies"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "channels": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "dependencies": {
            "type": "array",
            "items": {
                "anyOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "required": ["pip"],
                        "additionalProperties": False,
                        "properties": {"pip": {"type": "array", "items": {"type": "string"}}},
                    },
                ]
            },
        },
    },
}


@pytest.fixture(params=["inverse", "editing"])
def stage(request):
    return request.param


@pytest.fixture
def environment(stage):
    return yaml.safe_load((ROOT / f"environment-{stage}.yml").read_text())


def pip_lines(environment):
    return [line for entry in environment["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]


def conda_specs(environment):
    return [entry for entry in environment["dependencies"] if isinstance(entry, str)]


def test_shape_and_name(stage, environment):
    jsonschema.validate(environment, SCHEMA)
    assert environment["name"] == f"alaya-{stage}"


def test_conda_specs_are_well_formed(environment):
    specs = conda_specs(environment)
    assert [spec for spec in specs if not CONDA_SPEC.fullmatch(spec)] == []
    assert any(spec.split(">")[0] == "pip" for spec in specs), (
        "conda warns when a pip section comes without pip"
    )


@pytest.mark.parametrize("spec", ["foo bar baz", "python=", "=3.11", "python 3.11", "python=>3"])
def test_sloppy_specs_are_seen(spec):
    assert not CONDA_SPEC.fullmatch(spec)


def test_python_is_the_one_the_project_asks_for(environment):
    (python,) = [spec for spec in conda_specs(environment) if re.match(r"python\b", spec)]
    assert f">={python.split('=')[1]}" == PROJECT["requires-python"]


def test_pip_section_installs_this_repository_with_the_stage_s_extra(stage, environment):
    assert pip_lines(environment) == ["-c constraints.txt", f"-e .[{stage}]"]
    assert (ROOT / "constraints.txt").is_file()
    assert PROJECT["optional-dependencies"][stage]
