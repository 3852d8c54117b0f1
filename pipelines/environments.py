"""Runs a stage in another Python environment, where other packages are; the G-buffer clip on disk is the meeting place.

The other environment's own `alaya` runs with `--json`; its events are passed on as if the stage ran here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from alaya.errors import AlayaError, FolderBusyError, RequestError
from pipelines.plan import Plan
from pipelines.progress import Progress, Stage
from pipelines.settings import CommonSettings, EditSettings, InverseSettings

PROBE_SECONDS = 120
PROBE = """
import json, sys
from importlib import metadata, util
from pathlib import Path
answer = {"python": "%d.%d" % sys.version_info[:2], "root": None, "version": None}
found = util.find_spec("alaya"), util.find_spec("pipelines")
if all(found):
    answer["root"] = str(Path(found[0].origin).resolve().parent.parent)
    try:
        answer["version"] = metadata.version("alaya-renderer")
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(answer))
"""
FLAGS = {"num_steps": "steps", "styles_json": "styles_json"}
SWITCHES = ("compile", "reference", "overwrite", "fp8", "fast_scheduler")


@dataclass(frozen=True)
class Environment:
    """Another environment, known to have the same alaya.

    Attributes:
        stage: that it is for: "inverse" or "editing".
        python: its interpreter.
    """

    stage: str
    python: Path

    def run_inverse(self, settings: InverseSettings, progress: Progress) -> Path:
        """As `pipelines.inverse_job.run_inverse`, over there."""
        self._run(["inverse", *arguments(settings), "--no-report"], progress)
        return settings.folder

    def run_edits(self, edits: Sequence[EditSettings], progress: Progress) -> list[Path]:
        """As `pipelines.edit_job.run_edits`, over there; the model is loaded for every edit."""
        return [self._run(["edit", *arguments(edit)], progress) for edit in edits]

    def _run(self, words: list[str], progress: Progress) -> Path:
        """Run the command, pass on what it says, and return its result."""
        command = [str(self.python), "-P", "-m", "pipelines.cli", *words, "--json"]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as talk:
            code, telling = _listen(command, talk, clean_environment(self.python), progress)
            talk.seek(0)
            if code or telling.result is None:
                raise self._failure(code, telling.error, talk.read())
        return telling.result

    def _failure(self, code: int, said: str | None, talk: str) -> AlayaError:
        kinds: dict[int, type[AlayaError]] = {2: RequestError, 75: FolderBusyError}
        lines = [line for line in talk.splitlines() if line.strip()]
        text = said or (
            lines[-1].removeprefix("alaya: ") if lines else f"it ended with code {code} and no word"
        )
        kind = kinds.get(code, AlayaError)
        return kind(f"{self.stage} in {self.python}: {text}")


def _listen(
    command: list[str], talk: TextIO, variables: dict[str, str], progress: Progress
) -> tuple[int, _Telling]:
    """Run a command to its end, or end it if we are stopped; its exit code, and what it told."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": talk, "text": True, "encoding": "utf-8"}
    with subprocess.Popen(command, env=variables, **pipes) as process, _Telling(progress) as telling:
        try:
            for event in _events(process):
                telling.take(event)
        except BaseException:
            process.terminate()
            raise
    return process.returncode, telling


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The JSON objects a process writes, one a line; other lines are no events."""
    for line in process.stdout or ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield event


class _Telling(ExitStack):
    """Passes events of another process on to a `Progress`."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._stage: Stage | None = None
        self.result: Path | None = None
        self.error: str | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Pass one event on."""
        kind = event.pop("event")
        if kind == "plan":
            self._progress.plan(_ToldPlan(event))
        elif kind in ("note", "warning"):
            (self._progress.note if kind == "note" else self._progress.warn)(str(event.get("text")))
        elif kind == "result":
            self.result = Path(event["path"])
        elif kind == "error":
            self.error = str(event.get("text"))
        elif kind == "progress":
            self._advance(event)
        elif kind == "stage":
            self.close()
            self._stage = None

    def _advance(self, event: dict[str, Any]) -> None:
        if self._stage is None:
            name, frames = str(event["stage"]), int(event["of"])
            self._stage = self.enter_context(self._progress.stage(name, float(frames), frames))
        fresh = int(event["frames"]) - self._stage.done_frames
        self._stage.advance(float(fresh), fresh)


class _ToldPlan:
    """A plan that another process made."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def lines(self) -> list[str]:
        """As `Plan.lines`."""
        if "lines" in self._values:
            return [str(line) for line in self._values["lines"]]
        known = {each.name for each in fields(Plan)}
        return Plan(**{name: value for name, value in self._values.items() if name in known}).lines()

    def as_dict(self) -> dict[str, Any]:
        """As `Plan.as_dict`."""
        return self._values


