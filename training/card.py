"""The card of a checkpoint in words: its README, written from card.json and the result files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

TITLE = {
    "inverse": "RGB to G-buffers (albedo, normal, depth, roughness, metallic)",
    "editing": "G-buffers and words to RGB",
}


def read_me(card: dict[str, Any]) -> str:
    """Markdown that a person reads beside the weights."""
    widths = card["network"].get("widths")
    lines = [
        f"# {card['name']}: {TITLE.get(card['stage'], card['stage'])}",
        "",
        f"Licence: {card['licence']}. Weights: {_weights(card)}; `card.json` holds their sha256 and every setting.",
        "",
        f"Network: 2.5-D U-Net with widths {tuple(widths)}, an x-prediction flow sampled in {card['num_steps']} step."
        if widths
        else "",
        f"Data: {card['data']}.",
        "",
        "## How it was trained",
        "",
        "| leg | command | steps | clips | minutes | device |",
        "|---|---|---|---|---|---|",
    ]
    for number, leg in enumerate(card["legs"], 1):
        lines.append(
            f"| {number} | `{leg['command']}` | {leg['steps']} | {leg['clips']} | {leg['seconds'] / 60:.0f} |"
            f" {leg['device']} |"
        )
    lines += ["", *_accuracy(card.get("metrics", {})), ""]
    return "\n".join(lines)


def with_metrics(card: dict[str, Any], results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The card with the measured figures of its very weights; results of other weights are left out.

    Args:
        card: a checkpoint's card.
        results: evaluation results (`alaya eval`), each of one set.
    """
    metrics = {
        result["set"]: {"clips": result["clips"]}
        | {name: entry["mean"] for name, entry in result["metrics"].items()}
        for result in results
        if result["sha256"] == card["sha256"]
    }
    return {key: value for key, value in card.items() if key != "metrics"} | {"metrics": metrics}


def _accuracy(metrics: dict[str, dict[str, Any]]) -> list[str]:
    """The measured figures as a table of the sets, or that there are none."""
    if not metrics:
        return ["Accuracy: not yet measured; `alaya eval` does it."]
    names = list(dict.fromkeys(name for figures in metrics.values() for name in figures))
    lines = ["## How good it is", "", "Means over the clips of each set, by `alaya eval`:", ""]
    lines += [f"| | {' | '.join(metrics)} |", "|---|" + "---:|" * len(metrics)]
    for name in names:
        cells = [
            f"{figures[name]:.4g}" if figures.get(name) is not None else "-" for figures in metrics.values()
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _weights(card: dict[str, Any]) -> str:
    """What kind of files they are, for the embedded networks and for tuned published ones."""
    rank = card["network"].get("rank")
    return f"a LoRA of rank {rank}, in diffusers' format" if rank else "bf16 safetensors"
