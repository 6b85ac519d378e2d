"""A registry of MLflow's, read through its public client: any server, database or plug-in that MLflow can talk to.

https://mlflow.org/docs/latest/api_reference/python_api/mlflow.client.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gitreg.core.plan.imports import LeftOut
from gitreg.core.plan.register import NewModel
from gitreg.errors import ConfigError, NotFound, Refused, Undecided, UsageError
from gitreg.flows.importing import SourceModel, SourceVersion
from gitreg.flows.register import NewVersion
from gitreg.surfaces.mlflow.client import client_to_read
from gitreg.surfaces.mlflow.shown import clean, server_address, source_address
from gitreg.surfaces.mlflow.sources import Asked, Taken, answering, take

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

#: How many models and versions a page has: what MLflow's servers take at most, and what fits one answer.
MODELS_PER_PAGE, VERSIONS_PER_PAGE = 1000, 1000
# Prompts are models with this tag, which searches leave out unless they ask for it.
_PROMPTS = "tags.`mlflow.prompt.is_prompt` = 'true'"
_READY = "READY"
#: The schemes of stores that are files here, in which whoever may read this machine's files writes.
_OF_THIS_MACHINE = ("", "file", "sqlite")
#: How much a search may find. What tells of more is no registry.
MOST_FOUND = 1_000_000
#: The last second of the year 9999, since 1970.
_LATEST = 253_402_300_799
_LONGEST_NAME = 250


class MlflowSource:
    """A :class:`gitreg.flows.importing.Source`.

    Args:
        tracking_uri: where runs and logged models are; by default MLflow's.
        registry_uri: the registry; by default the one that goes with the tracking URI.
        external: versions whose bytes are gone, or may not be read, are registered with their address alone;
            ``all_external`` does so with all, and reads no bytes.
    """

    system = "mlflow"

    def __init__(
        self,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
        *,
        external: bool = False,
        all_external: bool = False,
    ) -> None:
        self._client = client_to_read(tracking_uri, registry_uri)
        self._external = external
        self._all_external = all_external
        self.registry = server_address(self._client._registry_uri or self._client.tracking_uri)
        self._is_alive = cache(self._look_up)

    def names(self) -> Sequence[str]:
        """See :class:`gitreg.flows.importing.Source`."""
        return [model.name for model in self._models(None)]

    def others(self) -> Sequence[LeftOut]:
        """See :class:`gitreg.flows.importing.Source`."""
        why = "it is a prompt, and those stay in MLflow"
        try:
            return [LeftOut(model.name, why) for model in self._models(_PROMPTS)]
        except (UsageError, Refused) as error:  # not every registry can search for tags
            return [LeftOut("prompts", f"whether there are any is not known: {error.message}")]

    def _models(self, filter_string: str | None) -> list[RegisteredModel]:
        with answering(f"the registry {self.registry}"):
            return list(
                _paged(
                    lambda token: self._client.search_registered_models(
                        filter_string, max_results=MODELS_PER_PAGE, page_token=token
                    )
                )
            )

    def model(self, name: str) -> SourceModel:
        """See :class:`gitreg.flows.importing.Source`."""
        with answering(f"the model {name!r} of {self.registry}"):
            found = self._client.get_registered_model(name)
            versions = list(_paged(lambda token: self._versions(name, token)))
        aliases: dict[int, list[str]] = {}
        for alias, version in (found.aliases or {}).items():
            if _is_number(version):
                aliases.setdefault(int(version), []).append(alias)
        problems = [(each, _problem(each)) for each in versions]
        ready = [each for each, why in problems if why is None]
        left = (LeftOut(f"{name}/{clean(str(each.version))}", why) for each, why in problems if why)
        return SourceModel(
            name,
            NewModel(
                description=_text(found.description),
                tags={key: _text(value) or "" for key, value in found.tags.items()},
                scheme="integer",
            ),
            tuple(_version(each, aliases.get(int(each.version), ())) for each in ready),
            tuple(left),
        )

    def _versions(self, name: str, token: str | None) -> Any:
        quote = '"' if "'" in name else "'"
        return self._client.search_model_versions(
            f"name = {quote}{name}{quote}", max_results=VERSIONS_PER_PAGE, page_token=token
        )

    @contextmanager
    def bring(self, model: str, version: SourceVersion, warn: Callable[[str], None]) -> Iterator[NewVersion]:
        """See :class:`gitreg.flows.importing.Source`."""
        with answering(f"version {version.name} of {model!r}"):
            there = self._client.get_model_version(model, version.name)
            place = self._client.get_model_version_download_uri(model, version.name)
        asked = self._asked(there, place, warn)
        with ExitStack() as stack:
            try:
                taken = stack.enter_context(self._take(asked, warn, external=self._all_external))
            except (NotFound, Refused, UsageError, ConfigError) as error:
                if not self._external:
                    raise
                warn(f"only its address is registered: {error.message}")
                taken = stack.enter_context(self._take(asked, warn, external=True))
            yield _named(taken.new_version(model, description=None, tags={}), there, asked)

    def _take(
        self, asked: Asked, warn: Callable[[str], None], *, external: bool
    ) -> AbstractContextManager[Taken]:
        source = source_address(asked.source) if external else asked.source
        uri = self._client.tracking_uri
        is_told = any(urlsplit(each).scheme not in _OF_THIS_MACHINE for each in (uri, self.registry))
        return take(
            replace(asked, source=source),
            tracking_uri=uri,
            external=external,
            served=False,
            told=is_told,
            warn=warn,
        )

    def _asked(self, there: ModelVersion, place: str, warn: Callable[[str], None]) -> Asked:
        """What to take; a run or logged model that is gone stands in nobody's way."""
        model_id = there.model_id or _logged_model(there.source)
        if model_id is not None and not self._is_alive("logged model", model_id):
            warn(f"the logged model {model_id} is not there any more")
            model_id = None
        run_id = there.run_id or None
        if run_id is not None and not self._is_alive("run", run_id):
            warn(f"the run {run_id} is not there any more: its params and metrics are not in the record")
            run_id = None
        return Asked(source=place, run_id=run_id, run_link=there.run_link or None, model_id=model_id)

    def _look_up(self, what: str, id: str) -> bool:
        get = self._client.get_run if what == "run" else self._client.get_logged_model
        try:
            with answering(f"the {what} {id}"):
                get(id)
        except NotFound:
            return False
        return True


