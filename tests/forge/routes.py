"""From a method and a path to the function that answers, by templates as in OpenAPI descriptions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

#: Takes the host and the request; returns an answer or raises one.
Operation = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. ``template`` names the path as the vendor's description does."""

    method: str
    template: str
    pattern: re.Pattern[str]
    operation: Operation


class Router:
    """The operations of one API, tried in the order in which they were added."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def on(self, method: str, template: str) -> Callable[[Operation], Operation]:
        """Registers an operation. ``{name:path}`` also takes slashes; ``{name}`` does not, but takes ``%2F``."""

        def add(operation: Operation) -> Operation:
            pattern = re.sub(r"\\{(\w+):path\\}", r"(?P<\1>.+)", re.escape(template))
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)
            plain = template.replace(":path}", "}")
            self.routes.append(Route(method, plain, re.compile(pattern + r"/?\Z"), operation))
            return operation

        return add

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation for a path as it was sent, and the decoded values of its parameters."""
        for route in self.routes:
            if route.method == method and (match := route.pattern.match(path)):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return None
