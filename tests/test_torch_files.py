"""Torch files read without torch's unpickler: what comes out, and everything that is refused."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from alaya.errors import WeightsError, WeightsNotFoundError
from alaya.torch_files import open_tensors, read_jit_tensors, read_pt_tensors

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


class Evil:
    """Pickles itself as a call."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


def rewrite(path, changes):
    """Write a zip again with some entries' bytes changed (None leaves one out)."""
    with zipfile.ZipFile(path) as source:
        entries = {entry.filename: source.read(entry.filename) for entry in source.infolist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, data in {**entries, **changes}.items():
            if data is not None:
                target.writestr(name, data)


def saved(tmp_path, value, name="a.pt"):
    torch.save(value, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool])
def test_tensors_come_back_bit_for_bit(tmp_path, dtype):
    value = torch.arange(24).reshape(2, 3, 4).to(dtype)
    path = saved(tmp_path, {"model": OrderedDict(a=value, b=value.transpose(0, 2)), "step": 3, "none": None})
    tensors = read_pt_tensors(path)
    assert set(tensors) == {"model.a", "model.b"}
    assert torch.equal(tensors["model.a"], value)
    assert torch.equal(tensors["model.b"], value.transpose(0, 2))
    assert tensors.header["model.b"][1] == (4, 3, 2)
    with pytest.raises(KeyError):
        tensors["model.c"]


def test_views_scalars_parameters_lists_and_empty(tmp_path):
    base = torch.randn(10)
    module = nn.Linear(2, 3)
    path = saved(
        tmp_path,
        [base[3:7], base[::2], torch.tensor(5.0), torch.empty(0, 4), dict(module.named_parameters())],
    )
    tensors = read_pt_tensors(path)
    assert torch.equal(tensors["0"], base[3:7])
    assert torch.equal(tensors["1"], base[::2])
    assert tensors["2"].item() == 5
    assert tensors["3"].shape == (0, 4)
    assert torch.equal(tensors["4.weight"], module.weight)


def test_a_tensor_is_a_private_view(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(4)})
    tensors = read_pt_tensors(path)
    tensors["a"].fill_(7)
    assert tensors["a"].eq(0).all()


def test_script_archive_gives_tensors_by_module_name(tmp_path):
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Sequential(nn.BatchNorm2d(3), nn.ReLU())).eval()
    path = tmp_path / "a.jit"
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 2, 8, 8)), path)
    tensors = read_jit_tensors(path)
    expected = module.state_dict()
    assert set(tensors) == set(expected)
    assert all(torch.equal(tensors[name], value) for name, value in expected.items())


def test_either_kind_is_opened_by_what_it_is(tmp_path):
    value = torch.randn(3, 2)
    save_file({"a": value}, tmp_path / "wrong_name.pt")
    path = saved(tmp_path, {"a": value}, "b.safetensors")
    for file in (tmp_path / "wrong_name.pt", path):
        tensors = open_tensors(file)
        assert torch.equal(tensors["a"], value)
        assert tensors.header == {"a": ("F32", (3, 2))}


def test_code_is_refused_and_not_run(tmp_path):
    marker = tmp_path / "marker"
    path = saved(tmp_path, {"a": torch.zeros(2), "b": Evil(marker)})
    with pytest.raises(WeightsError, match=r"names .*open, which no weights need"):
        read_pt_tensors(path)
    with pytest.raises(WeightsError, match="which no weights need"):
        read_jit_tensors(path)
    assert not marker.exists()


def test_script_objects_are_refused_in_plain_files(tmp_path):
    path = tmp_path / "a.jit"
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    with pytest.raises(WeightsError, match="__torch__"):
        read_pt_tensors(path)


def pickled_with(path, old, new):
    with zipfile.ZipFile(path) as archive:
        table = archive.read("a/data.pkl")
    assert old in table
    rewrite(path, {"a/data.pkl": table.replace(old, new)})
    return path


def test_a_tensor_larger_than_its_storage_is_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(300)})
    pickled_with(path, b"M" + struct.pack("<H", 300) + b"\x85", b"M" + struct.pack("<H", 60000) + b"\x85")
    with pytest.raises(WeightsError, match="in a storage of 300"):
        read_pt_tensors(path)


def test_a_storage_larger_than_its_entry_is_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(300)})
    pickled_with(path, b"M" + struct.pack("<H", 300), b"M" + struct.pack("<H", 60000))
    with pytest.raises(WeightsError, match="has 1200 bytes, its tensors need 240000"):
        read_pt_tensors(path)


def test_memo_bombs_and_odd_opcodes_are_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(3)})
    for table, message in [
        (b"\x80\x02}r" + struct.pack("<I", 2**31) + b".", "memo numbers"),
        (b"\x80\x05\x96" + struct.pack("<Q", 0) + b".", "BYTEARRAY8"),
        (b"\x80\x02}q\x00", "not a file of tensors"),
        (pickle.dumps(1, 2)[:-1], "not a file of tensors"),
    ]:
        rewrite(path, {"a/data.pkl": table})
        with pytest.raises(WeightsError, match=message):
            read_pt_tensors(path)


def test_endless_nesting_is_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(3)})
    loop = []
    loop.append(loop)
    many = [0]
    for _ in range(40):
        many = [many, many]
    for value in (loop, many):
        rewrite(path, {"a/data.pkl": pickle.dumps(value, 2)})
        with pytest.raises(WeightsError, match="without end"):
            read_pt_tensors(path)


def test_missing_cut_off_and_foreign_files_are_refused(tmp_path):
    path = saved(tmp_path, {"a": torch.zeros(3)})
    rewrite(path, {"a/data/0": None})
    with pytest.raises(WeightsError, match="missing or compressed"):
        read_pt_tensors(path)
    whole = saved(tmp_path, {"a": torch.zeros(3000)}, "b.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"cut\.pt: not an archive"):
        open_tensors(tmp_path / "cut.pt")
    (tmp_path / "page.pt").write_text("<html>not found</html>" * 20)
    with pytest.raises(WeightsError, match="not safetensors"):
        open_tensors(tmp_path / "page.pt")
    with pytest.raises(WeightsNotFoundError, match="no file at"):
        read_pt_tensors(tmp_path / "nothing.pt")
    legacy = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, legacy, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(legacy.getvalue())
    with pytest.raises(WeightsError, match=r"torch\.save it anew"):
        read_pt_tensors(tmp_path / "old.pt")


def test_compressed_tables_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * 2**20)
    with pytest.raises(WeightsError, match="compressed"):
        read_pt_tensors(tmp_path / "a.pt")
