"""Low-rank adapters: diffusers' and PEFT's files, merged and beside the weights, and what is refused."""

import json
import math
from dataclasses import replace

import pytest
import torch
from cosmos_samples import GOLDEN as COSMOS
from safetensors.torch import load_file, save_file
from wan_samples import save_tiny, tiny_transformer

from alaya.errors import RequestError, WeightsError, WeightsNotFoundError
from alaya.lora import LowRankLinear, add_lora, attach_lora, lora_state, merge_loras
from alaya.lora_files import METADATA_KEY, check_lora, parse_wish, read_lora, with_loras, write_lora
from editing.wan_keys import rename_transformer
from editing.wan_load import load_transformer
from inverse.cosmos_files import find_cosmos
from inverse.cosmos_load import load_parts, network_part
from pipelines import loading
from pipelines.settings import EditSettings, InverseSettings

WAN_TARGETS = ("attn1.to_q", "attn2.to_v", "attn1.to_out.0", "ffn.net.0.proj", "ffn.net.2")
COSMOS_TARGETS = ("attn1.to_q", "attn1.to_k", "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj")
RANK, ALPHA = 3, 6.0


def wan():
    return tiny_transformer(), WAN_TARGETS


def cosmos():
    return network_part(COSMOS / "model.pt").load(torch.float32), COSMOS_TARGETS


def wan_out(net):
    generator = torch.Generator().manual_seed(1)
    planes = torch.randn(1, 96, 2, 4, 6, generator=generator)
    text = torch.randn(1, 4, 16, generator=generator)
    with torch.no_grad():
        return net(planes, torch.tensor([500.0]), text).sample


def cosmos_out(net):
    generator = torch.Generator().manual_seed(1)
    planes = torch.randn(1, 32, 2, 4, 6, generator=generator)
    with torch.no_grad():
        return net(planes, torch.tensor([0.3]), torch.tensor([2]), fps=24).sample


MODELS = {"wan": (wan, wan_out), "cosmos": (cosmos, cosmos_out)}


@pytest.fixture(params=MODELS)
def model(request, tmp_path):
    """Give a way to make the network, its function, and an adapter for it as this program writes them."""
    make, run = MODELS[request.param]
    net, targets = make()
    torch.manual_seed(5)
    names = attach_lora(net, targets, RANK, ALPHA)
    state = {key: 0.3 * torch.randn_like(value) for key, value in lora_state(net.state_dict()).items()}
    assert len(state) == 2 * len(names)
    path = tmp_path / "pytorch_lora_weights.safetensors"
    write_lora(path, state, RANK, ALPHA, {"made_by": "a test"})
    return (lambda: make()[0]), run, path


def relative(one, other):
    return float((one - other).norm() / other.norm())


def test_merged_is_what_stood_beside(model):
    make, run, path = model
    plain, beside, merged = make(), make(), make()
    add_lora(beside, path, 0.7)
    merge_loras(merged, [(path, 0.7)])
    assert relative(run(merged), run(beside)) < 1e-5
    assert relative(run(merged), run(plain)) > 0.01
    assert not any(isinstance(part, LowRankLinear) for part in merged.modules())
    nothing = make()
    merge_loras(nothing, [(path.parent, 0.0)])
    assert torch.equal(run(nothing), run(plain))


def test_the_loaders_merge(model, tmp_path):
    make, run, path = model
    expected = make()
    merge_loras(expected, [(path, 0.5)])
    if run is wan_out:
        make().save_pretrained(tmp_path / "transformer")
        net = load_transformer(tmp_path / "transformer", torch.float32, "cpu", lora=((path, 0.5),))
    else:
        files = find_cosmos(str(COSMOS))
        net, _ = load_parts(files, torch.float32, torch.float32, ((path, 0.5),))
    assert torch.equal(run(net), run(expected))


def test_two_adapters_add_up(model):
    make, run, path = model
    one, two = make(), make()
    merge_loras(one, [(path, 1.0)])
    merge_loras(two, [(path, 0.4), (path, 0.6)])
    assert relative(run(two), run(one)) < 1e-6


def test_fresh_pairs_change_nothing_and_alone_are_trained(model):
    make, run, _ = model
    plain, net = make(), make()
    names = attach_lora(net, ("attn1.to_q",), 2, 4.0)
    assert torch.equal(run(net), run(plain))
    trained = {key for key, value in net.named_parameters() if value.requires_grad}
    assert trained == {f"{name}.lora_{half}.weight" for name in names for half in "AB"}
    assert set(plain.state_dict()) == set(net.state_dict()) - trained  # the base keeps its names
    with pytest.raises(RequestError, match="no layer of the network is called attn9"):
        attach_lora(make(), ("attn1.to_q", "attn9"), 2, 4.0)


