"""What a published model takes is known from its headers: held against counted arithmetic, real key lists, refusals."""

import json
from ast import literal_eval
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cosmos_samples import GOLDEN as COSMOS
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("diffusers")
from wan_samples import tiny_transformer, tiny_vae

from alaya.cost import Task, count_values
from alaya.errors import RequestError
from alaya.model_info import Published
from editing import wan_keys, wan_outline, wan_vae
from inverse import cosmos_keys, cosmos_outline
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_load import load_parts
from inverse.cosmos_sampler import sample
from pipelines.memory_plan import Memory, check_fits, plan_stage, shorter_windows
from pipelines.settings import InverseSettings

KEYS = Path(__file__).parent / "data" / "golden" / "keys"
TERA = 1e12


def listed(name, rename):
    lines = (line.split("\t") for line in (KEYS / name).read_text().splitlines())
    return {rename(key): literal_eval(shape) for key, shape in lines}


def cosmos_network():
    header = {
        key: ("", tuple(shape)) for key, shape in json.loads((KEYS / "inverse_7b.json").read_text()).items()
    }
    return {new: header[old][1] for new, old in cosmos_keys.network_names(header).items()}


def shapes_of(net):
    return {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def counted(work):
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    counts = counter.get_flop_counts()
    wavelets = sum(sum(each.values()) for name, each in counts.items() if name.endswith("patch_embed"))
    return counter.get_total_flops() - wavelets


@torch.no_grad()
@pytest.mark.parametrize("texts", [1, 2])
def test_arithmetic_of_the_editing_network(texts):
    net = tiny_transformer()

    def work():
        clip = net.read_clip(torch.zeros(1, 80, 3, 4, 6))
        words = [net.read_text(torch.zeros(1, 5, 16)) for _ in range(texts)]
        for _ in range(2):
            net.velocities(torch.zeros(1, 16, 3, 4, 6), torch.zeros(1), clip, words)

    expected = wan_outline.network_flops(shapes_of(net), 18, 2, texts, keys=6)
    assert counted(work) == expected


@torch.no_grad()
def test_arithmetic_of_the_editing_autoencoder():
    vae = tiny_vae()
    shapes = shapes_of(vae)
    encoded = counted(lambda: wan_vae.encode(vae, torch.zeros(1, 3, 9, 32, 48)))
    assert encoded == wan_outline.encode_flops(shapes, 9, 32, 48)
    decoded = counted(lambda: wan_vae.decode(vae, torch.zeros(1, 16, 3, 4, 6)))
    assert decoded == wan_outline.decode_flops(shapes, 9, 32, 48)


def test_arithmetic_of_the_inverse_model():
    files = find_cosmos(str(COSMOS))
    net, codec = load_parts(files, torch.float32, torch.float32)
    net.requires_grad_(False).fold_contexts()
    codec.vae.requires_grad_(False)
    clip, noise = torch.zeros(1, 16, 2, 4, 6), torch.zeros(5, 16, 2, 4, 6)
    drawn = counted(lambda: sample(net, clip, noise, range(5), 2))
    assert drawn == cosmos_outline.network_flops(cosmos_outline.network_shapes(files), 12, 2)
    shapes, task = cosmos_outline.codec_shapes(files), Task(9, 32, 48, 1, 4, 4)
    assert shapes == shapes_of(codec.vae)
    encoded = counted(lambda: codec.raw_latents(torch.zeros(1, 3, 9, 32, 48)))
    assert encoded == cosmos_outline.codec_flops(shapes, "encoder", task)
    decoded = counted(lambda: codec.raw_video(clip))
    assert decoded == cosmos_outline.codec_flops(shapes, "decoder", task)


def test_weights_and_arithmetic_of_the_real_files():
    network, vae = (
        listed("keys_dit96.txt", wan_keys.rename_transformer),
        listed("keys_vae.txt", wan_keys.rename_vae),
    )
    text = listed("keys_t5.txt", wan_keys.rename_text)
    task = Task(81, 480, 832, 50, 2, 4, new_words=True)
    words, encoding, drawing, decoding = wan_outline.task_phases(network, vae, text, task)
    assert (words.weights, drawing.weights) == (2 * 5_680_910_336, 2 * 1_419_488_320)
    assert encoding.weights == decoding.weights == 4 * 126_892_531
    assert drawing.streamed < drawing.weights / 8
    forward = wan_outline.network_flops(network, 32_760, 1, texts=1)
    assert forward / TERA == pytest.approx(283.0, rel=5e-3)
    assert encoding.flops / 5 / TERA == pytest.approx(163.7, rel=1e-3)
    assert decoding.flops / TERA == pytest.approx(275.4, rel=1e-3)
    tiled = wan_outline.task_phases(network, vae, text, replace(task, tiled=True))
    assert tiled[1].flops / encoding.flops == pytest.approx(2.25)
    assert tiled[3].activations < decoding.activations / 2

    network = cosmos_network()
    assert cosmos_outline.network_flops(network, 28_160, 15) == pytest.approx(51.1e15, rel=5e-3)
    codec = cosmos_outline.codec_shapes(find_cosmos(str(COSMOS)))
    drawing = cosmos_outline.task_phases(network, codec, Task(57, 704, 1280, 15, 2, 2))[1]
    attention = sum(count_values(network, f"transformer_blocks.{i}.attn2.") for i in range(28))
    assert drawing.weights == 2 * (count_values(network) - attention + 16 * 28 * 4096)


@pytest.fixture
def plan(tmp_path):
    network, codec = cosmos_network(), cosmos_outline.codec_shapes(find_cosmos(str(COSMOS)))
    published = Published(
        57, 15, cosmos_outline.working_size, lambda task: cosmos_outline.task_phases(network, codec, task)
    )
    (tmp_path / "a.mp4").write_bytes(b"")
    settings = InverseSettings(tmp_path / "a.mp4", model="cosmos-7b", device="cpu")
    made = plan_stage(settings, published, (720, 1280), 100)
    return replace(made, device="cuda", dtype="bf16", rate=1e15).with_window(57)


def halved(plan):
    task = replace(plan.task, dtype_bytes=2, codec_bytes=2)
    return replace(plan, task=task, phases=plan.find_phases(task))


def test_a_plan_says_memory_arithmetic_and_time(plan):
    plan = halved(plan)
    assert (plan.task.frames, plan.task.height, plan.task.width, plan.windows) == (57, 704, 1280, 2)
    assert 12e9 < plan.weights < 13e9
    assert plan.weights < plan.device_bytes < 27e9
    assert plan.as_dict()["lines"] == plan.lines()
    assert plan.lines()[0].startswith("  cosmos-7b on cuda in bf16: 12.")
    (network,) = [line for line in plan.lines() if "network" in line]
    assert "102,000 TFLOP, about 1:42" in network.replace("1.02e+05", "102,000")
    assert plan.device_bytes > replace(plan, offload="model").device_bytes
    assert replace(plan, offload="model").device_bytes > replace(plan, offload="group").device_bytes


def test_what_does_not_fit_is_refused_with_what_would(plan):
    plan = halved(plan)
    check_fits(plan, Memory(30e9, 60e9))
    check_fits(plan, Memory(None, None))
    with pytest.raises(
        RequestError, match=r"needs about .* on cuda for windows of 57 at 1280x704, 8\.0 GB are"
    ) as said:
        check_fits(plan, Memory(8e9, 60e9))
    assert "; --offload group needs" in str(said.value)
    with pytest.raises(RequestError, match=r"; --offload group --num-frames \d+ needs"):
        check_fits(plan, Memory(5e9, 60e9))
    with pytest.raises(RequestError, match="no setting makes it fit"):
        check_fits(plan, Memory(1e9, 60e9))
    with pytest.raises(RequestError, match=r"of the machine's memory .* 6\.0 GB are free"):
        check_fits(plan, Memory(140e9, 6e9))
    on_cpu = replace(plan, device="cpu", dtype="fp32")
    with pytest.raises(RequestError, match=r"of memory for windows of 57 at 1280x704, 2\.0 GB are free"):
        check_fits(on_cpu, Memory(2e9, 2e9))


def test_windows_to_fall_back_to():
    assert shorter_windows(57) == [33, 17, 9]
    assert shorter_windows(81) == [41, 25, 17, 9]
    assert shorter_windows(9) == []
