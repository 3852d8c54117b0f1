"""The published networks' benchmark: what it times agrees, what does not is refused, and the smallest size runs."""

import json

import pytest
import torch

from editing.wan_attention import FrameAttention
from scripts.benchmark_published import TOLERANCES, Bench, benchmark, checked, compare, relative, tokens_tflop
from scripts.published_sizes import SIZES
from scripts.published_ways import (
    OURS,
    Way,
    build,
    editing_case,
    editing_state,
    inverse_case,
    inverse_state,
    random_state,
)
from scripts.readme_tables import MISSING, published

CPU, TINY = torch.device("cpu"), SIZES["tiny"]
TOLERANCE = TOLERANCES[torch.float32]


@pytest.fixture
def bench():
    return Bench(TINY, CPU, torch.float32, 2, float("inf"))


def test_weights_are_never_zero_and_hold_their_tensors():
    state = editing_state(TINY.editing, torch.bfloat16, CPU)
    assert all(tensor.float().abs().mean() > 0.01 for tensor in state.values())
    assert state["proj_out.weight"].dtype == torch.bfloat16
    assert state["blocks.0.scale_shift_table"].dtype == torch.float32
    assert state["blocks.0.attn1.norm_q.weight"].float().mean() == pytest.approx(1, abs=0.05)
    again = editing_state(TINY.editing, torch.bfloat16, CPU)
    assert all(torch.equal(tensor, again[name]) for name, tensor in state.items())


def test_networks_share_the_very_tensors():
    state = random_state(torch.nn.Linear(3, 4, device="meta"), torch.float32, CPU)
    nets = [build(lambda: torch.nn.Linear(3, 4), state, CPU) for _ in range(2)]
    assert nets[0].weight.data_ptr() == nets[1].weight.data_ptr() == state["weight"].data_ptr()


@pytest.mark.parametrize(("make", "model"), [(editing_case, "editing"), (inverse_case, "inverse")])
@torch.inference_mode()
def test_all_ways_agree(bench, make, model):
    config = getattr(TINY, model)
    state = (editing_state if model == "editing" else inverse_state)(config, torch.float32, CPU)
    case = make(config, state, getattr(TINY, f"{model}_windows")[0])
    assert case.tokens == 2 * 2 * 3
    assert case.ways[-1].name == OURS
    assert len({way.name for way in case.ways}) == len(case.ways) >= 2
    assert all(distance < TOLERANCE for distance in checked(bench, case.ways, TOLERANCE).values())


@torch.inference_mode()
def test_a_network_without_places_is_not_timed(bench, monkeypatch):
    state = editing_state(TINY.editing, torch.float32, CPU)
    case = editing_case(TINY.editing, state, TINY.editing_windows[0])
    right = FrameAttention.__call__

    def lost(self, attn, hidden, text=None, mask=None, rotation=None):
        return right(self, attn, hidden, text, mask, torch.ones_like(rotation))

    monkeypatch.setattr(FrameAttention, "__call__", lost)
    with pytest.raises(
        SystemExit, match=r"ours is off by .* from diffusers, more than 2e-05; it is not timed"
    ):
        compare(bench, case.ways, 1.0, TOLERANCE)


def test_not_a_number_is_not_timed(bench):
    ways = [Way("diffusers", lambda: [torch.ones(2)]), Way(OURS, lambda: [torch.tensor([1.0, float("nan")])])]
    with pytest.raises(SystemExit, match="ours is off by nan"):
        checked(bench, ways, TOLERANCE)


def test_distance_is_the_largest_of_all_outputs():
    one, other = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0])
    assert relative([one, other], [one, one]) == pytest.approx(0.2)


def test_arithmetic_is_that_of_the_published_networks():
    full = SIZES["full"]
    nets = {"editing": editing_state, "inverse": inverse_state}
    meta = torch.device("meta")
    counted = {}
    for model, tokens in (("editing", 32_760), ("inverse", 28_160)):
        shapes = {
            name: tuple(t.shape) for name, t in _outline(nets[model], getattr(full, model), meta).items()
        }
        counted[model] = tokens_tflop(model, shapes, tokens)
    assert counted["editing"] / 2 == pytest.approx(283.0, rel=2e-3)
    assert counted["inverse"] == pytest.approx(741, rel=2e-3)


def _outline(make, config, meta):
    """The tensors of a network without memory."""
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("scripts.published_ways.random_state", lambda net, *_: net.state_dict())
        return make(config, torch.bfloat16, meta)


def test_the_smallest_size_runs_and_fills_the_table(tmp_path):
    results = list(benchmark(TINY, CPU, rounds=2, minutes=5))
    result = json.loads(json.dumps(results[-1]))
    assert len(results) == 6
    for model in ("editing", "inverse"):
        found = result["models"][model]
        network = found["networks"][0]
        assert network["ways"][-1]["times_ours"] == 1
        assert all(way["seconds"] > 0 and way["rounds"] == 2 for way in network["ways"])
        assert [part["task"] for part in found["autoencoder"]] == ["encode", "decode"]
        assert found["real"]["steps"] == 4
        assert all(job["job_s"] > job["loop_s"] > 0 for job in found["jobs"])
    assert_the_table_agrees(result)


def assert_the_table_agrees(result):
    header, _, *lines = published({"runs": {"cpu tiny": result}}).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert header.startswith("| network | way | s per step | diffusers as it comes | diffusers at its best |")
    ways = [way for model in result["models"].values() for way in model["networks"][0]["ways"]]
    assert [row[1] for row in rows] == [way["name"] for way in ways]
    assert [row[2] for row in rows] == [f"{way['seconds']:.3g}" for way in ways]
    assert {row[0] for row in rows} == {"editing, tiny, 12 tokens", "inverse, tiny, 12 tokens"}
    threads = torch.get_num_threads()
    machine = f"{result['machine']['cpu']}, {threads} thread{'s' * (threads > 1)}"
    assert {row[5] for row in rows} == {machine}
    plain = next(row for row in rows if row[1] == "diffusers")
    assert plain[3] == "1.00x"
    assert min(float(row[4][:-1]) for row in rows if row[1].startswith("diffusers")) <= 1
    ours = [row for row in rows if row[1] == OURS]
    expected = [next(way["times_ours"] for way in ways if way["name"] == "diffusers")]
    assert float(ours[0][3][:-1]) == pytest.approx(expected[0], abs=0.006)
    assert lines[-1].endswith(f"Full size on CUDA: {MISSING}.")


def test_when_time_is_short_the_rest_is_left_out():
    *_, result = benchmark(TINY, CPU, rounds=9, minutes=0)
    found = result["models"]["editing"]
    assert found["autoencoder"] == []
    assert "real" not in found
    assert found["networks"][0]["ways"][0]["rounds"] == 3
    assert [job["job_s"] for job in found["jobs"]] == [None] * len(found["jobs"])
