"""The card of a checkpoint in words: its README, written from card.json and the result files."""

from __future__ import annotations

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
    lines += ["", "Accuracy: the tables in the project's README, from `benchmarks/results/`.", ""]
    return "\n".join(lines)


def _weights(card: dict[str, Any]) -> str:
    """What kind of files they are, for the embedded networks and for tuned published ones."""
    rank = card["network"].get("rank")
    return f"a LoRA of rank {rank}, in diffusers' format" if rank else "bf16 safetensors"
