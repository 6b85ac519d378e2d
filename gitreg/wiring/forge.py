"""From a registry's settings to its hosted forge: the address, the token, and what git shows a web server."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from gitreg.adapters.forge.address import Address, find_address, is_loopback, provider_of, server
from gitreg.adapters.forge.tokens import Token, find_token
from gitreg.core.layout import REGISTRY_FILE, Layout
from gitreg.core.manifest import ForgeSettings
from gitreg.core.ports import Credential, Forge
from gitreg.core.snapshot import Snapshot
from gitreg.errors import Bug, ConfigError, GitregError, Undecided
from gitreg.wiring import Opened


def settings(opened: Opened) -> ForgeSettings:
    """What ``gitreg.yaml`` on the registry's branch, as last fetched, says of its forge.

    Only what has landed there says so: a change that is being judged does not choose where tokens go.
    """
    tip = opened.repository.hub_ref(f"refs/heads/{opened.branch}")
    if tip is None:
        return ForgeSettings()
    tree = opened.repository.tree(tip)
    if tree.read(Layout(opened.root).path(REGISTRY_FILE)) is None:
        return ForgeSettings()
    return Snapshot(tree, opened.root, tip).registry().forge


def address(opened: Opened, chosen: ForgeSettings | None = None) -> Address:
    """Where the registry's change requests live; ``chosen`` in place of the settings of its branch.

    Raises:
        ConfigError: they do not live on a hosted forge, or nothing says where on it.
    """
    found = chosen or settings(opened)
    if found.provider == "local":
        raise ConfigError(
            "the registry is on no hosted forge", "forge: {provider: github} in gitreg.yaml puts it on one"
        )
    return find_address(found, opened.repository.origin_url(), os.environ)


def token(where: Address) -> Token:
    """The token for the forge. Raises ConfigError if there is none for that very server."""
    return find_token(where.provider, where.host, os.environ)


def hosted_forge(opened: Opened, provider: str, warn: Callable[[str], None]) -> Forge:
    """GitHub or GitLab. What they need is imported only here. Raises ConfigError as ``address`` and ``token`` do."""
    where = address(opened)
    match provider:
        case "github":
            from gitreg.adapters.forge.github.forge import GithubForge

            return GithubForge(opened.repository, opened.branch, where, token(where), os.environ, warn)
        case "gitlab":
            from gitreg.adapters.forge.gitlab.forge import GitlabForge

            return GitlabForge(opened.repository, opened.branch, where, token(where), warn)
    raise Bug(f"nothing makes a forge of the provider {provider!r}")


def credential(opened: Opened | None, scheme: str, host: str) -> Credential | None:
    """What git shows a web server that wants to know who fetches or pushes.

    Args:
        opened: the registry, whose settings may say which forge the server is; None if it is not known yet.
        scheme: ``https`` or ``http``.
        host: the server, with its port if the URL has one.

    Returns:
        None for what is no forge that gitreg knows of, and for a connection on which others could listen.

    Raises:
        Undecided: there is no token for this forge, so the server will say nothing.
    """
    name = server(host, scheme)
    if name is None or (scheme != "https" and not is_loopback(name)):
        return None
    provider = provider_of(name, os.environ) or _provider_at(opened, name)
    if provider is None:
        return None
    try:
        found = find_token(provider, name, os.environ)
    except ConfigError as error:
        raise Undecided(error.message, error.hint) from error
    return Credential(scheme, host, found.user, found.value)


def _provider_at(opened: Opened | None, host: str) -> str | None:
    """The forge that a server is by the registry's own settings."""
    if opened is not None:
        with suppress(GitregError):
            where = address(opened)
            return where.provider if where.host == host else None
    return None