def _paged(page: Callable[[str | None], Any]) -> Iterator[Any]:
    """Everything that a search finds, page after page. Raises Undecided where that has no end."""
    token: str | None = None
    seen: set[str] = set()
    count = 0
    while True:
        found = page(token)
        yield from found
        count += len(found) or 1
        token = found.token
        if not token:
            return
        if token in seen or count > MOST_FOUND:
            raise Undecided("its answers have no end", "ask who runs it")
        seen.add(token)


def _problem(there: ModelVersion) -> str | None:
    """Why a version cannot come along; None if it can, as far as it says itself."""
    if (there.status or _READY) != _READY:
        return f"its registration there is {there.status}"
    return None if _is_number(there.version) else "its number is none"


def _is_number(version: object) -> bool:
    return re.fullmatch("[1-9][0-9]{0,18}", str(version)) is not None


def _version(there: ModelVersion, aliases: Sequence[str]) -> SourceVersion:
    return SourceVersion(
        version=int(there.version),
        name=str(there.version),
        created_at=_moment(there.creation_timestamp or 0),
        created_by=clean(there.user_id)[:_LONGEST_NAME] if there.user_id else None,
        format="mlflow",
        stage=None if there.current_stage in (None, "None") else there.current_stage,
        aliases=tuple(sorted(aliases)),
        description=_text(there.description),
        tags={key: _text(value) or "" for key, value in there.tags.items()},
    )


def _moment(milliseconds: int) -> datetime:
    """A time as MLflow counts it; of what no calendar has, the nearest that one has."""
    return datetime.fromtimestamp(min(max(milliseconds // 1000, 0), _LATEST), UTC)


def _text(text: str | None) -> str | None:
    return clean(text) if text else None


def _logged_model(source: str | None) -> str | None:
    """The id in ``models:/m-…``."""
    parts = urlsplit(source or "")
    id = parts.path.strip("/")
    return id if parts.scheme == "models" and id.startswith("m-") and "/" not in id else None


def _named(new: NewVersion, there: ModelVersion, asked: Asked) -> NewVersion:
    """With the source as its registry has it, and with the name of a run that is gone."""
    source = dict(new.source)
    if there.source:
        source["uri"] = source_address(there.source)[:2000]
    if there.run_id and asked.run_id is None:
        run = {"system": "mlflow", "id": there.run_id[:_LONGEST_NAME]}
        source["run"] = run | ({"url": source_address(there.run_link)[:1000]} if there.run_link else {})
    return replace(new, source=source)
