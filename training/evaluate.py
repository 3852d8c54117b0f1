"""The door of evaluation: a stage and a set of clips become one JSON file of figures."""

from __future__ import annotations

from pathlib import Path

from alaya.errors import RequestError, WeightsNotFoundError
from training.foreign import read_eval_clips
from training.results import SCHEMA, Report, Result, describe_machine, silent, write_result
from worlds.dataset import INFO_NAME

STAGES = ("inverse", "editing")
HELDOUT = Path("data/heldout")
RESULTS = Path("benchmarks/results")


def evaluate(
    stage: str,
    set_dir: Path | None = None,
    model: str = "small",
    out: Path | None = None,
    report: Report | None = None,
    *,
    device: str = "cpu",
) -> Result:
    """Measure a stage's model and write what was found.

    Args:
        stage: "inverse" or "editing".
        set_dir: a worlds dataset, or for "inverse" a folder of another renderer's .npz clips; `data/heldout`
            when None.
        model: a name, or the path of weights.
        out: the folder of results, or the .json file itself; `benchmarks/results` when None.
        report: called with a line now and then.
        device: "cpu" or "cuda".

    Returns:
        The result as written, and under "path" where it lies.
    """
    set_dir, say = set_dir or HELDOUT, report or silent
    _check(stage, set_dir)
    measure = _inverse if stage == "inverse" else _editing
    result = {
        "schema": SCHEMA,
        "stage": stage,
        **measure(set_dir, model, device, say),
        "machine": describe_machine(device),
    }
    path = _result_path(stage, set_dir, out or RESULTS)
    return write_result(path, result) | {"path": str(path)}


def _check(stage: str, set_dir: Path) -> None:
    """Refuse what cannot be measured before any weight is loaded."""
    if stage not in STAGES:
        raise RequestError(f"unknown stage {stage!r}; there are {', '.join(STAGES)}")
    if not set_dir.is_dir():
        raise RequestError(
            f"set {set_dir} is not a folder; give clips with truth, such as `alaya worlds make` writes"
        )
    own = (set_dir / INFO_NAME).is_file()
    if stage == "editing" and not own:
        raise RequestError(
            f"{set_dir} has no {INFO_NAME}; editing is measured against rendered looks,"
            " which only worlds datasets hold"
        )
    if next(iter(read_eval_clips(set_dir)), None) is None:
        raise RequestError(f"{set_dir} holds no finished clip; finish it with `alaya worlds make`")


def _result_path(stage: str, set_dir: Path, out: Path) -> Path:
    if out.suffix == ".json":
        return out
    kind = "own" if (set_dir / INFO_NAME).is_file() else "foreign"
    return out / f"{stage}-{kind}.json"


def _inverse(set_dir: Path, name: str, device: str, report: Report) -> Result:
    from inverse.models import load_inverse
    from training.evaluate_inverse import measure_inverse

    model = load_inverse(name, device)
    facts = {"model": model.info.name, "sha256": model.info.sha256}
    return facts | measure_inverse(model, set_dir, report)


def _editing(set_dir: Path, name: str, device: str, report: Report) -> Result:
    from editing.models import load_editor
    from inverse.models import load_inverse
    from training.evaluate_editing import measure_editing

    model = load_editor(name, device)
    try:
        inverse = load_inverse("small", device)
    except WeightsNotFoundError as error:
        report(f"without figures from predicted G-buffers: {error}")
        inverse = None
    facts = {"model": model.info.name, "sha256": model.info.sha256}
    return facts | measure_editing(model, inverse, set_dir, report)
