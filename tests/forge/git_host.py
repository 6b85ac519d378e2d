"""What hosted forges have in common: accounts, tokens, repositories behind ``git http-backend``, and an API.

Git over HTTP takes a token as the password of any user name, as GitHub and GitLab do
(https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/managing-your-personal-access-tokens,
https://docs.gitlab.com/user/profile/personal_access_tokens/#clone-repository-using-personal-access-token).

A forge is a subclass that says what an account may do, answers the API, and acts on pushes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from http_kit import listening

from forge.bare import NOTHING, Bare
from forge.host_handler import HostHandler
from forge.push_hook import install
from forge.records import Account, Answer, ApiError, ApiRequest, Exchange, Fault, Hosted, Push, Token

__all__ = [
    "NOTHING",
    "Account",
    "Answer",
    "ApiError",
    "ApiRequest",
    "Bare",
    "Exchange",
    "Fault",
    "GitHost",
    "Hosted",
    "Push",
    "Token",
]


class GitHost:
    """The shared part. Use it as a context manager; ``url`` is where it listens."""

    #: What the API's paths begin with.
    prefix: ClassVar[str] = "/api"
    #: The path of the GraphQL API, if there is one; calls are recorded as of ``/graphql``.
    graphql: ClassVar[str | None] = None
    url: str

    def __init__(self, root: Path, now: datetime | None = None) -> None:
        self.root = root
        #: Held while an operation or a push takes effect, one at a time.
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Hosted] = {}
        self.pushes: list[Push] = []
        self.exchanges: list[Exchange] = []
        #: Method, path and status of each git request.
        self.git_requests: list[tuple[str, str, int]] = []
        self.faults: list[Fault] = []
        self._fixed = now
        self._ahead = timedelta()
        self._last_id = 1000
        self._pushing: tuple[Hosted, Token] | None = None
        self._listening: Any = None

    def __enter__(self) -> Self:
        handler = type("Handler", (HostHandler,), {"root": self.root, "host": self})
        self._listening = listening(handler)
        self.url = self._listening.__enter__()
        return self

    def __exit__(self, *problem: Any) -> None:
        self._listening.__exit__(*problem)

    # The clock

    @property
    def now(self) -> datetime:
        """The host's time, in UTC: what was set, else the real one; in either case as far ahead as it was moved."""
        return (self._fixed or datetime.now(UTC)).replace(microsecond=0) + self._ahead

    @now.setter
    def now(self, moment: datetime) -> None:
        self._fixed, self._ahead = moment, timedelta()

    def advance(self, **much: float) -> datetime:
        """Moves the clock on, by the arguments of :class:`datetime.timedelta`; returns the new time."""
        self._ahead += timedelta(**much)
        return self.now

    # Accounts, tokens, repositories

    def next_id(self) -> int:
        """A number that nothing else has."""
        with self.lock:
            self._last_id += 1
            return self._last_id

    def add_account(self, login: str, *emails: str, kind: str = "User", name: str = "") -> Account:
        """Somebody new."""
        made = Account(login, self.next_id(), kind, name or login.title(), emails)
        self.accounts[login.lower()] = made
        return made

    def account(self, login: str) -> Account | None:
        """The account with this login, whatever its case."""
        return self.accounts.get(login.lower())

    def account_of(self, email: str) -> Account | None:
        """Whose email this is."""
        folded = email.lower()
        return next(
            (one for one in self.accounts.values() if folded in (mail.lower() for mail in one.emails)), None
        )

    def add_token(self, token: Token) -> str:
        """Makes a token known; returns its value."""
        self.tokens[token.value] = token
        return token.value

    def token(self, value: str) -> Token | None:
        """The token with this value, unless it has expired."""
        found = self.tokens.get(value)
        return found if found and not (found.expires and found.expires <= self.now) else None

    def adopt(self, repository: Hosted) -> Hosted:
        """Serves a repository, and any commit that it has, as forges do."""
        with (repository.bare.path / "config").open("a") as config:
            config.write("[uploadpack]\n\tallowAnySHA1InWant = true\n")
        self.repositories[repository.full_name.lower()] = repository
        return repository

    def repository(self, full_name: str) -> Hosted | None:
        """The repository with this name, whatever its case."""
        return self.repositories.get(full_name.lower())

    def guard(self, repository: Hosted) -> None:
        """From now on each push there is put to :meth:`objections`, by a pre-receive hook."""
        install(repository.bare.path, self.url)

    def remote(self, full_name: str, token: str | None = None) -> str:
        """The URL of a repository; with a token in it, for tests' own git commands."""
        secret = f"x-access-token:{token}@" if token else ""
        return f"{self.url.replace('://', '://' + secret)}/{full_name}.git"

    # What a subclass says

    def may_read(self, token: Token | None, repository: Hosted) -> bool:
        """Whether it may be fetched from; where not, it does not seem to exist."""
        raise NotImplementedError

    def may_push(self, token: Token, repository: Hosted) -> str | None:
        """None if it may be pushed to; else the sentence that git shows."""
        raise NotImplementedError

    def objections(
        self, repository: Hosted, bare: Bare, token: Token, updates: Sequence[tuple[str, str, str]]
    ) -> Sequence[str]:
        """Why a push (ref, before, after) is refused: lines for the pusher; none if it is accepted.

        ``bare`` sees the objects that are pushed. Only for repositories that are guarded.
        """
        return ()

    def pushed(self, repository: Hosted, pushes: Sequence[Push]) -> None:
        """Refs have moved."""

    def credentials(self, headers: Mapping[str, str]) -> str | None:
        """The secret that an API call brings, known or not."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        return value.strip() if kind.lower() in ("bearer", "token") else None

    def answer(self, request: ApiRequest) -> Answer:
        """Answers a call; ``request.token`` is what its secret is, None if it brought none."""
        raise NotImplementedError

    def unauthorized(self) -> Answer:
        """The answer to a secret that is unknown or has expired."""
        return Answer(401, {"message": "401 Unauthorized"})

    def crashed(self, problem: Exception) -> Answer:
        """The answer where the fake itself is at fault."""
        return Answer(500, {"message": f"{type(problem).__name__}: {problem}"})

    def checked(self, request: ApiRequest, answer: Answer) -> Answer:
        """Looks at each exchange before it is sent; may put another answer in its place."""
        return answer

    # Failures

    def fail(self, answer: Answer | None, method: str | None = None, path: str = "/", **how: Any) -> Fault:
        """Lets the next calls fail; see :class:`Fault`."""
        fault = Fault(answer, method, path, **how)
        self.faults.append(fault)
        return fault

    def fault(self, method: str, path: str) -> Fault | None:
        """The failure that this call meets, counted down."""
        with self.lock:
            met = next((one for one in self.faults if one.meets(method, path)), None)
            if met:
                met.times -= 1
            return met

    # Refs

    @contextmanager
    def moving(self, repository: Hosted, login: str, how: str = "push") -> Iterator[None]:
        """Whatever refs move inside is recorded, in this person's name."""
        with self.lock:
            before = repository.bare.refs()
            yield
            after = repository.bare.refs()
            moved = [ref for ref in sorted(before | after) if before.get(ref) != after.get(ref)]
            pushes = [
                self._push(repository, ref, before.get(ref, NOTHING), after.get(ref, NOTHING), login, how)
                for ref in moved
            ]
            self.pushes += pushes
            if pushes:
                self.pushed(repository, pushes)

    def _push(self, repository: Hosted, ref: str, before: str, after: str, login: str, how: str) -> Push:
        forced = NOTHING not in (before, after) and not repository.bare.is_ancestor(before, after)
        return Push(repository.full_name, ref, before, after, login, self.now, how, forced)

    def receive(self, repository: Hosted, token: Token, run: Callable[[], bytes]) -> bytes:
        """Lets git take a push."""
        with self.lock, self.moving(repository, token.login):
            self._pushing = repository, token
            try:
                return run()
            finally:
                self._pushing = None

    def judge(self, sent: Mapping[str, Any]) -> Sequence[str]:
        """What a pre-receive hook is told. The push that it belongs to holds the lock."""
        assert self._pushing is not None
        repository, token = self._pushing
        bare = repository.bare.within(sent["environment"])
        updates = [(ref, old, new) for old, new, ref in (line.split(" ", 2) for line in sent["updates"])]
        try:
            return self.objections(repository, bare, token, updates)
        except Exception as problem:
            return [f"the fake is at fault: {type(problem).__name__}: {problem}"]

    # The API

    def call(self, request: ApiRequest) -> Answer:
        """Answers a call as over HTTP; helpers that act as a person go this way, too."""
        with self.lock:
            secret = self.credentials(request.headers)
            request.token = self.token(secret) if secret else None
            try:
                answer = self.unauthorized() if secret and not request.token else self.answer(request)
            except ApiError as early:
                answer = early.answer
            except Exception as problem:
                answer = self.crashed(problem)
            return self.checked(request, answer)

    def record(self, request: ApiRequest, answer: Answer | None) -> None:
        """Keeps an exchange for the tests."""
        said = answer or Answer(0)
        self.exchanges.append(
            Exchange(
                request.method,
                request.path,
                request.query,
                request.headers,
                request.body,
                said.status,
                said.body,
                said.headers,
            )
        )
