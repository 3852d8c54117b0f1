"""Atomic writes, checksums, names and folder locks."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alaya import files
from alaya.errors import AlayaError, FolderBusyError, RequestError
from alaya.files import (
    LOCK_PLACE,
    atomic_path,
    atomic_write,
    check_name,
    file_sha256,
    free_bytes,
    lock_folder,
    safe_name,
)

HOLD = """
import sys
from alaya.files import lock_folder
with lock_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold_in_another_process(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def write_then_raise(path, content, error):
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        raise error


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_write_replaces_whole(tmp_path):
    target = tmp_path / "new" / "a.json"
    atomic_write(target, "Zürich")
    assert target.read_bytes() == "Zürich".encode()
    atomic_write(target, b"\0\1")
    assert target.read_bytes() == b"\0\1"
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_failed_write_leaves_the_old_file(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(KeyError):
        write_then_raise(target, b"half", KeyError())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_temporary_is_beside_and_not_taken_for_the_result(tmp_path):
    with atomic_path(tmp_path / "frame_000000.png") as temporary:
        temporary.write_bytes(b"x")
        assert temporary.parent == tmp_path
        assert list(tmp_path.glob("*.png")) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_one_line(tmp_path, code):
    with pytest.raises(
        AlayaError,
        match=r"a\.bin could not be written: no space left after 5 bytes \(\d+ bytes are free there",
    ):
        write_then_raise(tmp_path / "a.bin", b"12345", OSError(code, os.strerror(code)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (errno.EROFS, "the disk is read-only"),
        (errno.EACCES, "writing is not allowed there"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_refuses_is_one_line(tmp_path, code, why):
    with pytest.raises(
        AlayaError, match=rf"a\.bin could not be written: {why}; (allow it|see to the disk)"
    ) as caught:
        write_then_raise(tmp_path / "a.bin", b"", OSError(code, os.strerror(code)))
    assert "\n" not in str(caught.value)


def test_real_write_limit(tmp_path):
    code = (
        "import resource, signal, sys; from alaya.files import atomic_write\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "atomic_write(sys.argv[1], bytes(5000))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True)
    assert "no space left after 1000 of 5000 bytes" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_sha256(tmp_path):
    content = os.urandom(3_000_001)
    (tmp_path / "a").write_bytes(content)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_free_bytes_of_a_place_to_be(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet") > 0


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_safe_names_are_safe(text):
    name = safe_name(text)
    assert check_name(name) == name
    assert name.isascii()
    assert len(name) <= 69
    assert name == safe_name(text)


@pytest.mark.parametrize(
    "text", ["../../etc/passwd", "/abs", "C:\\x", "a\0b", "x" * 300, "CON", ".hidden", "\u202egpj", "-rf", ""]
)
def test_hostile_texts(text, tmp_path):
    target = tmp_path / f"{safe_name(text)}.mp4"
    atomic_write(target, b"x")
    assert list(tmp_path.iterdir()) == [target]
    assert not target.name.startswith(("-", "."))


def test_safe_names_are_readable_and_distinct():
    assert safe_name("A rainy Café at night!").startswith("a-rainy-cafe-at-night-")
    assert safe_name("a b") != safe_name("a-b")
    assert safe_name("snowy_winter").startswith("snowy_winter-")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("a/b", "path"),
        ("..\\b", "path"),
        ("c:x", "path"),
        ("..", "dot"),
        ("a\nb", "printed"),
        ("\u202ex", "printed"),
        ("é" * 101, "too long"),
    ],
)
def test_names_refused(name, why):
    with pytest.raises(RequestError, match=why):
        check_name(name)


def test_lock_excludes_and_names_the_holder(tmp_path):
    process = hold_in_another_process(tmp_path)
    try:
        with (
            pytest.raises(FolderBusyError, match=f"in use by process {process.pid} on ") as caught,
            lock_folder(tmp_path),
        ):
            pass
        assert caught.value.exit_code == 75
    finally:
        end(process)


def test_lock_of_a_killed_process_is_taken_over(tmp_path):
    process = hold_in_another_process(tmp_path)
    process.send_signal(signal.SIGKILL)
    end(process)
    assert (tmp_path / LOCK_PLACE).exists()
    with lock_folder(tmp_path):
        assert json.loads((tmp_path / LOCK_PLACE).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK_PLACE).exists()


def test_lock_of_another_host_holds_while_it_beats(tmp_path):
    place = tmp_path / LOCK_PLACE
    place.parent.mkdir()
    place.write_text(json.dumps({"host": "elsewhere", "pid": 7, "boot_id": "b"}))
    with pytest.raises(FolderBusyError, match="in use by process 7 on elsewhere"), lock_folder(tmp_path):
        pass
    assert place.exists()
    old = time.time() - files.STALE_AFTER_S - 1
    os.utime(place, (old, old))
    with lock_folder(tmp_path) as lock:
        os.utime(place, (old, old))
        lock.beat()
        assert time.time() - place.stat().st_mtime < 60


def test_lock_within_one_process_and_after_release(tmp_path):
    with lock_folder(tmp_path), pytest.raises(FolderBusyError), lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path):
        pass


def test_a_lock_beats_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "BEAT_S", 0.01)
    with lock_folder(tmp_path) as lock:
        os.utime(lock.path, (1, 1))
        deadline = time.monotonic() + 10
        while lock.path.stat().st_mtime == 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert lock.path.stat().st_mtime > 1


def test_a_lock_knows_when_its_folder_was_removed(tmp_path):
    with lock_folder(tmp_path / "run") as lock:
        lock.check()
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(AlayaError, match="was removed while at work"):
            lock.check()


def test_a_lock_leaves_no_folder_that_it_had_to_make(tmp_path):
    with lock_folder(tmp_path / "outputs" / "clip"):
        pass
    assert list(tmp_path.iterdir()) == []
    with lock_folder(tmp_path / "outputs" / "clip"):
        (tmp_path / "outputs" / "clip" / "clip.json").write_text("{}")
    assert (tmp_path / "outputs" / "clip" / "clip.json").exists()
    assert not (tmp_path / "outputs" / "clip" / ".alaya").exists()


def test_one_of_many_gets_the_lock(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    many = [subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], **pipes) for _ in range(4)]
    losers = 0
    deadline = time.monotonic() + 30
    while losers < 3 and time.monotonic() < deadline:
        losers = sum(process.poll() is not None for process in many)
        time.sleep(0.02)
    outputs = [process.communicate() for process in many]
    assert sorted(out for out, _ in outputs) == [b"", b"", b"", b"held\n"]
    assert sum(b"FolderBusyError" in error for _, error in outputs) == 3


def test_unreadable_lock_content_is_no_holder(tmp_path):
    place = Path(tmp_path) / LOCK_PLACE
    place.parent.mkdir()
    place.write_bytes(b"\xff{[")
    with lock_folder(tmp_path):
        pass
