"""The graphics context off screen, and shader programs put together from the files in worlds/glsl."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from alaya.errors import AlayaError

_INCLUDE = re.compile(r'^#include "([a-z_]+\.glsl)"$', re.MULTILINE)


@cache
def source(name: str) -> str:
    """The text of a shader file with its includes put in place."""
    text = (files("worlds") / "glsl" / name).read_text("utf-8")
    return _INCLUDE.sub(lambda match: source(match.group(1)), text)


def create_context() -> Any:
    """A moderngl context without a window (EGL: a GPU, or Mesa's llvmpipe on the CPU)."""
    try:
        import moderngl
    except ImportError:
        raise AlayaError(
            "worlds need the package moderngl, which is not installed; pip install moderngl"
        ) from None
    try:
        return moderngl.create_context(standalone=True, backend="egl", require=330)  # type: ignore[arg-type]
    except Exception as error:  # glcontext raises bare Exception
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AlayaError(
            f"worlds need OpenGL 3.3 through EGL, and no context came up ({reason}); "
            "on Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
        ) from None


class Programs:
    """Compiles shader pairs once per set of defines, and sets their uniforms."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._built: dict[tuple[str, ...], Any] = {}

    def get(self, vertex: str, fragment: str, **defines: int) -> Any:
        """The program of two files; each define becomes a `#define NAME value` after the version line."""
        key = (vertex, fragment, *(f"{name} {value}" for name, value in sorted(defines.items())))
        if key not in self._built:
            head = "".join(f"#define {line}\n" for line in key[2:])
            first, _, rest = source(fragment).partition("\n")
            self._built[key] = self._context.program(
                vertex_shader=source(vertex), fragment_shader=f"{first}\n{head}{rest}"
            )
        return self._built[key]


def packed(value: np.ndarray) -> bytes:
    """An array as uniforms take it: float32, square matrices column-major. Worth it for what many programs share."""
    matrix = value.ndim >= 2 and value.shape[-1] == value.shape[-2] and value.shape[-1] in (3, 4)
    return np.ascontiguousarray(value.swapaxes(-1, -2) if matrix else value, np.float32).tobytes()


def set_uniforms(program: Any, **values: Any) -> None:
    """Write uniforms by name, arrays packed or not; names that the compiler dropped are skipped."""
    for name, value in values.items():
        uniform = program.get(name, None)  # `in` would walk over all of its members
        if uniform is None:
            continue
        if isinstance(value, (np.ndarray, bytes)):
            uniform.write(value if isinstance(value, bytes) else packed(value))
        else:
            uniform.value = value


def bind(program: Any, **textures: Any) -> None:
    """Bind textures to samplers by name; units are given in order."""
    for unit, (name, texture) in enumerate(textures.items()):
        sampler = program.get(name, None)
        if sampler is not None:
            texture.use(unit)
            sampler.value = unit
