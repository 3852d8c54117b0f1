"""What the wheel holds, and that everything imported is declared as a dependency."""

import ast
import importlib.metadata
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS = ("alaya", "prompts", "inverse", "editing", "worlds", "training", "pipelines")


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    """Build the wheel with the project's own backend, without network, and return the names inside."""
    from hatchling.builders.wheel import WheelBuilder

    folder = tmp_path_factory.mktemp("wheel")
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(path) as wheel:
        assert wheel.testzip() is None
        return Path(path).name, set(wheel.namelist()), wheel.read(metadata_name(wheel)).decode()


def metadata_name(wheel):
    return next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))


def tracked_like(room):
    """Yield the files of a room that belong into the wheel: sources, tables, shaders, recipes."""
    for path in sorted((ROOT / room).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", ROOMS)
def test_wheel_holds_the_whole_room(room, wheel_names):
    assert set(tracked_like(room)) <= wheel_names[1]


def test_wheel_holds_the_small_weights_and_their_cards(wheel_names):
    small = {path.relative_to(ROOT).as_posix() for path in (ROOT / "checkpoints" / "small").rglob("*.*")}
    assert {name for name in small if not name.endswith(".gitkeep")} <= wheel_names[1]


def test_wheel_holds_nothing_else(wheel_names):
    tops = {name.split("/")[0] for name in wheel_names[1]}
    assert {top for top in tops if not top.endswith(".dist-info")} == {*ROOMS, "checkpoints"}
    assert {name for name in wheel_names[1] if name.startswith("checkpoints/")} == {
        name for name in wheel_names[1] if name.startswith("checkpoints/small/")
    }


def test_wheel_name_version_and_licence(wheel_names):
    name, names, metadata = wheel_names
    assert name == f"alaya_renderer-{PROJECT['version']}-py3-none-any.whl"
    assert "Classifier: Private :: Do Not Upload" in metadata
    assert "License-Expression: Apache-2.0" in metadata
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_command_points_at_a_function(wheel_names):
    module, _, function = PROJECT["scripts"]["alaya"].partition(":")
    tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {
        t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)
    }
    assert function in defined | assigned


COMPARED = ("diffsynth",)
"""Projects that a benchmark compares with where they happen to be installed."""


def distribution(requirement):
    """Return the normalised distribution name of a requirement such as 'OpenEXR>=3.3'."""
    return re.sub(r"[-_.]+", "-", re.match(r"[A-Za-z0-9._-]+", requirement)[0]).lower()


def declared(*extras):
    wanted = [*PROJECT["dependencies"]]
    for extra in extras:
        wanted += PROJECT["optional-dependencies"][extra]
    return {distribution(requirement) for requirement in wanted}


def undeclared(folder, names):
    """List 'file: module' for every third-party import of a folder whose distribution is not in names."""
    known = importlib.metadata.packages_distributions()
    siblings = (
        {"scripts", *(path.stem for path in (ROOT / folder).glob("*.py"))}
        if folder in ("tests", "scripts")
        else set()
    )
    found = set()
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            tops = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                tops = [node.module or ""]
            for top in {name.split(".")[0] for name in tops} - set(sys.stdlib_module_names):
                if top in (*ROOMS, *siblings, *COMPARED):
                    continue
                sources = {distribution(name) for name in known.get(top, [top])}
                if not sources & names:
                    found.add(f"{path.relative_to(ROOT)}: {top}")
    return sorted(found)


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("alaya", ("inverse",)),  # diffusers, only once a published model is used
        ("prompts", ()),
        ("inverse", ("inverse",)),
        ("editing", ("editing",)),
        ("worlds", ("worlds",)),
        ("training", ("train",)),
        ("pipelines", ("inverse", "ray")),
        ("scripts", ("train", "worlds", "inverse")),
        ("tests", ("dev", "train", "worlds", "inverse", "editing")),
    ],
)
def test_every_import_is_declared(folder, extras):
    assert undeclared(folder, declared(*extras)) == []


def test_an_undeclared_import_is_seen():
    assert "tests/test_packaging.py: hatchling" in undeclared("tests", set())


def test_constraints_pin_every_dependency_once():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = [distribution(line) for line in lines if line]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines if line)
    assert len(pinned) == len(set(pinned))
    assert declared("dev", "train", "worlds") <= set(pinned)
