"""One door to GitHub's REST API: PyGithub, opened when first used, with errors that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gitreg.adapters.forge.address import Address
from gitreg.adapters.forge.hosted import Json, json_list, json_object
from gitreg.adapters.forge.tokens import Token, scrubbing
from gitreg.errors import ConfigError, GitregError, Undecided

if TYPE_CHECKING:
    from github import Github
    from github.Repository import Repository

#: How long GitHub may take for one answer, in seconds; its own limit is ten.
TIMEOUT = 20
#: The largest page that there is.
PER_PAGE = 100
#: Nothing that is read here is longer; a server that never ends its list is not believed.
MOST_PAGES = 1000


class GithubApi:
    """A repository on GitHub, by its API. To make one asks nothing.

    ``asking`` is around every use of ``repository`` and of what it gives. ``get``, ``pages`` and ``send`` have it in
    them; they give JSON as it is, for answers in which much may be null: PyGithub's objects ask GitHub again for
    whatever an answer left out.

    Args:
        address: where the repository is.
        token: what it is asked with.
    """

    def __init__(self, address: Address, token: Token) -> None:
        self.address = address
        self.token = token
        self.owner, _, self.name = address.repository.partition("/")

    @property
    def root(self) -> str:
        """The repository's path in the API."""
        return f"/repos/{self.address.repository}"

    @cached_property
    def client(self) -> Github:
        """PyGithub's client. Raises ConfigError where it is not installed."""
        try:
            from github import Auth, Github
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"PyGithub is not installed ({error})", "pip install 'gitreg[github]'"
            ) from error
        from gitreg.adapters.forge.github.retry import Patience

        return Github(
            auth=Auth.Token(self.token.value),
            base_url=self.address.api,
            timeout=TIMEOUT,
            user_agent="gitreg",
            per_page=PER_PAGE,
            retry=Patience(),
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )

    @cached_property
    def repository(self) -> Repository:
        """The repository as PyGithub has it; nothing is asked before it must be."""
        return self.client.get_repo(self.address.repository)

    @contextmanager
    def asking(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong inside leaves as one of gitreg's errors, without the token.

        Args:
            doing: what it is about, for the line ``cannot DOING: …``.

        Raises:
            ConfigError: the token is not accepted, or may not do it (NotPermitted), or there is no such thing
                (Unknown).
            Refused: GitHub says no. Undecided: no answer (Unreachable), or a rate limit that takes too long.
        """
        with scrubbing(self.token):
            try:
                yield
            except (GitregError, ImportError):
                raise
            except Exception as error:
                from gitreg.adapters.forge.github.errors import Asked

                raise Asked(doing, self.address, self.token).explained(error) from error

    def get(self, doing: str, path: str, **query: str) -> Json:
        """One object. ``path`` begins behind the API's base URL. Raises as ``asking``."""
        with self.asking(doing):
            _, data = self.client.requester.requestJsonAndCheck("GET", path, parameters=dict(query))
            return json_object(data)

    def send(self, doing: str, verb: str, path: str, body: Json | None = None) -> Json:
        """Does something; nothing is done twice. Raises as ``asking``."""
        with self.asking(doing):
            _, data = self.client.requester.requestJsonAndCheck(verb, path, input=dict(body or {}))
            return data if isinstance(data, dict) else {}

    def pages(self, doing: str, path: str, **query: str) -> Iterator[Json]:
        """All objects of a list, page by page as they are asked for. Raises as ``asking``."""
        parameters: dict[str, Any] = {"per_page": str(PER_PAGE), **query}
        for _ in range(MOST_PAGES):
            with self.asking(doing):
                headers, data = self.client.requester.requestJsonAndCheck("GET", path, parameters=parameters)
                found = [json_object(each) for each in json_list(data)]
                following, parameters = _next(headers), {}
            yield from found
            if following is None:
                return
            path = following
        raise Undecided(f"cannot {doing}: the list on {self.address.host} does not end")

    def viewer(self) -> str:
        """The account of the token. An App's token may ask that of the GraphQL API alone; raises as ``asking``.

        https://docs.github.com/en/graphql/reference/queries#user
        """
        with self.asking("ask whose token it is"):
            _, answer = self.client.requester.graphql_query("query { viewer { login } }", {})
            return str(answer["data"]["viewer"]["login"])

    def mutate(self, doing: str, mutation: str, given: Json, wanted: str) -> Json:
        """Does something for which the REST API has no way; nothing is done twice. Raises as ``asking``.

        Args:
            doing: as for ``asking``.
            mutation: its name (https://docs.github.com/en/graphql/reference/mutations).
            given: its input.
            wanted: the fields of its answer, in GraphQL.
        """
        with self.asking(doing):
            requester = self.client.requester
            return json_object(requester.graphql_named_mutation(mutation, dict(given), wanted)[1])

    def close(self) -> None:
        """Ends the connections."""
        if "client" in self.__dict__:
            self.client.close()


def _next(headers: Mapping[str, Any]) -> str | None:
    """https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api#using-link-headers"""
    from requests.utils import parse_header_links

    links = parse_header_links(str(headers.get("link") or ""))
    return next((str(link["url"]) for link in links if link.get("rel") == "next"), None)