def arguments(settings: CommonSettings) -> list[str]:
    """Settings as the words of a command line."""
    words: list[str] = []
    for each in fields(settings):
        value = getattr(settings, each.name)
        flag = f"--{FLAGS.get(each.name, each.name.replace('_', '-'))}"
        if value is None or (each.name in SWITCHES and not value):
            continue
        if each.name in SWITCHES:
            words.append(flag)
        elif each.name == "frames":
            words += [flag, f"{value[0]}:{'' if value[1] is None else value[1]}"]
        elif each.name == "guidance_interval":
            words += [flag, f"{value[0]}:{value[1]}"]
        elif each.name == "lora":
            words += [word for path, scale in value for word in (flag, f"{path}:{scale}")]
        else:
            words += [flag, ",".join(value) if isinstance(value, tuple) else str(value)]
    return words


def find_environment(name: str, stage: str) -> Environment:
    """An environment that has the same alaya as this one.

    Args:
        name: of a conda environment, or the path of a venv or conda folder, or of a Python.
        stage: that it is for: "inverse" or "editing".

    Raises:
        RequestError: there is no such environment, or alaya is not in it, or is another version.
    """
    python = find_python(name, stage)
    answer = _ask(python, name, stage)
    flag, there = f"--{stage}-env {name}", f"{python} (Python {answer['python']})"
    if answer["root"] is None:
        raise RequestError(
            f"{flag}: alaya is not installed for {there}; run {python} -m pip install -e '.[{stage}]' in the"
            " repository"
        )
    theirs, ours = version_of(Path(answer["root"]), answer["version"]), own_version()
    if theirs != ours:
        raise RequestError(
            f"{flag}: alaya is {theirs} for {there} and {ours} here; install the same version in both"
        )
    return Environment(stage, python)


def _ask(python: Path, name: str, stage: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [str(python), "-P", "-c", PROBE],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            env=clean_environment(python),
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise RequestError(f"--{stage}-env {name}: {python} does not run as a Python ({error})") from error
    if not isinstance(answer, dict):
        reason = (done.stderr.strip().splitlines() or ["no word"])[-1]
        raise RequestError(
            f"--{stage}-env {name}: {python} cannot be used ({reason}); alaya needs Python 3.11"
        )
    return answer


def find_python(name: str, stage: str) -> Path:
    """The interpreter of an environment, by its name, folder or path; raises RequestError."""
    given = Path(name).expanduser()
    if given.is_file():
        return given.absolute()
    homes = [given] if given.is_dir() else [folder / name for folder in conda_folders()]
    for home in homes:
        for place in (home / "bin" / "python", home / "Scripts" / "python.exe", home / "python.exe"):
            if place.is_file():
                return place.absolute()
    looked = ", ".join(str(home) for home in homes) or "no conda folders"
    raise RequestError(
        f"--{stage}-env {name}: no such environment; looked in {looked}; give a conda environment's name, a venv's"
        " folder or a Python"
    )


def conda_folders() -> list[Path]:
    """Where conda and its kin keep environments."""
    folders = [Path(text) for text in os.environ.get("CONDA_ENVS_PATH", "").split(os.pathsep) if text]
    program, prefix = os.environ.get("CONDA_EXE"), os.environ.get("MAMBA_ROOT_PREFIX")
    roots = [Path(program).parent.parent] if program else []
    roots += [Path(prefix)] if prefix else []
    roots += [
        Path.home() / name for name in ("miniforge3", "mambaforge", "miniconda3", "anaconda3", ".conda")
    ]
    return folders + [root / "envs" for root in roots if (root / "envs").is_dir()]


def clean_environment(python: Path) -> dict[str, str]:
    """Our variables without what would lead another Python to our packages, and its programs found first."""
    drop = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in os.environ.items() if name not in drop}
    return kept | {"PATH": f"{python.parent}{os.pathsep}{kept.get('PATH', '')}"}


def own_version() -> str:
    """The version of the alaya that runs here."""
    from importlib import metadata

    import alaya

    try:
        installed = metadata.version("alaya-renderer")
    except metadata.PackageNotFoundError:
        installed = None
    return version_of(Path(alaya.__file__ or sys.argv[0]).resolve().parent.parent, installed)


def version_of(root: Path, installed: str | None) -> str:
    """The version of the packages in a folder: the repository's if it is one, else what was installed."""
    import tomllib

    try:
        return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    except (OSError, KeyError, ValueError):
        return installed or "of no known version"
