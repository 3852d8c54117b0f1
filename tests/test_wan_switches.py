"""The switches of the editing model's sampler: off they change nothing, on they are as far off as measured."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gbuffer_samples import make_gbuffer
from torch import nn
from wan_samples import save_tiny, tiny_transformer

from alaya.errors import RequestError
from alaya.fp8 import Fp8Linear, to_fp8
from editing import wan_sampler
from editing.models import load_editor
from editing.switches import EXACT, Switches
from editing.wan_switches import Remainder, _unipc, apply_fp8, draw
from pipelines import loading
from pipelines.memory_plan import plan_stage
from pipelines.settings import EditSettings

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "switches.json"
SCRIPT = ROOT / "scripts" / "measure_switches.py"
STEPS = 12


def conditions():
    generator = torch.Generator().manual_seed(3)
    given = torch.randn(1, 80, 2, 4, 6, generator=generator)
    words = [torch.randn(1, 4, 16, generator=generator) for _ in range(2)]
    return given, words, wan_sampler.draw_noise(1, (16, 2, 4, 6), 0, alone=True)


def run(switches, net=None, num_steps=STEPS, **settings):
    net = net or tiny_transformer()
    apply_fp8(net, switches)
    given, words, noise = conditions()
    with torch.no_grad():
        texts = [net.read_text(rows) for rows in words]
        return draw(net, net.read_clip(given), texts, noise, switches, num_steps=num_steps, **settings)


@pytest.fixture(scope="module")
def exact():
    net = tiny_transformer()
    given, words, noise = conditions()
    with torch.no_grad():
        clip, texts = net.read_clip(given), [net.read_text(rows) for rows in words]
        return wan_sampler.sample(lambda x, t: net.velocities(x, t, clip, texts), noise, num_steps=STEPS)


def test_off_is_exact_to_the_bit(exact):
    assert torch.equal(run(EXACT), exact)
    assert torch.equal(run(Switches(guided=(0, 1), keep=0.0)), exact)
    assert EXACT.labels == []


@pytest.mark.parametrize(
    ("switches", "band"),
    [
        (Switches(solver="unipc"), (0.04, 0.06)),
        (Switches(guided=(0.5, 0.95)), (0.0008, 0.0014)),
        (Switches(keep=0.2), (0.001, 0.002)),
        (Switches(fp8=True), (0.003, 0.006)),
    ],
)
def test_on_is_as_far_off_as_measured_and_not_the_same(exact, switches, band):
    drawn = run(switches)
    error = float((drawn - exact).norm() / exact.norm())
    assert band[0] < error < band[1]
    assert torch.equal(drawn, run(switches))
    assert len(switches.labels) == 1


def gaussian(spread):
    """Return the exact velocity towards data of a spread, and where noise ends."""

    def velocity(x, timestep):
        sigma = float(timestep) / 1000
        return [x * (sigma - spread**2 * (1 - sigma)) / (sigma**2 + spread**2 * (1 - sigma) ** 2)]

    return velocity, spread


@pytest.mark.parametrize("spread", [1.0, 2.0])
def test_unipc_needs_fewer_steps(spread, monkeypatch):
    schedule = wan_sampler.schedule
    monkeypatch.setattr(
        wan_sampler, "schedule", lambda *args: (schedule(*args)[0], 1000 * schedule(*args)[0][:-1])
    )
    velocity, end = gaussian(spread)
    noise = torch.ones(1, 16, 1, 2, 2)
    euler = wan_sampler.sample(velocity, noise, num_steps=20, cfg_scale=1)
    unipc = _unipc(velocity, noise, num_steps=20, shift=5.0, cfg_scale=1)
    assert abs(float(unipc[0, 0, 0, 0, 0]) - end) < 0.2 * abs(float(euler[0, 0, 0, 0, 0]) - end)


def test_guidance_is_asked_for_in_its_interval_only():
    asked = []
    net = tiny_transformer()
    original = net.velocities

    def counted(latents, timestep, clip, texts, kept):
        asked.append((float(timestep) / 1000, len(texts)))
        return original(latents, timestep, clip, texts, kept)

    net.velocities = counted
    run(Switches(guided=(0.5, 0.95)), net)
    assert [number for _, number in asked] == [2 if 0.5 <= level <= 0.95 else 1 for level, _ in asked]
    assert {number for _, number in asked} == {1, 2}


def test_what_is_kept_is_given_again():
    kept = Remainder(0.1)
    before, worked = torch.zeros(1, 2, 3), []

    def work(rows):
        worked.append(rows)
        return rows + 5

    first = torch.ones(1, 2, 3)
    assert torch.equal(kept(0, before, first, work), first + 5)
    assert torch.equal(kept(0, before, 1.05 * first, work), 1.05 * first + 5)
    assert (len(worked), kept.left_out) == (1, 1)
    kept(0, before, 1.2 * first, work)  # moved by more than a tenth
    kept(1, before, 1.2 * first, work)  # another text has its own
    assert (len(worked), kept.left_out) == (3, 1)


def test_eight_bits():
    weight = (
        torch.randn(5, 64, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 5)[:, None]
    )
    weight[2] = 0
    small, scale = to_fp8(weight)
    back = small.float() * scale
    assert small.element_size() == 1
    assert torch.equal(back[2], weight[2])
    large = weight.abs() > scale * 2**-6  # below, e4m3 has fewer digits
    assert float(((back - weight).abs() / weight.abs())[large].max()) <= 2**-4 + 1e-6
    layer = nn.Linear(64, 5)
    layer.weight.data.copy_(weight)
    given = torch.randn(3, 64, generator=torch.Generator().manual_seed(1))
    kept = Fp8Linear(layer)
    assert torch.allclose(kept(given), nn.functional.linear(given, back, layer.bias), rtol=1e-5, atol=1e-4)
    assert kept(given.bfloat16().float()).dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"solver": "heun"}, "--scheduler must be one of euler, unipc, got 'heun'"),
        ({"guided": (0.5, 0.2)}, "--guidance-interval must be two noise levels"),
        ({"guided": (-0.1, 1)}, "--guidance-interval must be two noise levels"),
        ({"keep": 1.0}, "--first-block-cache must be a share"),
    ],
)
def test_switches_that_are_refused(values, said):
    with pytest.raises(RequestError, match=said):
        Switches(**values)


def load_script():
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[SCRIPT.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_made_up_clips_are_decided_by_their_number():
    script = load_script()
    clean, given, words = script.make_case(3)
    assert (clean.shape, given.shape, words.shape) == ((1, 16, 2, 8, 12), (1, 80, 2, 8, 12), (1, 4, 16))
    assert torch.equal(clean, script.make_case(3)[0])
    assert not torch.equal(clean, script.make_case(4)[0])


def test_the_measured_errors_are_there():
    ways = {way["name"]: way for way in json.loads(RESULTS.read_text())["ways"]}
    assert all(0 < way["error"] <= way["worst"] < 0.1 for way in ways.values())
    assert all(0 < way["blocks"] <= 1 for way in ways.values())
    script = load_script()
    assert list(ways) == list(script.WAYS)
    assert all(way["num_steps"] == script.WAYS[name][0] for name, way in ways.items())
    assert ways["unipc 25 steps"]["error"] < ways["unipc 15 steps"]["error"]
    assert ways["keep 0.06"]["blocks"] > ways["keep 0.1"]["blocks"]
    assert ways["guided 0.5-1"]["blocks"] < 1


def test_the_inverse_renderer_s_errors_are_there():
    from scripts import inverse_switches

    measured = json.loads(RESULTS.read_text())["inverse"]
    ways = {way["name"]: way for way in measured["ways"]}
    assert list(ways) == list(inverse_switches.WAYS)
    assert all(0 < way["error"] <= way["worst"] < 1 for way in ways.values())
    assert ways["fp8"]["error"] < 0.25 * ways["euler 8 steps"]["error"]
    exact = measured["exact_to_limit"]
    assert ways["dpm-solver++ 10 steps"]["to_limit"] < exact < ways["euler 10 steps"]["to_limit"]


def test_the_page_tells_the_measured_errors():
    result = json.loads(RESULTS.read_text())
    page = (ROOT / "docs" / "inexact-switches.md").read_text()
    for way in result["ways"]:
        assert f"| {way['name']} | {way['error']:.2%} | {way['blocks']:.0%} |".replace("%", " %") in page
    inverse = result["inverse"]
    for way in inverse["ways"]:
        assert f"| {way['name']} | {way['error']:.2%} | {way['to_limit']:.2%} |".replace("%", " %") in page
    assert f"| euler 15 steps | exact | {inverse['exact_to_limit']:.2%} |".replace("%", " %") in page


def test_the_loaded_model_draws_by_its_switches(tmp_path):
    folder, gbuffer = save_tiny(tmp_path), make_gbuffer(9, 32, 48, seed=4)
    ways = {
        "exact": {},
        "unipc": {"scheduler": "unipc"},
        "guided": {"guidance_interval": (0.5, 0.95)},
        "keep": {"first_block_cache": 0.3},
        "fp8": {"fp8": True},
    }
    drawn = {}
    for name, asked in ways.items():
        editor = loading.EDITING.load(str(folder), "cpu", **asked)
        drawn[name] = editor.predict(gbuffer, editor.encode_text("snow"), num_steps=4)
    plain = load_editor(folder, "cpu")
    again = plain.predict(gbuffer, plain.encode_text("snow"), num_steps=4)
    assert np.array_equal(drawn["exact"], again)
    assert all(not np.array_equal(drawn[name], again) for name in ways if name != "exact")


def test_the_plan_says_what_is_inexact_and_what_it_saves(tmp_path):
    outline = loading.EDITING.outline(str(save_tiny(tmp_path)))
    settings = EditSettings(style="night", model="large", device="cpu", num_steps=10)
    exact, fast = (
        plan_stage(each, outline.published, (32, 48), 9)
        for each in (settings, replace(settings, fp8=True, guidance_interval=(0.5, 0.95)))
    )
    assert "  inexact: guided 0.5-0.95, fp8" in fast.lines()
    assert not any("inexact" in line for line in exact.lines())
    network = [next(phase for phase in plan.phases if phase.network == "network") for plan in (exact, fast)]
    assert network[1].flops < network[0].flops
    net = tiny_transformer()
    sizes = []
    for switches in (EXACT, Switches(fp8=True)):
        apply_fp8(net, switches)
        sizes.append(sum(value.nbytes for value in net.state_dict().values()))
    assert network[0].weights - network[1].weights == sizes[0] - sizes[1]
