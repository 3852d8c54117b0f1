"""The command `alaya`: its verbs, exit codes and one-line errors. Nothing heavy is imported here.

stdout carries results, stderr the talk. Exit codes: 0 done, 1 a failure, 2 a request that cannot work, 75 the
folder is busy, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

import importlib
import json
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from alaya.errors import AlayaError

COMMANDS = (
    "inverse",
    "edit",
    "render",
    "batch",
    "export",
    "styles",
    "weights",
    "worlds",
    "train",
    "eval",
    "report",
    "verify",
    "doctor",
)
INTERRUPTED, TERMINATED = 130, 143
FIRST_STEPS = """\b
Turns a gameplay clip into G-buffers, and G-buffers plus words into a restyled clip.
\b
  alaya inverse --input clip.mp4                    five G-buffers, in outputs/clip/
  alaya edit --style snowy_winter                   a video from the newest G-buffers
  alaya render --input clip.mp4 --style night       both at once, with a report
"""


class Stopped(BaseException):
    """SIGTERM came; not an Exception, so that nothing on the way mistakes it for a failure."""


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Turn SIGTERM into `Stopped`, so that files are put away as after Ctrl-C.

    SIGINT is taken back where it came ignored, as to the children of a shell's `&`.
    """

    def stop(_signal: int, _frame: object) -> None:
        raise Stopped

    try:
        before = signal.signal(signal.SIGTERM, stop)
        interrupt = signal.getsignal(signal.SIGINT)
        if interrupt is signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
    except ValueError:  # not in the main thread: whoever runs us there owns the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


class Alaya(click.Group):
    """The top command: finds its verbs when asked for them, and turns errors into a line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb's module."""
        if cmd_name not in COMMANDS:
            return None
        return importlib.import_module(f"pipelines.commands.{cmd_name}").command

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and, in standalone mode, exit with the code of what happened."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            with stopping_on_signals():
                result = super().main(
                    given, prog_name or "alaya", complete_var, standalone_mode=False, **extra
                )
            code = result if isinstance(result, int) else 0  # click returns the code of --help and --version
        except (Exception, KeyboardInterrupt, Stopped) as error:
            if not standalone_mode:
                raise
            code = explain(error, given)
        if standalone_mode:
            sys.exit(code)
        return code


def explain(error: BaseException, given: Sequence[str]) -> int:
    """Say in one line what went wrong (all of it with --traceback) and return the exit code."""
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("alaya: stopped", err=True)
        return INTERRUPTED
    if isinstance(error, Stopped):
        click.echo("alaya: stopped by SIGTERM", err=True)
        return TERMINATED
    if "--traceback" in given:
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    code, text = 1, str(error)
    if isinstance(error, AlayaError):
        code = error.exit_code
    elif isinstance(error, OSError) and error.filename is not None:
        text = str(AlayaError(f"{error.filename}: {error.strerror}"))  # which is cut to a line's length
    elif isinstance(error, MemoryError):
        text = "out of memory; try a smaller --num-frames or --height and --width"
    elif getattr(error, "exit_code", None) == 2:  # a style's error, from the room that knows no other
        code = 2
    else:
        text = f"unexpected {type(error).__name__}: {error}; --traceback shows where"
    click.echo(f"alaya: {' '.join(text.split())}", err=True)
    if "--json" in given:
        click.echo(json.dumps({"event": "error", "text": text, "exit_code": code}))
    return code


def print_version(ctx: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    """Print the installed version and stop."""
    if not asked or ctx.resilient_parsing:
        return
    from importlib import metadata

    try:
        version = metadata.version("alaya-renderer")
    except metadata.PackageNotFoundError:
        version = "not installed"
    click.echo(f"alaya {version}")
    ctx.exit()


@click.group("alaya", cls=Alaya, help=FIRST_STEPS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show the version.",
)
def cli() -> None:
    """Hold the verbs."""


def main() -> None:
    """Run the command; the entry point of the installed `alaya`."""
    cli.main()


if __name__ == "__main__":
    main()
