"""What a prediction is charged for: per channel for G-buffers, picture and edges for video, motion for both."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from alaya.netcode import ALBEDO, DEPTH, METALLIC, NORMAL, ROUGHNESS, SKY

INVERSE_WEIGHTS = {
    "albedo": 2.0,
    "albedo_decibels": 0.08,
    "normal": 1.5,
    "depth": 2.0,
    "roughness": 0.6,
    "metallic": 0.8,
    "sky": 0.5,
    "sky_share": 0.2,
    "edges": 0.5,
    "still": 0.5,
}
WORD_SMOOTHING = 0.05  # keeps the look probabilities honest, so that a doubtful text can be warned of
EDITING_WEIGHTS = {"picture": 0.5, "square": 1.0, "decibels": 0.03, "edges": 0.5, "still": 0.5, "words": 0.1}
SPECK = 5.0  # pixels of sky that are hardly a fault
METAL_WEIGHT = 2.0  # metal is rare: a metallic pixel counts this often


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over channels and the pixels of a mask. ``values``: (B,T,C,H,W); ``mask``: (B,T,1,H,W) float."""
    return (values * mask).sum() / (mask.sum() * values.shape[2] + 1)


def near_and_square(error: Tensor, mask: Tensor) -> Tensor:
    """Half the distance and its square: where light leaves a value open, its mean scores better than its median."""
    return 0.5 * masked_mean(error.abs(), mask) + 1.5 * masked_mean(error.square(), mask)


def edge_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """How far the predicted edges are off, over pixel pairs that both lie in the mask."""
    total = predicted.new_zeros(())
    for axis in (-1, -2):
        pairs = mask.narrow(axis, 1, mask.shape[axis] - 1) * mask.narrow(axis, 0, mask.shape[axis] - 1)
        total = total + masked_mean((predicted - target).diff(dim=axis).abs(), pairs)
    return total


def still_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """How far the change from frame to frame is off: flicker is charged, real motion is not."""
    if predicted.shape[1] == 1:
        return predicted.new_zeros(())
    return masked_mean((predicted - target).diff(dim=1).abs(), mask[:, 1:] * mask[:, :-1])


def sky_share(logits: Tensor, sky: Tensor) -> Tensor:
    """One minus intersection over union, softly, the mean over clips: a window's sky counts like a desert's.

    A few pixels of sky in a room without any are charged as a whole fault. Both (B, T, 1, H, W).
    """
    found, axes = logits.sigmoid(), (1, 2, 3, 4)
    both = (found * sky).sum(axes)
    either = found.sum(axes) + sky.sum(axes) - both
    return (1 - (both + SPECK) / (either + SPECK)).mean()


def albedo_decibels(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Minus the PSNR of albedo, the mean over clips: half of it as coded, half in light after the best gain.

    ``predicted``, ``target``: (B, T, 3, H, W) sRGB in [-1, 1]; ``mask``: (B, T, 1, H, W). No clip counts as better
    than 30 dB.
    """
    axes = (1, 2, 3, 4)
    coded, truth = (predicted + 1) / 2, (target + 1) / 2
    # a power is near enough to sRGB's curve
    light, true_light = (values.clamp(1e-3, 1) ** 2.2 * mask for values in (coded, truth))
    gain = (light * true_light).sum(axes, keepdim=True) / (light.square().sum(axes, keepdim=True) + 1)
    count = 3 * mask.sum(axes) + 1
    errors = [
        (error * mask).square().sum(axes) / count for error in (coded - truth, gain * light - true_light)
    ]
    return 5 * torch.log10(torch.stack(errors) + 1e-3).sum(0).mean() + 30


def depth_loss(predicted: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Log depth up to one scale a clip, plus a little of the scale itself."""
    error = (predicted - target) * mask
    axes = (1, 2, 3, 4)
    shift = error.sum(axes, keepdim=True) / (mask.sum(axes, keepdim=True) + 1)
    return masked_mean((error - shift).abs(), mask) + 0.2 * masked_mean(error.abs(), mask)


def inverse_loss(raw: Tensor, target: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Charge a joint prediction of the planes.

    Args:
        raw: (B, T, 10, H, W), metallic and sky as logits.
        target: (B, T, 10, H, W) planes in [-1, 1].

    Returns:
        The loss and its unweighted parts.
    """
    sky = (target[:, :, SKY] > 0).float()
    mask = 1 - sky
    normal, true_normal = raw[:, :, NORMAL], target[:, :, NORMAL]
    angle = 1 - F.cosine_similarity(normal, true_normal, dim=2).unsqueeze(2)
    metal = (target[:, :, METALLIC] + 1) / 2
    metal_cost = F.binary_cross_entropy_with_logits(raw[:, :, METALLIC], metal, reduction="none")
    smooth = slice(0, 8)  # albedo, normal, depth, roughness: what has edges to keep and can flicker
    parts = {
        "albedo": near_and_square(raw[:, :, ALBEDO] - target[:, :, ALBEDO], mask),
        "albedo_decibels": albedo_decibels(raw[:, :, ALBEDO], target[:, :, ALBEDO], mask),
        "normal": masked_mean((normal - true_normal).abs(), mask) + 0.5 * masked_mean(angle, mask),
        "depth": depth_loss(raw[:, :, DEPTH], target[:, :, DEPTH], mask),
        "roughness": near_and_square(raw[:, :, ROUGHNESS] - target[:, :, ROUGHNESS], mask),
        "metallic": masked_mean(metal_cost * (1 + (METAL_WEIGHT - 1) * metal), mask),
        "sky": F.binary_cross_entropy_with_logits(raw[:, :, SKY], sky),
        "sky_share": sky_share(raw[:, :, SKY], sky),
        "edges": edge_loss(raw[:, :, smooth], target[:, :, smooth], mask),
        "still": still_loss(raw[:, :, smooth], target[:, :, smooth], mask),
    }
    return weigh(parts, INVERSE_WEIGHTS)


def decibels(predicted: Tensor, target: Tensor) -> Tensor:
    """Minus the PSNR of pictures in [-1, 1], the mean over clips: a fault in fog counts like a larger one in the sun.

    ``predicted``, ``target``: (B, T, 3, H, W). No clip counts as better than 50 dB.
    """
    errors = ((predicted - target) / 2).square().mean((1, 2, 3, 4))
    return (10 * torch.log10(errors + 1e-5)).mean()


def editing_loss(
    predicted: Tensor, target: Tensor, logits: Tensor, looks: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Charge a drawn clip and the reading of its words.

    Args:
        predicted: (B, T, 3, H, W).
        target: the picture, in [-1, 1].
        logits: (texts, looks) of the text encoder.
        looks: (texts,) the look each text asks for.

    Returns:
        The loss and its unweighted parts.
    """
    everywhere = torch.ones_like(target[:, :, :1])
    parts = {
        "picture": (predicted - target).abs().mean(),
        "square": (predicted - target).square().mean(),
        "decibels": decibels(predicted, target),
        "edges": edge_loss(predicted, target, everywhere),
        "still": still_loss(predicted, target, everywhere),
        "words": F.cross_entropy(logits, looks, label_smoothing=WORD_SMOOTHING),
    }
    return weigh(parts, EDITING_WEIGHTS)


def weigh(parts: dict[str, Tensor], weights: dict[str, float]) -> tuple[Tensor, dict[str, float]]:
    """Sum parts with their weights; also give them as numbers for the log."""
    total = torch.stack([weights[name] * value for name, value in parts.items()]).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}
