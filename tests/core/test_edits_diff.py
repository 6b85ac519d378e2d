"""Planned edits as a diff."""

from __future__ import annotations

from gitreg.core.plan.transition import plan_promote
from gitreg.core.report.diff import edits_diff
from gitreg.core.snapshot import Snapshot
from gitreg.core.tree import MemoryTree
from tests.core.report_kit import credit_risk, digest

FILES = {"a.yaml": b"one: 1\ntwo: 2\n", "bare": b"no end", "blob": b"\xff\xfe\x00"}
SNAPSHOT = Snapshot(MemoryTree(FILES))


def test_edits_are_shown_in_path_order_as_git_shows_them() -> None:
    assert edits_diff(SNAPSHOT, {"z.yaml": b"new: 1\n", "a.yaml": b"one: 1\ntwo: 3\n"}) == (
        "--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,2 @@\n one: 1\n-two: 2\n+two: 3\n"
        "--- /dev/null\n+++ b/z.yaml\n@@ -0,0 +1 @@\n+new: 1"
    )


def test_a_removed_file_and_a_missing_last_newline_are_told() -> None:
    assert edits_diff(SNAPSHOT, {"bare": None}) == (
        "--- a/bare\n+++ /dev/null\n@@ -1 +0,0 @@\n-no end\n\\ No newline at end of file"
    )


def test_edits_that_change_nothing_are_not_shown() -> None:
    assert edits_diff(SNAPSHOT, {"a.yaml": FILES["a.yaml"], "nothing": None}) == ""


def test_bytes_that_are_no_text_only_differ() -> None:
    assert edits_diff(SNAPSHOT, {"blob": b"\x00"}) == "Binary files a/blob and b/blob differ"
    assert edits_diff(SNAPSHOT, {"new": b"\xff"}) == "Binary files /dev/null and b/new differ"


def test_control_characters_are_escaped() -> None:
    diff = edits_diff(SNAPSHOT, {"e\x1b[2J": b"x: \x1b]0;\x07\r\x85\xc2\x85\n".replace(b"\x85\xc2", b"\xc2")})
    assert all(line.isprintable() for line in diff.split("\n"))
    assert "+x: \\x1b]0;\\x07\\r\\x85" in diff


def test_a_promotion_shows_the_digest_that_goes_live() -> None:
    base = credit_risk()
    diff = edits_diff(base, plan_promote(base, "credit-risk", 3, "production").edits)
    assert "--- a/models/credit-risk/stages/production.yaml" in diff
    added = [line for line in diff.splitlines() if line.startswith("+") and digest(3) in line]
    assert len(added) == 1
