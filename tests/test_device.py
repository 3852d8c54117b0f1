"""Which device is taken, and what is refused."""

import pytest
import torch

from alaya.device import choose_device
from alaya.errors import RequestError


def test_the_cpu_is_there():
    assert choose_device("cpu").name == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_auto_says_why_it_is_not_cuda():
    chosen = choose_device("auto")
    assert chosen.name == "cpu"
    assert "CUDA" in chosen.reason


def test_cuda_is_taken_when_it_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"GPU {number}")
    assert choose_device("auto").name == "cuda"
    assert choose_device("cuda:1") == type(choose_device("cpu"))("cuda:1", "GPU 1, as asked")
    with pytest.raises(RequestError, match=r"cuda:2 was asked for, but there are 2|this torch has no CUDA"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_other_names_are_refused(name):
    with pytest.raises(RequestError, match="auto, cpu, cuda"):
        choose_device(name)
