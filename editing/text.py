"""Prompts to embeddings with UMT5; every text read is kept on disk, so that the large encoder is needed once."""

from __future__ import annotations

import contextlib
import hashlib
import html
import re
import unicodedata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.files import atomic_path
from alaya.offload import stream_layers
from editing.wan_files import WanFiles
from editing.wan_load import load_text_encoder

MAX_TOKENS = 512
NEGATIVE = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，"
    "丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，"
    "静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""What the published model is told to keep away from when nothing else is said: the reference's own words."""
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‛": "'", "“": '"', "”": '"', "‟": '"'})


def full_negative(negative: str) -> str:
    """What the model is told to keep away from: always the reference's words, and then these."""
    return f"{NEGATIVE}，{negative}" if negative.strip() else NEGATIVE


def clean_text(text: str) -> str:
    """A prompt as the tokenizer is given it.

    The reference repairs text with the package ftfy, unescapes HTML twice and joins white space. ftfy is used
    where it is installed; without it, what it does to sound text is done here: full-width letters and
    punctuation become plain, curly quotes straight, ligatures letters.
    """
    try:
        import ftfy  # type: ignore[import-not-found]
    except ImportError:
        text = "".join(_plain(character) for character in text).translate(_QUOTES)
        text = unicodedata.normalize("NFC", text)
    else:
        text = ftfy.fix_text(text)
    return re.sub(r"\s+", " ", html.unescape(html.unescape(text))).strip()


def _plain(character: str) -> str:
    wide = "\uff01" <= character <= "\uffef" or character == "\u3000"
    ligature = "\ufb00" <= character <= "\ufb06"
    return unicodedata.normalize("NFKC", character) if wide or ligature else character


@torch.no_grad()
def encode_tokens(encoder: Any, tokens: Tensor, device: str | torch.device = "cpu") -> Tensor:
    """The encoder's rows (1, n, width) float32 for n real tokens (n,), worked out on a device.

    Padding to 512 and masking it would give the same rows at four times the work: zeros follow later
    (`editing.wan.pad_text`).
    """
    return encoder(input_ids=tokens[None].to(device)).last_hidden_state.float()


class TextReader:
    """Texts to rows: from memory, from the folder of texts read before, or by the encoder."""

    def __init__(self, files: WanFiles, dtype: torch.dtype, device: str, offload: str = "none") -> None:
        """`offload` "group" brings the encoder to the device layer by layer (`alaya.offload`)."""
        self.files, self.dtype, self.device, self.offload = files, dtype, device, offload
        self._known: dict[str, Tensor] = {}
        self._encoder: Any = None
        self._tokenizer: Any = None

    def __call__(self, text: str) -> Tensor:
        """(1, n, width) float32 on the CPU, n <= 512.

        Raises:
            WeightsNotFoundError: a new text, and the encoder or the tokenizer is not here.
        """
        text = clean_text(text)
        if text not in self._known:
            path = self.path_of(text)
            rows = _read_rows(path) if path.is_file() else None
            self._known[text] = self._encode(text, path) if rows is None else rows
        return self._known[text]

    def knows(self, text: str) -> bool:
        """Whether a text can be given without the encoder."""
        text = clean_text(text)
        return text in self._known or self.path_of(text).is_file()

    def path_of(self, text: str) -> Path:
        """Where the rows of a cleaned text are kept."""
        name = hashlib.sha256(text.encode()).hexdigest()[:32]
        precision = str(self.dtype).removeprefix("torch.")
        return self.files.words / f"{name}.{precision}.safetensors"

    def close(self) -> None:
        """Let the encoder go: it is five times as large as the rest."""
        self._encoder = None

    def _encode(self, text: str, path: Path) -> Tensor:
        rows = encode_tokens(self._loaded(), self._tokens(text), self.device).cpu()
        with contextlib.suppress(
            OSError
        ):  # a folder that cannot be written to costs time later, nothing else
            _write_rows(path, rows.to(self.dtype), text)
        return rows

    def _tokens(self, text: str) -> Tensor:
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._require(self.files.tokenizer, "the tokenizer google/umt5-xxl")
            self._tokenizer = AutoTokenizer.from_pretrained(self.files.tokenizer, local_files_only=True)
        ids = self._tokenizer(text, truncation=True, max_length=MAX_TOKENS, add_special_tokens=True)
        return torch.tensor(ids["input_ids"])

    def _loaded(self) -> Any:
        if self._encoder is None:
            path = self._require(self.files.text, "the text encoder models_t5_umt5-xxl-enc-bf16.pth")
            self._require(self.files.tokenizer, "the tokenizer google/umt5-xxl")
            streamed = self.offload == "group"
            self._encoder = load_text_encoder(path, self.dtype, "cpu" if streamed else self.device)
            if streamed:
                stream_layers(self._encoder, self._encoder.encoder.block, torch.device(self.device))
        return self._encoder

    def _require(self, path: Path | None, what: str) -> Path:
        if path is None:
            known = len(list(self.files.words.glob("*.safetensors")))
            raise WeightsNotFoundError(
                f"a new text needs {what}, which is not in {self.files.folder}; put it there, or use one of the"
                f" {known} texts that were read before ({self.files.words})"
            )
        return path


def _read_rows(path: Path) -> Tensor:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        rows = load_file(path)["rows"].float()
    except (SafetensorError, OSError, KeyError) as error:
        raise WeightsError(f"{path}: not a text read before ({error}); delete it") from error
    if rows.ndim != 3 or not 1 <= rows.shape[1] <= MAX_TOKENS or not bool(rows.isfinite().all()):
        raise WeightsError(f"{path}: rows of shape {tuple(rows.shape)} are no text; delete it")
    return rows


def _write_rows(path: Path, rows: Tensor, text: str) -> None:
    from safetensors.torch import save_file

    with atomic_path(path) as temporary:
        save_file({"rows": rows.contiguous()}, temporary, metadata={"text": text})
