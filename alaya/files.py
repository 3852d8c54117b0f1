"""Files that are whole or absent, their checksums, names that cannot escape, and folder locks."""

import contextlib
import errno
import functools
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import threading
import time
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alaya.errors import AlayaError, FolderBusyError, RequestError

LOCK_PLACE = Path(".alaya") / "lock"
STALE_AFTER_S = 600.0  # another host's lock that has not been beaten for so long is taken over
BEAT_S = 60.0  # how often a lock is beaten
MAX_NAME_BYTES = 200  # file systems allow 255; room is left for what temporary names add
_CHUNK_BYTES = 1 << 20


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder (so that a rename is atomic), owned by this process."""
    return path.with_name(f".{path.name}.tmp-{os.getpid()}")


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` when the block ends, and vanishes if it raises.

    The content is flushed to the disk before the rename and the folder after it. Missing parents are made.
    The temporary name hides the suffix, so that leftovers of a killed process are never taken for frames.
    `size` is how many bytes will be written, if that is known: a message about a full disk says it.
    """
    target = Path(path)
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        publish(temporary, target)
    except Exception as error:  # PyAV's errors are no OSErrors, and have an errno all the same
        trouble = write_trouble(error, target, _size_of(temporary), size)
        if trouble is not None:
            raise trouble from error
        raise
    finally:
        with contextlib.suppress(OSError):  # the error on its way says more than one of clearing up
            temporary.unlink(missing_ok=True)


