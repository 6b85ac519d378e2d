"""Who may push workflow files: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps.

A personal token needs the scope ``workflow``; an App, the permission ``workflows``, which ``GITHUB_TOKEN`` never has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forge.bare import NOTHING, Bare
from forge.git_host import Token

_FOLDER = ".github/workflows/"


def may_write(token: Token) -> bool:
    """Whether workflow files may be among what a token pushes."""
    wanted = "workflow" if token.kind == "classic" else "workflows:write"
    return wanted in token.scopes


def refusals(bare: Bare, token: Token, updates: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """A line for each workflow file that new commits touch."""
    who, lacks = "a Personal Access Token", "`workflow` scope"
    if token.kind != "classic":
        lacks = "`workflows` permission"
        who = "a GitHub App" if token.kind == "installation" else who
    new = [oid for _, _, oid in updates if oid != NOTHING]
    if may_write(token) or not new:
        return
    listed = bare.text(
        "log", "--format=", "--name-only", "--no-renames", *new, "--not", "--all", "--", _FOLDER
    )
    for path in sorted(set(listed.splitlines()) - {""}):
        yield f"refusing to allow {who} to create or update workflow `{path}` without {lacks}"
