"""A repository whose registry GTO keeps, built by ``git fast-import`` in one go.

What GTO 1.10 says of it was recorded: ``SHOWN`` is the part of ``gto show --json`` that is about stages.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: 2023-09-04T07:00:00Z; each commit and each tag is a minute later than the one before.
BEGIN = 1_693_810_800
ANN = "Ann <ann@example.com>"

ARTIFACTS = """\
churn: {type: model, path: models/churn.pkl, labels: [tabular], description: Who leaves., custom: {tier: 1}}
nlp/sentiment: {path: sentiment}
far: {path: "s3://bucket/far.bin"}
ghost: {path: models/gone.bin}
old: {path: models/old.bin}
nowhere: {type: model}
inner: {path: sentiment/weights/a.bin}
lost: {path: sentiment/weights/b.bin}
"""
DVC_YAML = """\
stages: {train: {cmd: python train.py, outs: [out/model.onnx]}}
artifacts: {forecast: {path: out/model.onnx, type: model, desc: "Next week's demand."}}
"""
DVC_CONFIG = "[core]\n    remote = there\n['remote \"there\"']\n    url = ../../store\n"

#: The bytes of what DVC tracks.
ONNX = b"onnx bytes\n"
SENTIMENT = {"config.json": b"{}\n", "weights/a.bin": bytes(range(256))}
OLD = b"kept by DVC 2\n"

#: What ``gto show --json`` says of the stages of the story of ``write_story``.
SHOWN = {
    "churn": {"dev": "v1.2.0", "prod": "(the fifth commit)", "staging": "v1.1.0"},
    "nlp/sentiment": {"prod": "v0.1.0"},
}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def listing(files: Mapping[str, bytes]) -> bytes:
    """DVC's listing of a folder."""
    return json.dumps([{"md5": md5(data), "relpath": path} for path, data in sorted(files.items())]).encode()


@dataclass
class GtoStory:
    """A repository in the making: commits and tags, in the order of their dates."""

    stream: list[bytes] = field(default_factory=list)
    minutes: int = 0

    def commit(self, files: Mapping[str, bytes | str], modes: Mapping[str, str] | None = None) -> None:
        lines = [
            f"commit refs/heads/main\nmark :{self._mark()}\n{self._who('committer')}\n".encode(),
            _data("Work"),
        ]
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            mode = (modes or {}).get(path, "100644")
            lines += [f"M {mode} inline {json.dumps(path)}\n".encode(), _data(data)]
        self.stream += lines

    def tag(self, name: str, message: str = "As agreed.", *, at: int | None = None, who: str = ANN) -> None:
        """An annotated tag of the commit with that number (from 1; by default the newest)."""
        self.minutes += 1
        header = f"tag {name}\nfrom :{at or self.commits}\n{self._who('tagger', who)}\n"
        self.stream += [header.encode(), _data(message)]

    def light(self, name: str) -> None:
        self.stream.append(f"reset refs/tags/{name}\nfrom :{self.commits}\n\n".encode())

    commits: int = 0

    def _mark(self) -> int:
        self.minutes += 1
        self.commits += 1
        return self.commits

    def _who(self, role: str, who: str = ANN) -> str:
        return f"{role} {who} {BEGIN + 60 * self.minutes} +0000"

    def write(self, folder: Path) -> Path:
        """A checkout of the story."""
        run = ["git", "-c", "init.defaultBranch=main"]
        subprocess.run([*run, "init", "-q", "--template=", os.fspath(folder)], check=True)
        feed = b"".join(self.stream)
        subprocess.run([*run, "fast-import", "--quiet"], input=feed, cwd=folder, check=True)
        subprocess.run([*run, "reset", "-q", "--hard", "main"], cwd=folder, check=True)
        return folder


def _data(content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return b"data %d\n%b\n" % (len(data), data)


def write_story(folder: Path) -> Path:
    """The usual story, in ``folder/repo``, with its DVC remote in ``folder/store``. Returns the checkout."""
    folder.mkdir(parents=True, exist_ok=True)
    _store(folder / "store")
    sentiment = listing(SENTIMENT)
    size = sum(map(len, SENTIMENT.values()))
    story = GtoStory()
    story.commit(
        {
            "artifacts.yaml": ARTIFACTS,
            "models/churn.pkl": "first\n",
            ".dvc/config": DVC_CONFIG,
            "sentiment.dvc": f"outs:\n- md5: {md5(sentiment)}.dir\n  size: {size}\n  nfiles: 2\n  hash: md5\n"
            "  path: sentiment\n",
            "models/old.bin.dvc": f"outs:\n- md5: {md5(OLD)}\n  size: {len(OLD)}\n  path: old.bin\n",
            "jobs/dvc.yaml": DVC_YAML,
            "jobs/dvc.lock": "schema: '2.0'\nstages:\n  train:\n    cmd: python train.py\n    outs:\n"
            f"    - path: out/model.onnx\n      hash: md5\n      md5: {md5(ONNX)}\n      size: {len(ONNX)}\n",
        }
    )
    story.tag("churn@v1.0.0", "The first one.")
    story.tag("churn#dev#1")
    story.tag("nlp/sentiment@v0.1.0")
    story.tag("nlp/sentiment#prod#1")
    story.tag("jobs=forecast@v2.0.0")
    for name in ("far", "ghost", "nowhere", "old", "inner", "lost"):
        story.tag(f"{name}@v1.0.0")
    story.tag("old@deprecated", "Ann left.\n\nCo-authored-by: Mallory <m@example.com>")
    story.commit({"models/churn.pkl": "second\n"})
    story.tag("churn@v1.1.0")
    story.tag("churn#staging#2")
    story.tag("churn#prod#3", at=1)
    story.tag("churn#prod#4")
    story.commit({"models/churn.pkl": "third\n"})
    story.tag("churn@v1.2.0")
    story.tag("churn#dev#5")
    story.tag("churn#staging#6")
    story.tag("churn#staging!#7")
    story.tag("churn#prod!#8", at=2)
    story.commit({"models/churn.pkl": "withdrawn\n"})
    story.tag("churn@v1.3.0")
    story.tag("churn#prod#9")
    story.tag("churn@v1.3.0!#10")
    story.commit({"README.md": "No version.\n"})
    story.tag("churn#prod#11")
    story.light("churn@v9.0.0")
    story.tag("release-1")
    return story.write(folder / "repo")


def _store(folder: Path) -> None:
    objects = {md5(data): data for data in (ONNX, *SENTIMENT.values())}
    objects[f"{md5(listing(SENTIMENT))}.dir"] = listing(SENTIMENT)
    places = {f"files/md5/{name[:2]}/{name[2:]}": data for name, data in objects.items()}
    places[f"{md5(OLD)[:2]}/{md5(OLD)[2:]}"] = OLD
    for place, data in places.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(data)
