"""Writes the measured figures of the embedded weights into their cards, from the result files; never typed by hand."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from alaya.files import atomic_write
from alaya.weights import CARD_NAME, read_card
from training.card import read_me, with_metrics

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CARDS = {
    ROOT / "checkpoints" / "small" / "inverse": ("inverse-own", "inverse-wide", "inverse-foreign"),
    ROOT / "checkpoints" / "small" / "editing": ("editing-own",),
}


def fresh(folder: Path, names: tuple[str, ...]) -> dict[Path, str]:
    """The files of a checkpoint that tell its figures, as they should read."""
    found: list[dict[str, Any]] = [json.loads((RESULTS / f"{name}.json").read_text()) for name in names]
    card = with_metrics(read_card(folder), found)
    return {
        folder / CARD_NAME: json.dumps(card, indent=2) + "\n",
        folder / "README.md": read_me(card),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where a card is out of date"
    )
    request = parser.parse_args()
    stale = [
        (path, text)
        for folder, names in CARDS.items()
        for path, text in fresh(folder, names).items()
        if path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if request.check:
            print(f"{path} is out of date; run scripts/card_metrics.py", file=sys.stderr)
        else:
            atomic_write(path, text)
            print(path)
    return int(request.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
