"""The tree of errors that a person can mend, with the exit code the command gives for each.

AlayaError                    1   something failed
├── RequestError              2   a request that cannot work: bad option, missing input
│   ├── FrameCountError       2   a frame count that breaks the 8n+1 rule
│   ├── StyleError            2   an unknown or malformed style
│   └── WeightsNotFoundError  2   no checkpoint at the places searched
├── ClipError                 1   media or a G-buffer clip that is damaged or inconsistent; names the file
├── WeightsError              1   a checkpoint that is not what it should be
└── FolderBusyError          75   another process is at work in the folder

A message is one line of three parts: what was asked, what is true, what to do. Names out of files and
command lines stand in it, so what would break the line or steer a terminal is written as its escape.
"""

MAX_MESSAGE = 4000  # lists of wrong keys are long; what an attacker writes is longer


class AlayaError(Exception):
    """Root of everything the command reports in one line instead of a traceback."""

    exit_code: int = 1

    def __str__(self) -> str:
        text = super().__str__()
        if len(text) > MAX_MESSAGE:
            text = f"{text[: MAX_MESSAGE // 2]} ... {text[-MAX_MESSAGE // 2 :]}"
        return text if text.isprintable() else "".join(map(_visible, text))


def _visible(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]


class RequestError(AlayaError):
    """A request that cannot work, found before any work was done."""

    exit_code = 2


class FrameCountError(RequestError):
    """A window length that is not 8n+1."""


class StyleError(RequestError):
    """A style that does not exist or whose file is malformed."""


class WeightsNotFoundError(RequestError):
    """A checkpoint that lies in none of the places searched."""


class ClipError(AlayaError):
    """Media or a G-buffer clip that is damaged or inconsistent.

    `good_frames` and `bad_frames` carry the counts where frames were counted, so that callers need not
    read them out of the message. They are None where no counting took place.
    """

    def __init__(
        self, message: str, *, good_frames: int | None = None, bad_frames: int | None = None
    ) -> None:
        super().__init__(message)
        self.good_frames = good_frames
        self.bad_frames = bad_frames


class WeightsError(AlayaError):
    """A checkpoint whose content is not what it should be."""


class FolderBusyError(AlayaError):
    """Another living process holds the folder (exit code 75, EX_TEMPFAIL: try again later)."""

    exit_code = 75
