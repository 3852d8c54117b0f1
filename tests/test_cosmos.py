"""The published inverse renderer's network against its reference's numbers, and its savings against itself."""

import json

import pytest
import torch
from cosmos_samples import GOLDEN, KEYS, published_copy
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers")

from accelerate import init_empty_weights

from alaya.errors import RequestError, WeightsError, WeightsNotFoundError
from alaya.golden import compare
from alaya.weights import compare_keys
from inverse import cosmos_keys
from inverse.cosmos import FIXED_CONFIG, CosmosInverseTransformer
from inverse.cosmos_places import RoundedRotary
from inverse.cosmos_sampler import make_scheduler, sample
from inverse.cosmos_verify import verify_golden

TINY = {
    "in_channels": 8,
    "out_channels": 4,
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "num_layers": 3,
    "text_embed_dim": 10,
    "adaln_lora_dim": 6,
}


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return CosmosInverseTransformer(**TINY, **FIXED_CONFIG).eval()


def test_reference_numbers_are_reproduced():
    results = verify_golden(GOLDEN)
    meta = json.loads((GOLDEN / "meta.json").read_text())
    names = {result.name for result in results}
    assert names >= {f"net{i}" for i in range(len(meta["net"]))}
    assert names >= {f"sampler{i}" for i in range(len(meta["sampler"]))}
    assert names >= {f"vae{i}.{kind}" for i in range(len(meta["vae"])) for kind in ("latent", "decoded")}
    assert [result.line() for result in results if not result.good] == []


def test_a_changed_number_is_seen_and_missing_parts_are_said(tmp_path):
    folder = published_copy(tmp_path / "g")
    with pytest.raises(WeightsError, match=r"io\.safetensors"):
        verify_golden(folder)
    numbers = load_file(GOLDEN / "io.safetensors")
    numbers["net0.out"] = numbers["net0.out"] * (1 + 3e-6)
    save_file(numbers, folder / "io.safetensors")
    meta = {"net": [[1, 3, 6, 10]], "sampler": [], "vae": []}
    (folder / "meta.json").write_text(json.dumps(meta))
    (result,) = verify_golden(folder)
    assert not result.good
    assert result.error == pytest.approx(3e-6, rel=0.2)
    (folder / "meta.json").write_text(json.dumps({**meta, "net": [1, 2, 3, 4]}))
    with pytest.raises(WeightsError, match="do not agree"):
        verify_golden(folder)
    (folder / "model.pt").unlink()
    with pytest.raises(WeightsNotFoundError, match="does not hold"):
        verify_golden(folder)


def test_every_key_and_shape_of_the_full_size_network_fits():
    header = {name: ("F32", tuple(shape)) for name, shape in json.loads(KEYS.read_text()).items()}
    names = cosmos_keys.network_names(header)
    shapes = {name: header[old][1] for name, old in names.items()}
    config = cosmos_keys.network_config(shapes)
    assert config == {
        "in_channels": 32,
        "out_channels": 16,
        "num_attention_heads": 32,
        "attention_head_dim": 128,
        "num_layers": 28,
        "mlp_ratio": 4.0,
        "text_embed_dim": 1024,
        "adaln_lora_dim": 256,
    }
    with init_empty_weights():
        net = CosmosInverseTransformer(**config, **FIXED_CONFIG)
    report = compare_keys({name: ("F32", shape) for name, shape in shapes.items()}, net)
    assert report.missing == report.unexpected == []
    assert report.misshapen == [
        "patch_embed.proj.weight (4096, 132) for (4096, 128)"
    ]  # the zero mask's column
    assert sum(value.numel() for value in net.parameters()) == 7_234_963_456 - 4096 * 4
    assert len(names) == len(header) - 1
    assert not hasattr(net.blocks[0].attn1.norm_q, "bias") or net.blocks[0].attn1.norm_q.bias is None


