"""A job's model is checked, planned for and only then loaded; one that was kept is not loaded again."""

import pytest
from click.testing import CliRunner

from alaya.cost import Phase
from alaya.errors import RequestError, WeightsNotFoundError
from alaya.frames import plan_windows
from alaya.model_info import ModelInfo, Outline, Published
from pipelines import loading, memory_plan
from pipelines.cli import cli
from pipelines.loading import Loader
from pipelines.memory_plan import Memory, informed
from pipelines.plan import make_plan
from pipelines.progress import Progress
from pipelines.settings import EditSettings

OPTIONS = frozenset({"num_steps", "dtype", "offload"})
PHASES = (Phase("network", "network", 4 * 10**9, 10**9, 2 * 10**9, 1e12),)


class Model:
    info = ModelInfo("large", "0" * 64, 81, 50, OPTIONS)


class Told(Progress):
    def __init__(self):
        self.plans = []

    def plan(self, plan):
        self.plans.append(plan)


@pytest.fixture
def loaded():
    return []


@pytest.fixture
def loader(loaded):
    published = Published(81, 50, lambda height, width: (480, 832), lambda task: PHASES)

    def load(name, device, **options):
        loaded.append((name, device, options))
        return Model()

    return Loader(lambda name: "0" * 64, load, lambda name: Outline(OPTIONS, published))


def open_model(loader, progress=None, **options):
    settings = EditSettings(style="night", model="large", device="cpu", **options)
    return loader.open(settings, (720, 1280), 100, progress or Progress())


def test_options_are_refused_before_anything_is_loaded(loader, loaded):
    for options, flag in (({"attention": "native"}, "--attention"), ({"cfg_scale": 2.0}, "--cfg-scale")):
        with pytest.raises(RequestError, match=f"{flag} was given, the model 'large' cannot use it"):
            open_model(loader, **options)
    assert loaded == []


def test_embedded_models_refuse_what_only_published_ones_know():
    settings = EditSettings(style="night", dtype="bf16", device="cpu")
    with pytest.raises(RequestError, match=r"--dtype was given, the model 'small' cannot use it"):
        loading.EDITING.check(settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("render", "--style", "night", "--inverse-lora", "a"),
            "--lora was given, the model 'small' cannot use it",
        ),
        (
            ("render", "--style", "night", "--fast-scheduler"),
            "--fast-scheduler was given, the model 'small' cannot use it",
        ),
        (("render", "--style", "night", "--editing-lora", "snow:0.5"), "--lora was given, the model 'small'"),
        (("render", "--style", "night", "--scheduler", "unipc"), "--scheduler was given, the model 'small'"),
        (("render", "--style", "night", "--fp8"), "--fp8 was given, the model 'small' cannot use it"),
        (("render", "--style", "night", "--guidance-interval", "0.9"), "takes two noise levels A:B"),
        (("render", "--style", "night", "--lora", "a:nan"), "--lora a:nan: the scale must be a number"),
    ],
)
def test_on_the_command_line_too(tmp_path, words, message):
    (tmp_path / "clip.mp4").touch()
    said = CliRunner().invoke(cli, [*words, "--input", str(tmp_path / "clip.mp4")])
    assert said.exit_code == 2
    assert message in " ".join(said.stderr.split())


def test_a_plan_is_said_and_what_does_not_fit_is_not_loaded(loader, loaded, monkeypatch):
    monkeypatch.setattr(memory_plan, "free_memory", lambda device: Memory(5e9, 5e9))
    told = Told()
    with pytest.raises(RequestError, match=r"large needs about 7\.5 GB of memory .* 5\.0 GB are free"):
        open_model(loader, told)
    assert loaded == []
    assert (told.plans[0].device_bytes, told.plans[0].windows) == (7.5e9, 2)
    monkeypatch.setattr(memory_plan, "free_memory", lambda device: Memory(9e9, 9e9))
    opened = open_model(loader, dtype="bf16", num_steps=4)
    assert opened.model.info is Model.info
    windows = plan_windows(100, 81)
    made = make_plan("edit", "a", windows, (720, 1280), (480, 832), 50, "video")
    assert informed(made, Model()) is made
    assert informed(made, opened).memory == opened.stage_plan.machine_bytes == 7.5e9
    assert informed(made, opened).predict_seconds == 2e12 / opened.stage_plan.rate
    assert informed(made, opened).lines()[-1].endswith(" on cpu")
    assert loaded == [("large", "cpu", {"dtype": "bf16"})]


def test_a_model_is_kept_for_the_same_options_only(loader, loaded, monkeypatch):
    monkeypatch.setattr(memory_plan, "free_memory", lambda device: Memory(None, None))
    once, told = loader.once(), Told()
    first = open_model(once, told)
    assert open_model(once, told, num_steps=3) is first
    assert open_model(once, told, offload="model") is not first
    assert (len(loaded), len(told.plans)) == (2, 2)
    assert open_model(loader) is not open_model(loader)


@pytest.mark.parametrize(("name", "stage"), [("cosmos-7b", loading.INVERSE), ("wan-1.3b", loading.EDITING)])
def test_a_checkpoint_that_is_not_there_is_one_line_with_places_and_a_command(
    name, stage, tmp_path, monkeypatch
):
    monkeypatch.setenv("ALAYA_CHECKPOINTS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsNotFoundError) as said:
        stage.outline(name)
    assert str(tmp_path / name) in str(said.value)
    assert f"`alaya weights fetch {name}` brings it" in str(said.value)
    assert "\n" not in str(said.value)
