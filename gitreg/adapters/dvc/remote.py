"""Opens the DVC remote of a registry.

DVC's ``Repo`` is not used: it looks for projects around its folder, merges all of the user's configuration, keeps a
database under ``/var/tmp``, and takes thrice as long. What it makes a remote of is used directly: ``get_cloud_fs``
and ``dvc.data_cloud.Remote``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from urllib.parse import urlsplit

from gitreg.adapters.dvc.config import Remote, choose_remote, with_credentials
from gitreg.adapters.dvc.objects import Objects
from gitreg.adapters.dvc.store import DvcStore
from gitreg.errors import ConfigError


def open_store(
    config_text: str,
    registry_dir: Path | None,
    *,
    name: str | None = None,
    local_config: Path | None = None,
    legacy: bool = False,
    foreign: bool = False,
) -> DvcStore:
    """Opens the remote of a registry; nothing is asked of it yet.

    Args:
        config_text: ``.dvc/config`` of the base revision; "" if it has none.
        registry_dir: the registry's folder, against whose ``.dvc`` a relative URL is resolved; None where there is no
            checkout.
        name: the user's ``--remote``: the name of a remote in ``config_text``, or a URL, or a path with a ``/``
            (relative to the current directory). None is the default remote.
        local_config: the registry's ``.dvc/config.local``, for credentials. The caller has made sure that git does
            not track it: else it would be part of what is judged.
        legacy: the objects are those that DVC 2 stored, which lie elsewhere in the remote.
        foreign: it is no registry but somebody's repository, whose word for where to ask counts for less.

    Raises:
        ConfigError: there is no such remote, or its configuration is not admissible.
    """
    _import_dvc_quietly()
    chosen = choose_remote(config_text, registry_dir, name)
    remote = with_credentials(chosen, local_config, foreign=foreign)
    return DvcStore(_open(remote, legacy))


def _import_dvc_quietly() -> None:
    """Imports DVC without its log handlers on our streams and its wrappers around them.

    A program that imported DVC before gitreg has them as DVC made them, and keeps them.
    """
    if "dvc" in sys.modules:
        return
    import colorama  # type: ignore[import-untyped]
    import dvc  # noqa: F401

    colorama.deinit()
    for name in ("dvc", "dvc_data", "dvc_objects"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL)


def _open(remote: Remote, legacy: bool) -> Objects:
    from dvc.config import Config
    from dvc.data_cloud import Remote as DvcRemote
    from dvc.exceptions import DvcException
    from dvc.fs import ConfigError as PluginConfigError
    from dvc.fs import RemoteMissingDepsError, get_cloud_fs

    name = remote.name or "remote"
    try:
        config = Config.validate({"remote": {name: {**remote.settings, "url": remote.url}}})
        file_system_class, settings, path = get_cloud_fs(config, name=name)
        file_system = file_system_class(**settings)
        opened = DvcRemote(name, path, file_system, **settings)
        odb = opened.legacy_odb if legacy else opened.odb
    except (DvcException, PluginConfigError) as error:
        raise ConfigError(f"{remote.label} is not set up rightly: {' '.join(str(error).split())}") from error
    except (RemoteMissingDepsError, ImportError) as error:
        raise ConfigError(
            f"{remote.label}: {' '.join(str(error).split())}",
            f"run pip install 'dvc[{urlsplit(remote.url).scheme}]'",
        ) from error
    if settings.get("worktree") or file_system.version_aware:
        raise ConfigError(
            f"{remote.label} is cloud-versioned, without DVC's objects", "name another with --remote URL"
        )
    return Objects(odb, path if file_system.protocol == "local" else None, remote.label, remote.secrets)
