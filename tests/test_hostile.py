"""A sample of damaged media and all other hostile input in one warm process, and random documents beyond it.

`python tests/hostile.py --full` runs all of it.
"""

import json
import tomllib

import hostile
import hostile_commands
import hostile_documents
import hostile_media
import hostile_names
import hostile_weights
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alaya.clip_info import ClipInfo
from alaya.errors import MAX_MESSAGE, AlayaError, ClipError
from alaya.safe_pickle import read_pickle
from alaya.strict_json import parse_object
from prompts.strict_toml import read_toml
from prompts.styles import StyleError

GROUPS = ("media_mutants", "media_oddities", "checkpoints", "documents", "jobs", "names", "commands")
QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module", autouse=True)
def _warm():
    hostile_commands.warm(full=False)


@pytest.mark.parametrize("group", GROUPS)
def test_a_sample_is_right(group, tmp_path):
    cases = hostile.groups(tmp_path, full=False)[group]
    row = hostile.run_here(cases, tmp_path / "cases").row()
    assert row["not_right"] == []
    assert row["right"] + row["undetectable"] == row["tried"] == len(cases) >= 10


def test_the_whole_corpus_is_as_large_as_it_says(tmp_path):
    sizes = {key: len(cases) for key, cases in hostile.groups(tmp_path, full=True).items()}
    assert sizes["media_mutants"] == 500
    assert sizes["media_oddities"] >= 20
    assert sizes["checkpoints"] >= 60
    assert sizes["documents"] >= 200
    assert sizes["jobs"] >= 100
    assert sizes["names"] >= 40
    assert sizes["commands"] == 80


def test_the_corpus_is_the_same_every_time(tmp_path):
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        source = hostile_media.base(folder, "h264.mp4")
        made.append([hostile_media.changed(source, seed, folder).read_bytes() for seed in range(7)])
    assert made[0] == made[1]
    assert len(set(made[0])) == 7


class TestTheJudgeItself:
    """Each verdict that means trouble is really given: a corpus that cannot fail would prove nothing."""

    @staticmethod
    def verdict(folder, use, refuse=True, make=lambda folder: folder):
        return hostile.run_case(hostile.Case("x", make, use, refuse), folder / "case").verdict

    def test_acceptance_is_silent(self, tmp_path):
        assert self.verdict(tmp_path, lambda path: "taken") == "silent"

    def test_another_exception_is_a_crash(self, tmp_path):
        assert self.verdict(tmp_path, lambda path: str(1 // 0)) == "crash"

    def test_a_message_of_two_lines_is_a_crash(self, tmp_path):
        class LoudError(AlayaError):
            def __str__(self):
                return "one\ntwo"

        def use(path):
            raise LoudError

        assert self.verdict(tmp_path, use) == "crash"

    def test_writing_elsewhere_is_an_escape(self, tmp_path):
        def use(path):
            (tmp_path / "elsewhere").write_text("x")
            raise AlayaError("refused")

        assert self.verdict(tmp_path, use) == "escaped"

    def test_running_code_is_an_escape(self, tmp_path):
        def use(path):
            (path / hostile.MARKER).touch()
            raise AlayaError("refused")

        assert self.verdict(tmp_path, use) == "escaped"

    def test_slowness_is_a_hang(self, tmp_path):
        def use(path):
            until = hostile.time.process_time() + 0.03
            while hostile.time.process_time() < until:
                pass
            raise AlayaError("refused")

        case = hostile.Case("x", lambda folder: folder, use, limit_s=0.01)
        assert hostile.run_case(case, tmp_path / "case").verdict == "hang"

    def test_a_dead_process_is_a_crash_and_the_rest_goes_on(self, tmp_path):
        def refused(path):
            raise AlayaError("refused")

        uses = (refused, lambda path: hostile.os._exit(3), refused)
        cases = [hostile.Case("x", lambda folder: folder, use) for use in uses]
        found = hostile.run_apart(cases, tmp_path).outcomes
        assert [outcome.verdict for outcome in found] == ["right", "crash", "right"]


def attempt(act, kind):
    """(what came of it, nothing) or (None, the words of the refusal, which are one line)."""
    try:
        return act(), ""
    except kind as error:
        words = str(error)
    return None, words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@QUICK
@given(key=st.sampled_from(sorted(hostile_documents.clip_text())), value=JSON)
def test_any_value_in_a_clip_json_is_read_or_refused(key, value):
    text = json.dumps({**hostile_documents.clip_text(), key: value})
    info, words = attempt(lambda: ClipInfo.from_json(text), ClipError)
    assert "\n" not in words
    assert words or ClipInfo.from_json(info.to_json()) == info


@QUICK
@given(text=st.text(alphabet='{}[]":,0129eE+-.\\ua nul', max_size=60))
def test_json_of_any_letters(text):
    """What is let through is what the library reads too, and is an object without doubled keys."""
    found, words = attempt(lambda: parse_object(text, "x"), ClipError)
    assert "\n" not in words
    assert words or found == json.loads(text)


@QUICK
@given(data=st.binary(max_size=80), place=st.integers(0, 200), many=st.integers(1, 6))
def test_pickles_of_any_bytes_give_tensors_or_an_error_of_ours(data, place, many):
    good = hostile_weights.one(hostile_weights.tensor())
    place %= len(good)
    for pickled in (data, good[:place] + data + good[place + many :]):
        found, words = attempt(lambda pickled=pickled: read_pickle(pickled, "x"), AlayaError)
        assert "\n" not in words
        assert words or all(record.end <= record.numel for record in found.values())


@QUICK
@given(text=st.text(alphabet="ab=.[]{}\"'\n#19-: ,", max_size=80))
def test_toml_of_any_letters(tmp_path, text):
    path = tmp_path / "a.toml"
    path.write_text(text)
    found, words = attempt(lambda: read_toml(path), ValueError)
    assert "\n" not in words
    assert words or found == tomllib.loads(text)


def test_what_stands_in_a_message_cannot_break_it_or_steer_a_terminal():
    assert str(AlayaError("a\nb \x1b[2J \u202egpj.é")) == r"a\nb \x1b[2J \u202egpj.é"
    assert str(StyleError("a\nb")) == r"a\nb"
    long = str(AlayaError("x" * 10**6 + " do this"))
    assert len(long) < MAX_MESSAGE + 10
    assert long.endswith(" do this")


def test_names_hold_the_dangerous_ones():
    for name in ("..", "/etc/passwd", "a\0b", "a\nb", "CON", "pipe:0"):
        assert name in hostile_names.NAMES
