"""Repositories that are no registries of gitreg's, and the DVC remotes that they use."""

from __future__ import annotations

import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING

from gitreg.adapters.git.source import GitSource, open_source
from gitreg.core.layout import DVC_CONFIG
from gitreg.core.ports import ForeignStore
from gitreg.wiring import clone_cache, credentials, local_config

if TYPE_CHECKING:
    from gitreg.flows.gto_files import OpenForeign


def open_foreign(place: str, remote: str | None = None) -> tuple[GitSource, OpenForeign]:
    """A repository to read, and the way to its DVC remotes.

    Where those are, its newest commit says: that of an old version may have moved since. ``remote`` is a remote's name
    or URL, which counts instead.

    Raises:
        ConfigError: there is no such repository. UsageError, Undecided: a URL of no use, or that does not answer.
    """
    source = open_source(place, clone_cache(), credentials(None))

    @lru_cache
    def opened(project: str, named: str | None, legacy: bool) -> ForeignStore:
        from gitreg.adapters.dvc.remote import open_store

        blob = source.tree(source.head()).read(posixpath.join(project, DVC_CONFIG))
        text = blob.data.decode(errors="replace") if blob else ""
        folder = None if source.top is None else source.top / project
        own = local_config(source.repository, folder)
        return open_store(text, folder, name=named, local_config=own, legacy=legacy, foreign=True)

    return source, lambda project, out: opened(project, remote or out.remote, out.legacy)
