"""Hostile jobs files of `alaya batch`, in CSV and in JSON lines: each must be refused before anything is made."""

import json
from functools import partial
from pathlib import Path

from hostile import Case

from pipelines.batch_jobs import read_jobs

GOOD = b"input,styles,name\na.mp4,night,one\n"
CSV = {
    "nothing": b"",
    "a mark and nothing else": b"\xef\xbb\xbf",
    "a header and nothing else": b"input,styles\n",
    "blank lines only": b"\n" * 5000,
    "no text": b"\xff\xfe\xfd\n",
    "UTF-16": "input,prompt\na.mp4,x\n".encode("utf-16"),
    "bytes that are no text in line 2": GOOD + b"b.mp4,\xff,two\n",
    "zeros": bytes(4096),
    "a zero in a name": b"input,prompt,name\na.mp4,x,a\0b\n",
    "a quote without end": b'input,prompt\na.mp4,"x' + b"\n" * 1000,
    "a quote in the middle": b'input,prompt\na.mp4,"x"y\n',
    "a field of a megabyte": b"input,prompt\na.mp4," + b"x" * (1 << 20) + b"\n",
    "a header of fifty thousand columns": b",".join(b"c%d" % i for i in range(50_000)) + b"\n",
    "a row of fifty thousand fields": b"input,prompt\n" + b"," * 50_000 + b"a\n",
    "a column twice": b"input,prompt,prompt\na.mp4,x,y\n",
    "an unknown column": b"input,prompt,__class__\na.mp4,x,y\n",
    "a formula for a column": b"input,prompt,\"=cmd|' /C calc'!A0\"\na.mp4,x,y\n",
    "too few fields": b"input,prompt,seed\na.mp4,x\n",
    "no input": b"prompt\nx\n",
    "one folder twice": b"input,prompt\na.mp4,x\na.mp4,y\n",
    "larger than is read": b"input,prompt\n" + b"a.mp4,x\n" * ((64 << 20) // 8 + 1),
    "a million jobs": b"input,prompt,name\n" + b"".join(b"a.mp4,x,%d\n" % i for i in range(1_000_000)),
    "a word where the columns are": b"\n\nx\n",
}
FIELDS = {
    "name": (
        "../up",
        "/etc",
        "..",
        ".hidden",
        "batch.json",
        "a/b",
        "a\\b",
        "C:x",
        "x" * 5000,
        "a\nb",
        "\x1b[2J",
    ),
    "seed": ("1.5", "nan", "9" * 30, "9" * 5000, "-", "1e9", "٣"),
    "frames": ("x", "9:1", "-", "1:2:3", "9" * 5000 + ":"),
    "steps": ("0", "-1"),
    "height": ("1", "-8", "10000000000"),
    "cfg_scale": ("nan", "inf", "1e999", "x"),
    "compile": ("yes", "TRUE"),
    "format": ("jpg", "../png"),
    "styles": ("../../etc/passwd", "no_such_style", "a\0b"),
    "inverse_lora": ("x:nan", ":1"),
    "guidance_interval": ("1:0", "x:y"),
}
JSON_LINES = {
    "nothing": b"",
    "a list": b"[]",
    "a number": b"1",
    "cut": b'{"input": "a.mp4", "prom',
    "two objects on a line": b'{"input": "a.mp4", "prompt": "x"} {}',
    "no text": b"\xff\xfe",
    "a key twice": b'{"input": "a.mp4", "input": "b.mp4", "prompt": "x"}',
    "NaN": b'{"input": "a.mp4", "prompt": "x", "cfg_scale": NaN}',
    "Infinity": b'{"input": "a.mp4", "prompt": "x", "cfg_scale": -Infinity}',
    "five thousand digits": b'{"input": "a.mp4", "prompt": "x", "seed": ' + b"9" * 5000 + b"}",
    "lists without end": b'{"input": ' + b"[" * 100_000,
    "lists that end": b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number for text": b'{"input": 1, "prompt": "x"}',
    "a table for text": b'{"input": {"a": 1}, "prompt": "x"}',
    "truth for a number": b'{"input": "a.mp4", "prompt": "x", "seed": true}',
    "half a letter": b'{"input": "a.mp4", "prompt": "\\ud800"}',
    "a zero in the input": b'{"input": "a\\u0000.mp4", "prompt": "x"}',
    "a list of tables for styles": b'{"input": "a.mp4", "styles": [{}]}',
    "no styles": b'{"input": "a.mp4", "styles": []}',
    "nulls": b'{"input": null, "prompt": null}',
    "a bomb of spaces": b" " * (17 << 20) + b"{}",
    "a comment": b'{"input": "a.mp4"} // no',
    "another schema": b'{"jobs": [{"input": "a.mp4"}]}',
}


def use(path):
    """Read all jobs."""
    return f"{len(read_jobs(path, Path('out')))} jobs"


def put(folder, name, data):
    """The file beside a clip of no content, which no reading of jobs opens."""
    (folder / "a.mp4").touch()
    (folder / name).write_bytes(data)
    return folder / name


def field_files():
    """A good job with one bad field, in both ways to write it."""
    for column, values in FIELDS.items():
        for value in values:
            words = {"input": "a.mp4", **({} if column == "styles" else {"styles": "night"}), column: value}
            quoted = ",".join('"' + text.replace('"', '""') + '"' for text in words.values())
            label = f"{column} is {value[:20]!r}"
            yield f"{label}, CSV", "jobs.csv", f"{','.join(words)}\n{quoted}\n".encode()
            yield f"{label}, JSON", "jobs.jsonl", json.dumps(words).encode()


def cases():
    """All hostile jobs files; every one must be refused."""
    files = [(f"{key}, CSV", "jobs.csv", data) for key, data in CSV.items()]
    files += [(f"{key}, JSON", "jobs.jsonl", data) for key, data in JSON_LINES.items()]
    files += [*field_files(), ("a name that is no list of jobs", "jobs.txt", GOOD)]
    return [Case(f"jobs: {label}", partial(put, name=name, data=data), use) for label, name, data in files]
