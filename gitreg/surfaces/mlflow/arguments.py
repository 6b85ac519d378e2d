"""What callers of MLflow's store give, checked as MLflow's own stores check it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
    _validate_model_renaming,
    _validate_model_version,
    _validate_model_version_tag,
    _validate_registered_model_tag,
    _validate_tag_name,
)

from gitreg.core.names import NONE, Version, is_semver

#: MLflow's names of stages by gitreg's: https://mlflow.org/docs/latest/ml/model-registry/#concepts
MLFLOW_STAGES: Mapping[str, str] = {
    NONE: "None",
    "staging": "Staging",
    "production": "Production",
    "archived": "Archived",
}
#: Stages whose versions are never sent away for the sake of another one.
_INACTIVE = frozenset({NONE, "archived"})
_NO_PROMPTS = (
    "a git registry holds models and no prompts: keep prompts in the tracking store,"
    " with its URI as the registry URI (MlflowClient(registry_uri=tracking_uri))"
)


def no_prompts() -> MlflowException:
    """The error of everything that is about prompts."""
    return MlflowException(_NO_PROMPTS, INVALID_PARAMETER_VALUE)


def model_name(name: Any) -> str:
    """A model's name. Raises MlflowException."""
    _validate_model_name(name)
    return str(name)


def new_model_name(name: Any) -> str:
    """A name that a model is to get. Raises MlflowException."""
    _validate_model_renaming(name)
    return str(name)


def version_number(version: Any) -> Version:
    """A version: an integer or, of models that have such, a SemVer string. Raises MlflowException."""
    if isinstance(version, str) and is_semver(version):
        return version
    try:
        return int(_validate_model_version(version))
    except TypeError:
        raise MlflowException.invalid_parameter_value(f"{version!r} is no version") from None


def model_tags(tags: Iterable[Any] | None) -> dict[str, str]:
    """A model's tags; of a key that is there twice, the last. Raises MlflowException."""
    return {tag.key: model_tag(tag.key, tag.value) for tag in tags or ()}


def model_tag(key: Any, value: Any) -> str:
    """The value of a model's tag. Raises MlflowException."""
    _validate_registered_model_tag(key, value)
    return _tag(key, value)


def version_tags(tags: Iterable[Any] | None) -> dict[str, str]:
    """A version's tags; of a key that is there twice, the last. Raises MlflowException."""
    return {tag.key: version_tag(tag.key, tag.value) for tag in tags or ()}


def version_tag(key: Any, value: Any) -> str:
    """The value of a version's tag. Raises MlflowException."""
    _validate_model_version_tag(key, value)
    return _tag(key, value)


def _tag(key: str, value: Any) -> str:
    if key == IS_PROMPT_TAG_KEY:
        raise no_prompts()
    return "" if value is None else str(value)


def tag_key(key: Any) -> str:
    """The key of a tag. Raises MlflowException."""
    _validate_tag_name(key)
    return str(key)


def alias_name(alias: Any) -> str:
    """An alias to look up or to clear. Raises MlflowException."""
    _validate_model_alias_name(alias)
    return str(alias)


def new_alias_name(alias: Any) -> str:
    """An alias to set. Raises MlflowException."""
    _validate_model_alias_name(alias)
    _validate_model_alias_name_reserved(alias)
    return str(alias)


def shown_stage(stage: str) -> str:
    """A stage as MLflow calls it; those that it does not know are called as in policy."""
    return MLFLOW_STAGES.get(stage.lower(), stage)


def stages_asked(stages: Iterable[Any], known: Iterable[str]) -> list[str]:
    """Stages as policy calls those that are ``known``, however their letters are.

    Raises:
        MlflowException: none is called so.
    """
    names = {name.lower(): name for name in known}
    return [_stage(str(stage), names) for stage in stages]


def _stage(asked: str, names: Mapping[str, str]) -> str:
    found = names.get(asked.lower())
    if found is None:
        listed = ", ".join(shown_stage(name) for name in names.values())
        raise MlflowException(
            f"Invalid Model Version stage: {asked}. Value must be one of {listed}.", INVALID_PARAMETER_VALUE
        )
    return found


def demand_active(stage: str) -> None:
    """Raises MlflowException for a stage whose present versions cannot be archived for another one."""
    if stage in _INACTIVE:
        raise MlflowException.invalid_parameter_value(
            "Model version transition cannot archive existing model versions"
            f" because '{shown_stage(stage)}' is not an Active stage"
        )
