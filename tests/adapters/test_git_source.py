"""A repository that is only read: its tags as git has them, and files of any size."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from flow_kit import git
from gto_kit import GtoStory

from gitreg.adapters.git.source import open_source
from gitreg.core.ports import READ_LIMIT, Identity
from gitreg.errors import ConfigError, Undecided


def test_tags_of_every_sort(tmp_path: Path) -> None:
    story = GtoStory()
    story.commit({"a": "one"})
    story.tag("b#prod#1", "A subject\nthat goes on.\n\nA body.\n\nAnd more.", who="Zoë <zoe@example.com>")
    story.light("a")
    story.tag("c/d", "")
    repo = story.write(tmp_path / "repo")
    who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    git(repo, *who, "tag", "-a", "-m", "m", "of-a-tree", git(repo, "rev-parse", "HEAD:"))
    source = open_source(os.fspath(repo), tmp_path / "cache")
    found = {tag.name: tag for tag in source.tags()}
    assert list(found) == ["a", "b#prod#1", "c/d"]
    assert found["b#prod#1"].tagger == Identity("Zoë", "zoe@example.com")
    assert found["b#prod#1"].message == "A subject that goes on.\n\nA body.\n\nAnd more."
    assert (found["a"].tagger, found["a"].time) == (None, None)
    assert found["c/d"].message == ""
    assert {tag.commit for tag in found.values()} == {source.head()}


def test_large_files_and_folders_are_written_whole(tmp_path: Path) -> None:
    large = os.urandom(READ_LIMIT + 5)
    story = GtoStory()
    story.commit({"m/large": large, "m/run": "#!", "m/in/small": "x\r\n"}, {"m/run": "100755"})
    story.commit({".gitattributes": "* text eol=lf\n"})
    source = open_source(os.fspath(story.write(tmp_path / "repo")), tmp_path / "cache")
    assert source.save(source.head(), "m", os.fspath(tmp_path / "m"))
    assert (tmp_path / "m/large").read_bytes() == large
    assert (tmp_path / "m/in/small").read_bytes() == b"x\r\n"
    assert (tmp_path / "m/run").stat().st_mode & 0o111 == 0
    assert not source.save(source.head(), "m/none", os.fspath(tmp_path / "none"))


def test_places_that_are_no_repository(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        open_source("nowhere", tmp_path / "cache")
    with pytest.raises(ConfigError):
        open_source(os.fspath(tmp_path), tmp_path / "cache")
    with pytest.raises(Undecided):
        open_source((tmp_path / "none").as_uri(), tmp_path / "cache")
