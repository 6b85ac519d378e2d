"""What MLflow keeps in its model registry besides models, and a git registry does not: prompts and webhooks."""

from __future__ import annotations

from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList

from gitreg.surfaces.mlflow.arguments import no_prompts

_NO_WEBHOOKS = "a git registry has no webhooks of its own: the forge that hosts it sends them"


class NoPrompts:
    """Every call about prompts: searches find none, and the rest is refused.

    Without these, MLflow would take a model of the prompt's name for the prompt, and so delete or tag the model.
    """

    def search_prompts(self, *args: Any, **said: Any) -> PagedList[Any]:
        """None are here."""
        return PagedList([], None)

    def get_prompt(self, name: str) -> None:
        """None are here."""

    def _refuse_prompt(self, *args: Any, **said: Any) -> NoReturn:
        """Raises MlflowException: prompts are in the tracking store."""
        raise no_prompts()

    create_prompt = _refuse_prompt
    delete_prompt = _refuse_prompt
    set_prompt_tag = _refuse_prompt
    delete_prompt_tag = _refuse_prompt
    create_prompt_version = _refuse_prompt
    get_prompt_version = _refuse_prompt
    delete_prompt_version = _refuse_prompt
    get_prompt_version_by_alias = _refuse_prompt
    set_prompt_alias = _refuse_prompt
    delete_prompt_alias = _refuse_prompt
    search_prompt_versions = _refuse_prompt
    set_prompt_version_tag = _refuse_prompt
    delete_prompt_version_tag = _refuse_prompt
    link_prompts_to_trace = _refuse_prompt
    link_prompt_version_to_model = _refuse_prompt
    link_prompt_version_to_run = _refuse_prompt


class NoWebhooks:
    """Every call about webhooks: lists are empty, as MLflow's server asks for them after each change."""

    def list_webhooks(self, max_results: int | None = None, page_token: str | None = None) -> PagedList[Any]:
        """None are here."""
        return PagedList([], None)

    def list_webhooks_by_event(
        self, event: Any, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Any]:
        """None are here."""
        return PagedList([], None)

    def _refuse_webhook(self, *args: Any, **said: Any) -> NoReturn:
        """Raises MlflowException: the forge has them."""
        raise MlflowException.invalid_parameter_value(_NO_WEBHOOKS)

    create_webhook = _refuse_webhook
    get_webhook = _refuse_webhook
    update_webhook = _refuse_webhook
    delete_webhook = _refuse_webhook
    test_webhook = _refuse_webhook