def test_diffusers_own_conversion_reads_what_is_written(model):
    from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
    from diffusers.loaders.lora_pipeline import CosmosLoraLoaderMixin, WanLoraLoaderMixin
    from safetensors import safe_open

    _, _, path = model
    loader = WanLoraLoaderMixin if "blocks.0.ffn.net.2" in read_lora(path) else CosmosLoraLoaderMixin
    state, metadata = loader.lora_state_dict(path.parent, return_lora_metadata=True, local_files_only=True)
    assert state.keys() == load_file(path).keys()
    assert all(key.startswith("transformer.") for key in state)
    assert (metadata["transformer.r"], metadata["transformer.lora_alpha"]) == (RANK, ALPHA)
    assert LORA_ADAPTER_METADATA_KEY == METADATA_KEY
    with safe_open(path, "pt") as file:
        assert file.metadata()["made_by"] == "a test"


def rewritten(path, change, metadata=None):
    changed = dict(change(key, value) for key, value in load_file(path).items())
    save_file({key: value.contiguous() for key, value in changed.items()}, path, metadata)
    return path


def test_other_ways_to_write_the_same(model, tmp_path):
    make, run, path = model
    expected = make()
    merge_loras(expected, [(path, 1.0)])
    old = tmp_path / "old.safetensors"
    tensors = load_file(path)
    modules = {key.split(".lora_")[0] for key in tensors}
    halves = {".lora_A.": ".lora_down.", ".lora_B.": ".lora_up."}
    renamed = {}
    for key, value in tensors.items():
        here = next(half for half in halves if half in key)
        renamed[key.replace(here, halves[here])] = value
    renamed |= {f"{module}.alpha": torch.tensor(ALPHA) for module in modules}
    save_file(renamed, old)
    peft = tmp_path / "peft"
    peft.mkdir()
    save_file(
        {"base_model.model." + key.removeprefix("transformer."): value for key, value in tensors.items()},
        peft / "adapter_model.safetensors",
    )
    (peft / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": ALPHA}))
    for place in (old, peft):
        net = make()
        merge_loras(net, [(place, 1.0)])
        assert relative(run(net), run(expected)) < 1e-6


def test_scales(model):
    _, _, path = model
    assert {pair.scale for pair in read_lora(path).values()} == {ALPHA / RANK}
    name = next(iter(read_lora(path)))
    settings = {"transformer.lora_alpha": 6, "transformer.alpha_pattern": {name: 12}}
    rewritten(path, lambda key, value: (key, value), {METADATA_KEY: json.dumps(settings)})
    assert read_lora(path)[name].scale == 4
    settings = {"transformer.lora_alpha": 6, "transformer.use_rslora": True}
    rewritten(path, lambda key, value: (key, value), {METADATA_KEY: json.dumps(settings)})
    assert read_lora(path)[name].scale == pytest.approx(6 / math.sqrt(RANK))
    rewritten(path, lambda key, value: (key, value))
    assert read_lora(path)[name].scale == 1  # nothing said: as the matrices are


def test_the_door_knows_whose_an_adapter_is_by_headers_alone(model, tmp_path):
    make, run, path = model
    shapes = {name: tuple(value.shape) for name, value in make().state_dict().items()}
    check_lora(path, shapes)
    check_lora(path.parent, shapes)
    other = (cosmos if run is wan_out else wan)()[0]
    foreign = {name: tuple(value.shape) for name, value in other.state_dict().items()}
    with pytest.raises(WeightsError, match="belongs to another model"):
        check_lora(path, foreign)
    narrow = {name: (*shape[:-1], shape[-1] + 1) for name, shape in shapes.items()}
    with pytest.raises(WeightsError, match=r"is \(3, \d+\), the network's .* belongs to another model"):
        check_lora(path, narrow)
    empty = tmp_path / "empty.safetensors"
    save_file({}, empty)
    with pytest.raises(WeightsError, match="holds no LoRA"):
        check_lora(empty, shapes)


def test_jobs_check_an_adapter_and_run_with_another_identity(model, tmp_path):
    _, run, path = model
    if run is cosmos_out:
        clip = tmp_path / "clip.mp4"
        clip.touch()
        loader, settings = loading.INVERSE, InverseSettings(clip, model=str(COSMOS), lora=((path, 0.5),))
        foreign = "blocks.0.attn1.to_q"
    else:
        save_tiny(tmp_path / "model")
        loader = loading.EDITING
        settings = EditSettings(style="night", model=str(tmp_path / "model"), lora=((path, 0.5),))
        foreign = "transformer_blocks.0.attn1.to_q"
    loader.check(settings)
    assert loader.weights(settings) == with_loras(loader.identify(settings.model), settings.lora)
    plain = replace(settings, lora=())
    assert loader.weights(plain) == loader.identify(settings.model) != loader.weights(settings)
    one, other = (
        loader.load(each.model, "cpu", **({"lora": each.lora} if each.lora else {}))
        for each in (settings, plain)
    )
    assert (one.info.sha256, other.info.sha256) == (loader.weights(settings), loader.weights(plain))
    name = "transformer" if run is wan_out else "net"
    key = "blocks.0.attn1.to_q" if run is wan_out else "transformer_blocks.0.attn1.to_q"
    weights = [getattr(each, name).get_submodule(key).weight for each in (one, other)]
    assert not torch.equal(*weights)
    save_file({f"{foreign}.lora_{half}.weight": torch.ones(2, 2) for half in "AB"}, path)
    with pytest.raises(WeightsError, match=f"no linear layer {foreign}"):
        loader.check(settings)


def test_published_names_are_understood(tmp_path):
    names = {"blocks.0.self_attn.q": "blocks.0.attn1.to_q", "blocks.1.ffn.2": "blocks.1.ffn.net.2"}
    shapes = {key: dict(tiny_transformer().named_modules())[name].weight.shape for key, name in names.items()}
    published, diffusers = tmp_path / "published.safetensors", tmp_path / "diffusers.safetensors"
    torch.manual_seed(0)
    halves = {key: (torch.randn(2, shape[1]), torch.randn(shape[0], 2)) for key, shape in shapes.items()}
    for path, table, end in ((published, {key: key for key in names}, ".default"), (diffusers, names, "")):
        save_file(
            {
                f"{table[key]}.lora_{half}{end}.weight": value
                for key, pair in halves.items()
                for half, value in zip("AB", pair, strict=True)
            },
            path,
        )
    one, other = tiny_transformer(), tiny_transformer()
    merge_loras(one, [(published, 1.0)], rename_transformer)
    merge_loras(other, [(diffusers, 1.0)], rename_transformer)
    assert torch.equal(wan_out(one), wan_out(other))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda key, value: (key.replace("attn1", "attn7"), value), "the network has no layer"),
        (
            lambda key, value: (key, value[:, :-1] if "lora_A" in key else value),
            "it belongs to another model",
        ),
        (lambda key, value: (key, value[:-1] if "lora_A" in key else value), r"no \(rank, inputs\)"),
        (lambda key, value: (key, value * float("nan")), "not finite"),
        (lambda key, value: (key.replace("lora_B", "dora"), value), "no part of a plain LoRA"),
        (lambda key, value: (key.replace("lora_B", "lora_A.default"), value), "two tensors are down"),
        (lambda key, value: (key.replace("to_q.lora_A", "to_k.lora_A"), value), "lacks its (up|down) half"),
    ],
)
def test_files_that_do_not_fit(model, change, said):
    make, run, path = model
    rewritten(path, change)
    net = make()
    with pytest.raises(WeightsError, match=said) as caught:
        merge_loras(net, [(path, 1.0)])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert torch.equal(run(net), run(make()))