def test_what_is_worked_out_before_equals_the_whole_forward(net):
    torch.manual_seed(1)
    noisy, clip = torch.randn(3, 4, 2, 6, 4), torch.randn(1, 4, 2, 6, 4)
    passes, time = torch.tensor([0, 3, 15]), torch.tensor([0.3])
    with torch.inference_mode():
        inputs = torch.cat([noisy, clip.expand(3, -1, -1, -1, -1)], 1)
        whole = net(inputs, time, passes).sample
        ready = net.predict(noisy, net.read_step(time), net.read_clip(clip), net.read_passes(passes))
        context = net.context_embedding(passes)[:, None].expand(-1, 512, -1)
        normal_attention = super(CosmosInverseTransformer, net).forward(inputs, time, context).sample
    assert compare("ready", ready, whole, 1e-6).good
    assert compare("512 equal tokens", normal_attention, whole, 1e-6).good


def test_passes_together_equal_passes_alone(net, monkeypatch):
    torch.manual_seed(2)
    clip, noise = torch.randn(1, 4, 2, 4, 6), torch.randn(3, 4, 2, 4, 6)
    together = sample(net, clip, noise, [0, 2, 4], 3)
    monkeypatch.setattr("inverse.cosmos_sampler.MAX_TOKENS", 5)
    alone = sample(net, clip, noise, [0, 2, 4], 3)
    assert compare("alone", alone, together, 1e-6).good
    swapped = sample(net, clip, noise[[1, 0, 2]], [2, 0, 4], 3)
    assert compare("swapped", swapped[[1, 0, 2]], together, 1e-6).good
    assert not torch.allclose(together, sample(net, clip, noise, [0, 2, 5], 3))
    with pytest.raises(RequestError, match="at least 1"):
        sample(net, clip, noise, [0, 2, 4], 0)


def test_noise_levels_are_the_references():
    scheduler = make_scheduler()
    scheduler.set_timesteps(15)
    expected = [80, 56.037, 38.511, 25.909, 17.021, 10.886, 6.7535, 4.0457, 2.3273, 1.2768]
    expected += [0.66208, 0.32073, 0.14288, 0.05727, 0.02, 0]
    torch.testing.assert_close(scheduler.sigmas, torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert scheduler.init_noise_sigma == pytest.approx(80.00625, abs=1e-5)


def test_folding_changes_nothing_and_lets_weights_go(net, tmp_path):
    net.save_pretrained(tmp_path)
    folded = CosmosInverseTransformer.from_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert {name: written[name] for name in TINY} == TINY
    assert [written[name] for name in FIXED_CONFIG] == json.loads(json.dumps(list(FIXED_CONFIG.values())))
    rows = torch.arange(16)
    with torch.inference_mode():
        expected = net.read_passes(rows)
        before = sum(value.numel() for value in folded.parameters())
        folded.fold_contexts()
        assert torch.equal(folded.read_passes(rows), expected)
    width, context = 24, 10
    assert before - sum(v.numel() for v in folded.parameters()) == 3 * (
        2 * width**2 + 2 * width * context + 2 * 12
    )


def test_rounded_angles_err_as_the_references_do(net):
    rotary = RoundedRotary(128)
    errors = []
    for length, width in ((8, 44), (44, 42), (80, 42)):
        rates = 10000.0 ** -(torch.arange(0, width, 2).double() / width)
        exact = torch.outer(torch.arange(length).double(), rates)
        angles = rotary._angles(length, width)
        assert angles.dtype == torch.bfloat16
        errors.append((angles.double() - exact).abs())
    assert max(float(error.max()) for error in errors) == pytest.approx(0.148, abs=0.001)
    mean = sum(float(error.mean()) * error.shape[1] for error in errors) / 64
    assert mean == pytest.approx(0.0046, abs=0.0002)
    latents = torch.zeros(1, 4, 2, 4, 6)
    rounded = RoundedRotary(12)(latents)
    for ours, theirs in zip(rounded, net.rope(latents), strict=True):
        assert ours.shape == theirs.shape
        assert 0 < float((ours - theirs).abs().max()) < 0.02
