"""The guards that keep the house: imports point down, a light start, small files, no copies."""

import ast
import importlib
import itertools
import re
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "alaya": 1,
    "prompts": 1,
    "inverse": 2,
    "editing": 2,
    "realtime": 2,
    "worlds": 2,
    "training": 3,
    "pipelines": 4,
    "scripts": 5,
}
SOURCES = sorted(path for room in FLOORS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MAX_LINES = 400
MAX_SHARED = 0.8
TEXT_SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".json", ".glsl", ".sh", ".cfg", ""}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def imported_rooms(tree):
    """Yield (line, room) for every import of a room, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top = name.split(".")[0]
            if top in FLOORS or top == "tests":
                yield node.lineno, top


def wrong_arrows(room, source):
    """List a source's imports that point neither to a lower floor nor to the room itself."""
    return [
        f"line {line}: {room} (floor {FLOORS[room]}) imports {target}"
        for line, target in imported_rooms(ast.parse(source))
        if target != room and (target == "tests" or FLOORS[target] >= FLOORS[room])
    ]


def significant_lines(source):
    """Count a file's lines that say something: no blank ones, no lone brackets, no imports."""
    lines = (line.strip() for line in source.splitlines())
    return Counter(line for line in lines if len(line) > 3 and not line.startswith(("import ", "from ")))


def shared_share(first, second):
    """Return which part of the shorter file's lines stands in the other one, in [0, 1]."""
    shorter = min(first.total(), second.total())
    return (first & second).total() / shorter if shorter else 0.0


def opens_with_a_sentence(source):
    opening = (ast.get_docstring(ast.parse(source)) or "").strip().split("\n\n")[0]
    return opening.endswith((".", ":", "?")) and len(opening.split()) >= 3


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def text_files():
    """Yield every text file git knows here, or every source and document where there is no git."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    paths = [ROOT / name for name in listed if name] or [*SOURCES, *TESTS, *ROOT.glob("*.md")]
    return [
        path for path in paths if path.suffix in TEXT_SUFFIXES and path.is_file() and path.name != "LICENSE"
    ]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_point_down(path):
    assert wrong_arrows(path.relative_to(ROOT).parts[0], path.read_text()) == []


@pytest.mark.parametrize(
    ("room", "source", "count"),
    [
        ("pipelines", "from inverse.models import load_inverse\nimport alaya.frames", 0),
        ("alaya", "from alaya import errors", 0),
        ("alaya", "import prompts", 1),
        ("inverse", "def late():\n    from editing import models", 1),
        ("training", "from tests import conftest\nimport pipelines.cli", 2),
    ],
)
def test_arrows_are_seen(room, source, count):
    assert len(wrong_arrows(room, source)) == count


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=relative)
def test_file_is_short_and_opens_with_a_sentence(path):
    source = path.read_text()
    assert len(source.splitlines()) <= MAX_LINES, "one idea a file"
    assert opens_with_a_sentence(source), (
        "open with a docstring that says in one sentence what the file is for"
    )


def test_no_two_files_are_copies():
    counted = [(path, significant_lines(path.read_text())) for path in [*SOURCES, *TESTS]]
    counted = [(path, lines) for path, lines in counted if lines.total() >= 15]
    copies = [
        f"{relative(a)} and {relative(b)}: {shared_share(first, second):.0%} of the lines are the same"
        for (a, first), (b, second) in itertools.combinations(counted, 2)
        if shared_share(first, second) > MAX_SHARED
    ]
    assert copies == []


def test_a_copy_is_seen():
    source = (ROOT / "tests" / "conftest.py").read_text()
    lines = significant_lines(source)
    assert shared_share(lines, significant_lines(source.replace("moderngl", "other"))) > MAX_SHARED
    assert shared_share(lines, significant_lines(Path(__file__).read_text())) < 0.3


def test_no_path_of_a_private_machine():
    homes = "|".join(["home", "root", "Users", "work", "farm", "mnt", "scratch"])
    private = re.compile(rf"(?<![\w.}})/-])/(?:{homes})/")
    assert private.search("see /" + "home/someone/clip.mp4")
    found = [
        f"{relative(path)}:{number}: {line.strip()[:80]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if private.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parts[-2] != "scripts"], ids=module_name)
def test_module_imports(path, monkeypatch):
    if path.name == "__main__.py":
        monkeypatch.setattr(sys, "argv", ["alaya", "--version"])
    assert importlib.import_module(module_name(path))


@pytest.mark.parametrize("module", ["alaya.errors", "alaya.frames", "prompts", "pipelines", "pipelines.cli"])
def test_light_modules_load_nothing_heavy(module):
    assert heavy_after(f"import {module}") == set()


def test_command_help_loads_nothing_heavy():
    code = """
        from pipelines.cli import main
        sys.argv = ["alaya", "--help"]
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, stop.code
    """
    assert heavy_after(code) == set()


def heavy_after(code):
    """Return which heavy packages a fresh interpreter holds after the code ran."""
    report = "print('HEAVY', *({'torch', 'numpy', 'av', 'PIL', 'moderngl', 'diffusers'} & set(sys.modules)))"
    program = "\n".join(["import sys", textwrap.dedent(code), report])
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split("HEAVY")[-1].split())
