"""Jobs files of a batch: what they may hold, and every refusal by line and column."""

import json
from pathlib import Path

import pytest

from alaya.errors import RequestError
from pipelines.batch_jobs import COLUMNS, read_jobs

OUT = Path("out")


@pytest.fixture(autouse=True)
def clips(tmp_path):
    for name in ("a.mp4", "b.mp4", "c d.mp4"):
        (tmp_path / name).touch()


def jobs_of(text, name="jobs.csv"):
    data = text if isinstance(text, bytes) else text.encode()
    Path(name).write_bytes(data)
    return read_jobs(Path(name), OUT)


def refusal_of(text, name="jobs.csv"):
    with pytest.raises(RequestError) as caught:
        jobs_of(text, name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_column_reaches_its_setting():
    row = {
        "input": "a.mp4",
        "name": "first",
        "styles": ["snowy_winter", "night"],
        "prompt": "at dusk, in rain",
        "negative_prompt": "fog",
        "model": "small",
        "editing_model": "other",
        "format": "exr",
        "credit": "CC0, me",
        "num_frames": 17,
        "overlap": 4,
        "height": 64,
        "width": 128,
        "steps": 3,
        "seed": 7,
        "frames": "2:9",
        "cfg_scale": 2.5,
        "device": "cuda:1",
        "dtype": "fp16",
        "rope_dtype": "bf16",
        "offload": "model",
        "attention": "native",
        "inverse_env": "one",
        "editing_env": "two",
        "compile": True,
        "reference": True,
        "inverse_lora": ["one.safetensors:0.5"],
        "editing_lora": ["two.safetensors"],
        "fp8": True,
        "fast_scheduler": True,
        "extra_channels": ["diffuse_albedo"],
        "scheduler": "unipc",
        "guidance_interval": "0.3:0.95",
        "first_block_cache": 0.06,
    }
    assert set(row) == set(COLUMNS)
    (job,) = jobs_of(json.dumps(row), "jobs.jsonl")
    settings = job.settings
    assert (job.line, job.name, settings.output) == (1, "first", OUT / "first")
    assert (settings.input, settings.num_steps, settings.frames) == (Path("a.mp4"), 3, (2, 9))
    assert settings.styles == ("snowy_winter", "night")
    assert settings.inverse_lora == ((Path("one.safetensors"), 0.5),)
    assert settings.editing_lora == ((Path("two.safetensors"), 1.0),)
    assert settings.guidance_interval == (0.3, 0.95)
    assert settings.extra_channels == ("diffuse_albedo",)
    others = {"inverse_lora", "editing_lora", "guidance_interval", "extra_channels"}
    for name in set(row) - {"input", "name", "styles", "steps", "frames"} - others:
        assert getattr(settings, name) == row[name], name
    fields = {
        name: " ".join(value)
        if isinstance(value, list)
        else str(value).lower()
        if value is True
        else str(value)
        for name, value in row.items()
    }
    text = ",".join(fields) + "\n" + ",".join(f'"{field}"' for field in fields.values()) + "\n"
    (same,) = jobs_of(text)
    assert same.settings == settings
    assert same.line == 2


def test_a_spreadsheet_s_habits_are_understood(tmp_path):
    home = tmp_path / "elsewhere"
    home.mkdir()
    (home / "clip one.mp4").touch()
    text = '\ufeff input ,styles,prompt\r\n\r\nclip one.mp4,night,"line one\nline two, ""quoted"""\r\n,,\r\n'
    (home / "jobs.CSV").write_bytes(text.encode())
    (job,) = read_jobs(home / "jobs.CSV", OUT)
    assert job.where.endswith("jobs.CSV line 3")
    assert job.settings.input == home / "clip one.mp4"
    assert job.name == "clip one"
    assert job.settings.prompt == 'line one\nline two, "quoted"'


def test_null_and_empty_are_not_given():
    (job,) = jobs_of('\n{"input": "a.mp4", "prompt": "x", "seed": null}\n\n', "jobs.jsonl")
    assert job.settings.seed == 0
    assert job.line == 2
    (job,) = jobs_of("input,prompt,seed\na.mp4,x,\n")
    assert job.settings.seed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input,stiles\na.mp4,night\n", "jobs.csv line 1: unknown column 'stiles'; did you mean styles?"),
        ("input;styles\na.mp4;night\n", "jobs.csv line 1: unknown column 'input;styles'"),
        ("input,overwrite\na.mp4,true\n", "jobs.csv line 1: unknown column 'overwrite'; there are input,"),
        ("input,seed,seed\n", "jobs.csv line 1: column seed appears twice"),
        ("input,prompt\n", "jobs.csv holds no job"),
        ("", "jobs.csv holds no job"),
        ("input,prompt\na.mp4,x,y\n", "jobs.csv line 2: 3 fields, the header has 2 columns"),
        ("input,prompt\na.mp4\n", "jobs.csv line 2: 1 fields, the header has 2 columns"),
        ("prompt\nx\n", "jobs.csv line 2, column input: no clip is given"),
        ("input,prompt\na.mp4,x\nno.mp4,x\n", "jobs.csv line 3, column input: input no.mp4 does not exist"),
        (f"input,prompt\n{'a' * 300}.mp4,x\n", "jobs.csv line 2, column input: "),
        ("input,prompt\na\0.mp4,x\n", "jobs.csv line 2, column input: must be a path"),
        ("input,prompt,seed\na.mp4,x,1.5\n", "line 2, column seed: must be a whole number, got '1.5'"),
        ("input,prompt,seed\na.mp4,x,-1\n", "line 2, column seed: --seed must be 0 to 2^63-1, got -1"),
        ("input,prompt,seed\na.mp4,x,٣\n", "line 2, column seed: must be a whole number"),
        ("input,prompt,cfg_scale\na.mp4,x,nan\n", "line 2, column cfg_scale: must be a number, got nan"),
        ("input,prompt,cfg_scale\na.mp4,x,1e3\n", "line 2, column cfg_scale: --cfg-scale must be 0 to 100"),
        ("input,prompt,compile\na.mp4,x,yes\n", "line 2, column compile: must be true or false, got 'yes'"),
        ("input,prompt,frames\na.mp4,x,5\n", "line 2, column frames: --frames takes A:B"),
        ("input,prompt,frames\na.mp4,x,5:5\n", "line 2, column frames: --frames 5:5 selects no frame"),
        ("input,prompt,num_frames\na.mp4,x,80\n", "line 2, column num_frames: num_frames must be 8n+1"),
        ("input,prompt,height\na.mp4,x,64\n", "line 2, column height: --height and --width set"),
        ("input,prompt,num_frames,overlap\na.mp4,x,17,9\n", "line 2, column num_frames, overlap: "),
        (
            "input,prompt,guidance_interval\na.mp4,x,3\n",
            "line 2, column guidance_interval: --guidance-interval",
        ),
        ("input,prompt,editing_lora\na.mp4,x,a:inf\n", "line 2, column editing_lora: --lora a:inf"),
        ("input,styles\na.mp4,no_such\n", "line 2, column styles: "),
        ("input,prompt\na.mp4,\n", "line 2, column styles: no style and no prompt was given"),
        ("input,prompt,dtype,seed\na.mp4,x,fp8,1\n", "line 2, column dtype: --dtype must be one of"),
        ("input,prompt,name\na.mp4,x,../a\n", "line 2, column name: name '../a' holds a path"),
        ("input,prompt,name\na.mp4,x,batch.json\n", "line 2, column name: batch.json is the batch's summary"),
        ("input,prompt\na.mp4,x\na.mp4,y\n", "line 3, column name: line 2 writes to out/a already"),
        ('input,prompt\na.mp4,"x\n', "jobs.csv line 2: not valid CSV"),
        (f"input,prompt\na.mp4,{'x' * 140_000}\n", "jobs.csv line 2: not valid CSV"),
        (b"input,prompt\na.mp4,x\nb.mp4,\xe9t\xe9\n", "jobs.csv line 3: this is not UTF-8"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_a_bad_csv_is_refused_by_line_and_column(text, expected):
    assert expected in refusal_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "jobs.jsonl line 1: expected a JSON object"),
        ('{"input": "a.mp4", "prompt": "x"}\n{"input": ', "jobs.jsonl line 2: not valid JSON"),
        ('{"input": "a.mp4", "input": "b.mp4"}', "line 1: not valid JSON (key 'input' appears twice)"),
        ('{"input": "a.mp4", "promt": "x"}', "line 1: unknown column 'promt'; did you mean prompt?"),
        ('{"input": "a.mp4", "prompt": "x", "seed": "3"}', "line 1, column seed: must be a whole number"),
        ('{"input": "a.mp4", "prompt": "x", "seed": true}', "line 1, column seed: must be a whole number"),
        ('{"input": "a.mp4", "prompt": "x", "cfg_scale": NaN}', "line 1: not valid JSON"),
        ('{"input": "a.mp4", "prompt": "\\ud800"}', "line 1, column prompt: must be text"),
        ('{"input": "a.mp4", "styles": []}', "line 1, column styles: must be styles, got []"),
        ('{"input": "a.mp4", "styles": ["night", 3]}', "line 1, column styles: must be styles"),
        ('{"input": ["a.mp4"], "prompt": "x"}', "line 1, column input: must be a path"),
        ('{"input": "a.mp4", "prompt": "x", "frames": [0, 9]}', "line 1, column frames: must be frames A:B"),
        ("[" * 100_000, "line 1: "),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_bad_json_lines_are_refused_by_line_and_column(text, expected):
    assert expected in refusal_of(text, "jobs.jsonl")


def test_what_is_no_jobs_file_is_refused(tmp_path):
    assert "must be a .csv or a .jsonl" in refusal_of("x", "jobs.txt")
    with pytest.raises(RequestError, match=r"missing\.csv cannot be read: No such file"):
        read_jobs(Path("missing.csv"), OUT)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RequestError, match="cannot be read"):
        read_jobs(Path("folder.csv"), OUT)
    with open(tmp_path / "giant.csv", "wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(RequestError, match="larger than"):
        read_jobs(Path("giant.csv"), OUT)
