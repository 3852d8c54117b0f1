"""Converting the published inverse renderer's file takes the memory of a tensor, however large the file is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

from scripts.measure_conversion import RESULT, make_stand_in, read_shapes

SMALLER = {16384: 1024, 12288: 768, 8192: 512, 4096: 256, 1024: 64, 256: 16, 128: 16}
"""A sixteenth of the widths that the layout leaves free: 111 MB of float32 instead of 28.9 GB."""
PROGRAM = """
import gc, json, sys
from pathlib import Path
import torch
from inverse.cosmos_convert import convert
from inverse.cosmos_load import network_part

def status(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1]) / 1024

def growth(work):
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = status("VmRSS")
    work()
    return status("VmHWM") - before

golden, large, room = map(Path, sys.argv[1:])
convert(str(golden), room / "first")  # what is imported and set up once
converting = growth(lambda: convert(str(large), room / "second", limit=10_000_000))
loading = growth(lambda: network_part(large / "model.pt").load(torch.bfloat16))
print(json.dumps([converting, loading]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's account of a process")
def test_a_file_of_the_real_layout_passes_through_a_few_tensors_memory(tmp_path):
    shapes = {name: tuple(SMALLER.get(side, side) for side in shape) for name, shape in read_shapes().items()}
    assert len(shapes) == 569
    large = make_stand_in(tmp_path / "published", shapes)
    assert (large / "model.pt").stat().st_size > 110e6
    golden = Path(__file__).parent / "data" / "golden" / "inverse"
    command = [sys.executable, "-c", PROGRAM, *map(str, (golden, large, tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    converting, loading = json.loads(done.stdout)
    assert converting < 20  # MiB; the largest tensor has 1
    assert loading > 50  # so much would be seen if it were held
    assert len(list((tmp_path / "second" / "transformer").glob("*.safetensors"))) >= 6


def test_a_share_of_the_blocks_is_a_whole_layout():
    assert len(read_shapes(28)) < len(read_shapes()) == 569
    kept = {name for name in read_shapes(14) if "blocks.block" in name}
    assert {name.split("blocks.block")[1].split(".")[0] for name in kept} == {"0", "1"}


def test_the_measured_figure_is_that_of_the_whole_file():
    result = json.loads(RESULT.read_text())
    assert result["parameters"] > 7.2e9
    assert result["source_bytes"] > 28.9e9 > 14.4e9 < result["written_bytes"]
    assert result["peak_rss_mib"] * 2**20 < result["limit_gb"] * 10**9
