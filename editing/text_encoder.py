"""The small text encoder of the embedded editing model: free words become a mixture of looks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from editing.words import EMPTY, TABLE_SIZE, features_by_word

DROPPED_ROWS = 0.4
"""Share of a word's rows left out in training, so that no single letter group decides alone."""


def _some(rows: list[int], rng: np.random.Generator) -> list[int]:
    """Keep a random part of a word's rows, at least one."""
    kept = [row for row, draw in zip(rows, rng.random(len(rows)), strict=True) if draw >= DROPPED_ROWS]
    return kept or rows[:1]


class TextEncoder(nn.Module):
    """Weighs the words of a text, and says which look they ask for.

    Every word is the mean of its hashed rows; an attention score per word lets it pass over what the scene is
    made of ("a kart past adobe walls") and listen to light and weather. The look probabilities mix the rows of
    a learned table, and that mixture is all the network sees: what is named right is drawn right.
    """

    def __init__(self, looks: Sequence[str], width: int = 64) -> None:
        super().__init__()
        self.looks = tuple(looks)
        self.rows = nn.EmbeddingBag(TABLE_SIZE, width, mode="mean")
        nn.init.normal_(self.rows.weight, 0, 0.3)
        self.score = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        self.judge = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, len(looks))
        )
        self.table = nn.Parameter(torch.randn(len(looks), width))

    def logits(self, texts: Sequence[str], drop: np.random.Generator | None = None) -> Tensor:
        """(B, looks), before the softmax; `drop` leaves rows out by chance, in training."""
        words = [features_by_word(text) or [[EMPTY]] for text in texts]
        if drop is not None:
            words = [[_some(rows, drop) for rows in text] for text in words]
        flat = [rows for text in words for rows in text]
        device = self.table.device
        starts = torch.tensor([0, *map(len, flat)], device=device).cumsum(0)[:-1]
        vectors = self.rows(torch.tensor([row for rows in flat for row in rows], device=device), starts)
        scores = self.score(vectors)[:, 0]
        pooled, begin = [], 0
        for text in words:
            end = begin + len(text)
            pooled.append(scores[begin:end].softmax(0) @ vectors[begin:end])
            begin = end
        return self.judge(torch.stack(pooled))

    def mixture(self, probabilities: Tensor) -> Tensor:
        """(B, looks) probabilities -> (B, width), what the network is conditioned on."""
        return probabilities @ self.table

    def forward(self, texts: Sequence[str], drop: np.random.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Texts -> (embedding (B, width), logits (B, looks))."""
        logits = self.logits(texts, drop)
        return self.mixture(F.softmax(logits, -1)), logits
