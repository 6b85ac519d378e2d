"""The demo plays the whole life of a model with the real commands; here it is watched once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.surfaces.cli.main import run

#: What must be seen, in this order.
STEPS = [
    "it guards the branch main",
    "dan$ gitreg validate",
    "nothing to complain about",
    "Change #1 opened: Register credit-risk/4",
    "Merged change #1",
    "Change #2 opened: Promote credit-risk/4 to staging",
    "Merged change #2",
    "Change #3 opened: Promote credit-risk/4 to production",
    "the model card lacks intended_use, limitations",
    "dan$ git push --quiet origin origin/gitreg/promote-",
    "remote: ",
    "GR401",
    "Merged change #5",
    "GR401",
    "alice$ gitreg change approve 3",
    "You approved change #3.",
    "Merged change #3",
    "credit-risk/4",
    "GR201",
    "gitreg change refresh 4",
    "Closed change #4.",
    "Merged change #6",
    "verified",
    "sha256sum ../deployed/model.onnx",
    "Roll production back to credit-risk/3",
    "Merged change #7",
    "bo$ gitreg resolve credit-risk@champion",
    "version 3: archived → production (rolled back)",
    "Every step did what it says.",
]


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert run(["demo", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rest = out
    for step in STEPS:
        assert step in rest, f"{step!r} is missing, or out of order:\n{out}"
        rest = rest.partition(step)[2]
    assert str(folder) in rest
    assert {path.name for path in folder.iterdir()} >= {"alice", "bo", "dan", "origin.git", "deployed"}
    # what it leaves is a registry to play with
    assert run(["-C", str(folder / "dan"), "change", "list"]) == 0
    assert run(["demo", str(folder)]) == 1
    assert "exists already" in capsys.readouterr().err