def publish(temporary: Path, target: Path) -> None:
    """Flush `temporary` to the disk and rename it to `target`."""
    with open(temporary, "rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, target)
    _sync_folder(target.parent)


def atomic_write(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write `content` (text as UTF-8) to `path` whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    with atomic_path(path, len(data)) as temporary, open(temporary, "wb") as file:
        file.write(data)


def write_trouble(
    error: BaseException, target: Path, written: int = 0, size: int | None = None
) -> AlayaError | None:
    """One line for an error of the disk while `target` was written; None for any other error."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        quota = {errno.EDQUOT: ", the quota is used up", errno.EFBIG: ", files may not grow further"}
        needed = f" of {size}" if size is not None else ""
        return AlayaError(
            f"{target} could not be written: no space left after {written}{needed} bytes"
            f" ({_free_text(target)} bytes are free there{quota.get(code, '')}); free some space and run again"
        )
    if code in (errno.EROFS, errno.EACCES, errno.EPERM):
        why = "the disk is read-only" if code == errno.EROFS else "writing is not allowed there"
        return AlayaError(f"{target} could not be written: {why}; allow it or choose another output")
    if code in (errno.EIO, errno.ENODEV, errno.ESTALE):
        return AlayaError(
            f"{target} could not be written: {os.strerror(code)}; see to the disk and run again"
        )
    return None


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _free_text(path: Path) -> str:
    try:
        return str(free_bytes(path.parent))
    except OSError:
        return "unknown"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hex digest of a file's content, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def content_sha256(blocks: Iterable[Any]) -> str:
    """Hex digest of what lies in some arrays, one after the other, with their shapes and types."""
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(f"{block.dtype.str}{block.shape}".encode())
        digest.update(memoryview(block if block.flags.c_contiguous else block.copy()).cast("B"))
    return digest.hexdigest()


def remove_leftovers(target: Path) -> None:
    """Remove what killed processes left of their attempts to write `target`."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.tmp-*"):
        path.unlink(missing_ok=True)


def joint_sha256(paths: Iterable[Path]) -> str:
    """One sha256 for some files: a single file's own, else that of all of theirs in the order given.

    A file of the same size and time is not read twice by one process: a checkpoint takes minutes.
    """
    sums = [_known_sum(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _known_sum(path: Path, _size: int, _time: int) -> str:
    return file_sha256(path)


def free_bytes(path: str | os.PathLike[str]) -> int:
    """Bytes that may still be written where `path` is or will be (its nearest existing folder)."""
    place = Path(path).absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def safe_name(text: str, max_length: int = 60) -> str:
    """A file name made from any text: readable ASCII of at most `max_length`, a dash and eight hex digits.

    The digits are of the sha256 of the whole text, so different texts give different names, and no text can
    name another folder, a device or a hidden file.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9_]+", "-", ascii_text.lower()).strip("-_")[:max_length].strip("-_")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug or 'x'}-{digest}"


def check_name(name: str) -> str:
    """Return `name` if it can only mean one visible file inside a folder, else raise RequestError."""
    reasons = {
        "is empty": not name.strip(),
        "holds a path": any(mark in name for mark in "/\\:"),
        "begins with a dot": name.startswith("."),
        "holds a character that cannot be printed": not name.isprintable(),
        "is too long": len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES,
    }
    for reason, applies in reasons.items():
        if applies:
            shown = ascii(name if len(name) < 80 else name[:77] + "...")
            raise RequestError(f"name {shown} {reason}; use letters, digits, dashes and underscores")
    return name


class Lock:
    """A held lock: the file that names its holder. A thread beats it, which tells other hosts that it is alive."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._keep_beating, daemon=True)
        self._heart.start()

    def beat(self) -> None:
        """Renew the lock's time stamp."""
        os.utime(self._descriptor)

    def check(self) -> None:
        """Raise AlayaError if the file is ours no more: somebody removed the folder under our hands."""
        try:
            held = os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except OSError:
            held = False
        if not held:
            raise AlayaError(f"{self.path} was removed while at work in its folder; run again")

    def release(self) -> None:
        """Stop beating and remove the file, if it is still ours."""
        self._ended.set()
        self._heart.join()
        with contextlib.suppress(AlayaError, OSError):
            self.check()
            self.path.unlink()

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            with contextlib.suppress(OSError):  # a disk that is away for a while must not end the thread
                self.beat()


@contextlib.contextmanager
def lock_folder(folder: str | os.PathLike[str]) -> Iterator[Lock]:
    """Hold `folder` for this process (made if missing), or raise FolderBusyError that names the holder."""
    with lock_file(Path(folder) / LOCK_PLACE, busy=str(folder)) as lock:
        yield lock


@contextlib.contextmanager
def lock_file(path: Path, busy: str) -> Iterator[Lock]:
    """Hold the lock at `path`; `busy` is what a message calls the locked thing.

    On one host the kernel's file lock decides, so a holder that was killed leaves nothing behind. The content
    (host, pid, boot id) names the holder; another host's lock is stale when its beat stopped for 10 minutes.
    Folders that had to be made for it are removed again if nothing else came to lie in them.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        descriptor = _open_locked(path, busy)
    except OSError as error:
        raise (write_trouble(error, path) or error) from error
    try:
        lock = _take_over(path, descriptor, busy)
        try:
            yield lock
        finally:
            lock.release()
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # not empty: work was done
            for folder in made:
                folder.rmdir()


def _take_over(path: Path, descriptor: int, busy: str) -> Lock:
    """Write ourselves into the file that the kernel locked for us, unless another host's beat is fresh."""
    holder = _read_holder(descriptor)
    age = time.time() - os.fstat(descriptor).st_mtime
    if holder and holder.get("host") != socket.gethostname() and age < STALE_AFTER_S:
        raise FolderBusyError(_busy_message(busy, holder))
    try:
        _write_holder(descriptor)
    except OSError as error:
        raise (write_trouble(error, path) or error) from error
    return Lock(path, descriptor)


def _open_locked(path: Path, busy: str) -> int:
    """Descriptor of the lock file at `path`, locked by the kernel for this process."""
    import fcntl  # not on Windows; imported here so that the rest of this file works there

    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # a holder that had made the folder took it away again
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise FolderBusyError(_busy_message(busy, holder)) from None
        except FileNotFoundError:
            pass
        os.close(descriptor)  # the holder removed the file between our open and our lock: try its successor


def _read_holder(descriptor: int) -> dict[str, object]:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _write_holder(descriptor: int) -> None:
    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text().strip() if boot.exists() else ""
    content = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "boot_id": boot_id}).encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, content, 0)
    os.fsync(descriptor)


def _busy_message(busy: str, holder: dict[str, object]) -> str:
    who = f"process {holder['pid']} on {holder.get('host')}" if "pid" in holder else "another process"
    return f"{busy} is in use by {who}; wait for it to end, or choose another output"
