"""Hostile checkpoints, documents and names handed to the command itself, twenty of each kind."""

import contextlib
import importlib
import io
import json
import sys
from functools import partial

import hostile_documents
import hostile_jobs
import hostile_names
import hostile_weights
import numpy as np
from hostile import Case
from media import numbered_clip

from alaya.clip_info import ClipInfo, DepthInfo
from alaya.clip_writer import ClipWriter
from alaya.errors import MAX_MESSAGE
from alaya.gbuffer import GBuffer
from pipelines.cli import cli

EACH, DEPTH = 20, DepthInfo("metric_m", 0.1, 100.0)
LIGHT = ("editing.small", "inverse.small", "pipelines.batch", "pipelines.render", "training.recipe")
HEAVY = ("editing.wan_convert", "inverse.cosmos_convert")
TOLD = MAX_MESSAGE + 400  # click's own errors show how the command is used


def warm(full=True):
    """Import what the commands need, so that no case pays for it; `full`: what converting weights needs too."""
    hostile_weights.warm()
    for name in (*LIGHT, *(HEAVY if full else ())):
        importlib.import_module(name)


def clip_folder(folder, format="png"):
    """A good G-buffer clip of two frames."""
    shape = (2, 16, 16)
    up = np.zeros((*shape, 3), np.float32)
    up[..., 2] = 1
    flat = np.full((*shape, 1), 0.5, np.float32)
    with ClipWriter(folder, ClipInfo(2, 16, 16, format=format, depth=DEPTH)) as writer:
        writer.write(GBuffer(albedo=up * 0.5, normal=up, depth=flat + 1, roughness=flat, metallic=flat))
    return folder


def words_for(path, number):
    """The command that reads a hostile file, by what the file is called."""
    folder, home = path.parent, path.parent / "good"
    if path.name == "clip.json":
        words = [["edit", "--gbuffers", folder, "--style", "night"], ["export", folder], ["report", folder]]
        return words[number % 3]
    if path.name == "camera.json":
        return ["export", clip_folder(home), "--space", "world", "--camera", path]
    if path.name == "card.json":
        return ["weights", "check", folder]
    if path.name == "mood.toml":
        return ["styles", "show", path]
    if path.name == "recipe.toml":
        return ["train", path, "--out", folder / "trained"]
    if path.suffix == ".png":
        return ["inverse", "--input", path, "--output", folder / "out"]
    if path.suffix == ".exr":
        path.replace(clip_folder(home, "exr") / "frame.000000.exr")
        return ["export", home, "--format", "png", "--output", folder / "out"]
    if path.name.startswith("jobs"):
        return ["batch", path, "--output", folder / "out", "--workers", "1"]
    clip = numbered_clip(folder / "clip.mp4", 3, 32, 48)
    options = ["inverse", "--input", clip, "--output", folder / "out"]
    return [
        ["weights", "check", path],
        [*options, "--model", path],
        ["weights", "convert", path, folder / "new"],
    ][number % 3]


def words_for_name(name, number):
    """A command that is given a name of nothing."""
    ways = (
        ["inverse", "--input", name],
        ["styles", "show", name],
        ["weights", "check", name],
        ["edit", "--gbuffers", name, "--style", "night"],
        ["verify", name],
        ["batch", name, "--output", "out"],
    )
    return ways[number % len(ways)]


def run(words):
    """The exit code of `alaya WORDS`, run in this process, and all that it said."""
    said = io.StringIO()
    before, sys.argv = sys.argv, ["alaya", *map(str, words)]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            cli.main(sys.argv[1:])
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return code, said.getvalue()


def judge(words):
    """Refused with exit 1 or 2 and in one line of our own."""
    code, said = run(words)
    shown = f"exit {code}: {said[-120:]!r}"
    if code == 0:
        return f"silent: {shown}"
    if code not in (1, 2) or "Traceback" in said or "unexpected" in said or len(said) > TOLD:
        return f"crash: {shown}"
    ours = [line for line in said.splitlines() if line.startswith(("alaya: ", "Error: "))]
    return "right: refused" if len(ours) == 1 else f"crash: {shown}"


def prepared(folder, make, number):
    """Make a case's file and note the command, which may want more beside it."""
    words = words_for(make(folder), number)
    (folder / "words.json").write_text(json.dumps([str(word) for word in words]))
    return folder / "words.json"


def use(path):
    """Run the command that was noted."""
    return judge(json.loads(path.read_text()))


def spread(cases):
    """Twenty cases, evenly over all."""
    return [cases[round(i * (len(cases) - 1) / (EACH - 1))] for i in range(EACH)]


def cases(full=True):
    """Twenty checkpoints, documents, jobs files and names; unless `full` two of three, and no converting."""
    return [case for number, case in enumerate(all_cases()) if full or number % 3 != 2]


def all_cases():
    """The cases of every kind in turn."""
    refused = [case for case in hostile_documents.cases() if case.refuse]
    checkpoints = [case for case in hostile_weights.cases() if case.refuse and "LoRA" not in case.name]
    made = [
        Case(f"alaya, {case.name}", partial(prepared, make=case.make, number=number), use, refuse=None)
        for group in (checkpoints, refused, hostile_jobs.cases())
        for number, case in enumerate(spread(group))
    ]
    lawful = ("--help", "-")  # and no command line can hold a NUL
    given = [name for name in hostile_names.NAMES if "\0" not in name and name not in lawful]
    return made + [
        Case(
            f"alaya, name {name[:30]!r}",
            lambda folder: folder,
            partial(named, name=name, number=number),
            refuse=None,
        )
        for number, name in enumerate(spread(given))
    ]


def named(path, name, number):
    """Hand in a name of nothing."""
    del path
    return judge(words_for_name(name, number))
