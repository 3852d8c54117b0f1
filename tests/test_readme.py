"""The commands in README.md exist: every `alaya` line's options, every make target, every script."""

import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def commands(text):
    """List the command lines of a text's ```bash blocks, continued lines joined and comments dropped."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


COMMANDS = commands(README)
ALAYA = [words for words in COMMANDS if words[0] == "alaya"]


@functools.cache
def help_of(*verbs):
    """Return what `alaya VERB ... --help` prints."""
    code = "import sys; from pipelines.cli import main; sys.argv[0] = 'alaya'; main()"
    result = subprocess.run(
        [sys.executable, "-c", code, *verbs, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def verbs_of(words):
    """Return a line's sub-commands: the first word, and a second one where the first is a group."""
    verbs = [word for word in words[1:2] if not word.startswith("-")]
    if verbs and re.search(r"^Commands:", help_of(*verbs), flags=re.MULTILINE):
        verbs += [word for word in words[2:3] if not word.startswith("-")]
    return verbs


@pytest.mark.parametrize("words", ALAYA, ids=" ".join)
def test_alaya_command_has_the_options_used(words):
    known = set(re.findall(r"--[a-z][a-z_-]*", help_of(*verbs_of(words))))
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used - known == set()


def test_an_unknown_option_is_seen():
    assert "--no-such-option" not in help_of("inverse")
    assert "--input" in help_of("inverse")


def test_readme_shows_the_main_job():
    assert {"inverse", "edit", "render"} <= {words[1] for words in ALAYA}
    assert ["make", "demo"] in COMMANDS
    assert ["make", "test"] in COMMANDS


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[0] == "make"], ids=" ".join)
def test_make_targets_exist(words):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {word for word in words[1:] if "=" not in word} <= targets


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_one_we_know(words):
    assert (
        words[0] in {"alaya", "make", "python", ".venv/bin/alaya", "source", "git", "cd", "conda"}
        or (ROOT / words[0]).is_file()
    )


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:|#)([^)]+)\)", README))
def test_links_inside_the_repository_exist(link):
    assert (ROOT / link.split("#")[0]).exists()


def test_blocks_are_read_as_a_shell_would():
    inside = "alaya edit --prompt 'a \"b\" c' \\\n  --style night  # why\n\nmake demo\n"
    assert commands(f"```bash\n{inside}```\n```\nnot --this\n```\n") == [
        ["alaya", "edit", "--prompt", 'a "b" c', "--style", "night"],
        ["make", "demo"],
    ]


def test_tables_are_those_of_the_result_files():
    script = [sys.executable, str(ROOT / "scripts" / "readme_tables.py"), "--check"]
    result = subprocess.run(script, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
