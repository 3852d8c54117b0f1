"""A tiny published editing model with random weights, as a diffusers folder with a text encoder and a tokenizer."""

import torch
from diffusers import AutoencoderKLWan
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from editing.wan import WanEditingTransformer

WORDS = ["snow", "night", "a", "city", "in", "the", "rain"]


def tiny_transformer():
    torch.manual_seed(1)
    net = WanEditingTransformer(
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=96,
        text_dim=16,
        freq_dim=32,
        ffn_dim=40,
        num_layers=3,
        cross_attn_norm=True,
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return net.eval().requires_grad_(False)


def tiny_vae():
    torch.manual_seed(2)
    return AutoencoderKLWan(base_dim=4).eval().requires_grad_(False)


def save_tiny_text(folder):
    torch.manual_seed(3)
    config = UMT5Config(vocab_size=32, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4)
    UMT5EncoderModel(config).save_pretrained(folder / "text_encoder")
    vocabulary = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    wrapped.save_pretrained(folder / "tokenizer")


def save_tiny(folder):
    tiny_transformer().save_pretrained(folder / "transformer")
    tiny_vae().save_pretrained(folder / "vae")
    save_tiny_text(folder)
    return folder