def test_files_that_are_none(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="no LoRA at"):
        read_lora(tmp_path)
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"\x80\x04 a pickle of any kind")
    with pytest.raises(WeightsError, match="not safetensors"):
        read_lora(path)
    save_file({"a.alpha": torch.ones(())}, path)
    with pytest.raises(WeightsError, match="holds no LoRA"):
        read_lora(path)
    save_file({"a.lora_A.weight": torch.ones(1, 1)}, path, {METADATA_KEY: '{"transformer.use_dora": true}'})
    with pytest.raises(WeightsError, match="DoRA"):
        read_lora(path)
    save_file({"a.lora_A.weight": torch.ones(1, 1)}, path, {METADATA_KEY: "["})
    with pytest.raises(WeightsError, match="settings are not readable"):
        read_lora(path)


def test_only_linear_layers_are_changed(tmp_path):
    path = tmp_path / "x.safetensors"
    save_file(
        {
            "patch_embedding.lora_A.weight": torch.ones(1, 96),
            "patch_embedding.lora_B.weight": torch.ones(24, 1),
        },
        path,
    )
    with pytest.raises(WeightsError, match="patch_embedding is no linear layer"):
        merge_loras(tiny_transformer(), [(path, 1.0)])


def test_what_is_asked_for_and_what_it_is(tmp_path, model):
    assert parse_wish("a/b.safetensors") == (parse_wish("a/b.safetensors:1")[0], 1.0)
    assert parse_wish("a:-0.5")[1] == -0.5
    assert str(parse_wish("C:name")[0]) == "C:name"
    with pytest.raises(RequestError, match="must be a number"):
        parse_wish("a:nan")
    path = model[2]
    assert with_loras("abc", []) == "abc"
    sums = {with_loras("abc", [(path, scale)]) for scale in (1.0, 0.5)} | {with_loras("abd", [(path, 1.0)])}
    assert len(sums) == 3
    assert with_loras("abc", [(path.parent, 0.5)]) in sums
