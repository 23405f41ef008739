"""STIX patterns read into a tree: the grammar of the standard, bounded, without any matching.

Rules: a pattern is at most MAX_PATTERN characters, MAX_TOKENS words and MAX_NESTING parentheses
deep; what the grammar does not know is a `PatternInvalid` with the place. The tree keeps
comparisons as they are; what a comparison means for the ledger is decided in `selection`.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

MAX_PATTERN: Final = 16_384
MAX_TOKENS: Final = 4_000
MAX_NESTING: Final = 24

_TOKEN: Final = re.compile(
    r"\s+"
    r"|(?P<comment>//[^\n]*|/\*.*?\*/)"
    r"|(?P<time>t'[^']{1,40}')"
    r"|(?P<binary>[bh]'[^']*')"
    r"|(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+))"
    r"|(?P<sign><=|>=|!=|<>|==|[=<>\[\]():,.*])"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_-]*)",
    re.DOTALL,
)
_COMPARISONS: Final = ("=", "==", "!=", "<>", "<", ">", "<=", ">=")
_WORDED: Final = ("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class PatternInvalid(Exception):
    """A text that is no STIX pattern, or one past the bounds."""

    def __init__(self, at: int, allowed: str) -> None:
        self.at = at
        """Character, from 0."""
        self.allowed = allowed
        super().__init__(f"at character {at}: {allowed}")


class Comparison(Struct, frozen=True):
    """`path operator value`."""

    path: str
    """As `ipv4-addr:value`; indexes as `[*]`, quoted steps without their quotes."""
    operator: str
    """`=`, `!=`, `<`, `IN`, `LIKE`, `MATCHES`, `ISSUBSET`, `ISSUPERSET`, `EXISTS`, ..."""
    values: tuple[str | float | bool, ...]
    negated: bool = False

    @property
    def object_type(self) -> str:
        """The type of object that is compared."""
        return self.path.partition(":")[0]


class Combined(Struct, frozen=True):
    """Parts that are joined: AND, OR, or FOLLOWEDBY between observations."""

    operator: str
    parts: tuple[Node, ...]
    across: bool = False
    """Whether the parts are observations, which need not be one event."""


class Qualified(Struct, frozen=True):
    """An observation that must be repeated, or happen within a time."""

    part: Node
    qualifier: str
    """`REPEATS`, `WITHIN` or `START`."""


Node = Comparison | Combined | Qualified


class _Token(Struct, frozen=True):
    kind: str
    text: str
    at: int


def read_pattern(text: str) -> Node:
    """The tree of a pattern. Raises PatternInvalid."""
    if len(text) > MAX_PATTERN:
        raise PatternInvalid(MAX_PATTERN, f"at most {MAX_PATTERN} characters")
    reader = _Reader(_tokens(text), len(text))
    tree = reader.observations(0)
    if reader.next is not None:
        raise PatternInvalid(reader.place, "the end of the pattern")
    return tree


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise PatternInvalid(at, "a word, a sign, a number or a quoted text")
        kind = match.lastgroup
        if kind is not None and kind != "comment":
            found.append(_Token(kind, match.group(), at))
            if len(found) > MAX_TOKENS:
                raise PatternInvalid(at, f"at most {MAX_TOKENS} words and signs")
        at = match.end()
    return found


class _Reader:
    """Recursive descent; AND binds closer than OR, FOLLOWEDBY least."""

    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._length = length

    @property
    def next(self) -> _Token | None:
        """The token that comes now."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    @property
    def place(self) -> int:
        """Where it stands."""
        return self._length if self.next is None else self.next.at

    def _is(self, *texts: str) -> bool:
        token = self.next
        return token is not None and token.kind in ("sign", "word") and token.text in texts

    def _take(self, *texts: str) -> bool:
        if self._is(*texts):
            self._at += 1
            return True
        return False

    def _want(self, text: str) -> None:
        if not self._take(text):
            raise PatternInvalid(self.place, f"{text!r}")

    def _deeper(self, depth: int) -> int:
        if depth >= MAX_NESTING:
            raise PatternInvalid(self.place, f"at most {MAX_NESTING} levels of parentheses")
        return depth + 1

    # Observations

    def observations(self, depth: int) -> Node:
        """`[..] FOLLOWEDBY [..] OR [..] AND [..]`."""
        return self._joined(("FOLLOWEDBY", "OR", "AND"), depth, across=True)

    def _joined(self, operators: tuple[str, ...], depth: int, across: bool) -> Node:
        operator, tighter = operators[0], operators[1:]

        def part() -> Node:
            if tighter:
                return self._joined(tighter, depth, across)
            return self._observation(depth) if across else self._test(depth)

        parts = [part()]
        while self._take(operator):
            parts.append(part())
        return parts[0] if len(parts) == 1 else Combined(operator, tuple(parts), across)

    def _observation(self, depth: int) -> Node:
        if self._take("("):
            node = self.observations(self._deeper(depth))
            self._want(")")
        else:
            self._want("[")
            node = self._joined(("OR", "AND"), self._deeper(depth), across=False)
            self._want("]")
        while self._is("REPEATS", "WITHIN", "START"):
            node = Qualified(node, self._qualifier())
        return node

    def _qualifier(self) -> str:
        if self._take("REPEATS"):
            self._number()
            self._want("TIMES")
            return "REPEATS"
        if self._take("WITHIN"):
            self._number()
            self._want("SECONDS")
            return "WITHIN"
        self._want("START")
        self._time()
        self._want("STOP")
        self._time()
        return "START"

    def _number(self) -> None:
        token = self.next
        if token is None or token.kind != "number" or float(token.text) <= 0:
            raise PatternInvalid(self.place, "a number above 0")
        self._at += 1

    def _time(self) -> None:
        token = self.next
        if token is None or token.kind != "time":
            raise PatternInvalid(self.place, "a time as t'2026-11-22T10:00:00Z'")
        self._at += 1

    # Comparisons

    def _test(self, depth: int) -> Node:
        if self._take("("):
            node = self._joined(("OR", "AND"), self._deeper(depth), across=False)
            self._want(")")
            return node
        if self._take("EXISTS"):
            return Comparison(self._path(), "EXISTS", ())
        if self._is("NOT") and self._ahead_is("EXISTS"):
            self._at += 2
            return Comparison(self._path(), "EXISTS", (), negated=True)
        path = self._path()
        negated = self._take("NOT")
        for operator in (*_COMPARISONS, *_WORDED):
            if self._take(operator):
                plain = {"==": "=", "<>": "!="}.get(operator, operator)
                return Comparison(path, plain, (self._literal(),), negated)
        if self._take("IN"):
            return Comparison(path, "IN", self._set(), negated)
        raise PatternInvalid(self.place, "a comparison operator")

    def _ahead_is(self, text: str) -> bool:
        ahead = self._tokens[self._at + 1 : self._at + 2]
        return bool(ahead) and ahead[0].text == text

    def _set(self) -> tuple[str | float | bool, ...]:
        self._want("(")
        if self._take(")"):
            return ()
        values = [self._literal()]
        while self._take(","):
            values.append(self._literal())
        self._want(")")
        return tuple(values)

    def _literal(self) -> str | float | bool:
        token = self.next
        if token is None:
            raise PatternInvalid(self.place, "a value")
        self._at += 1
        match token.kind:
            case "text":
                return _ESCAPED.sub(r"\1", token.text[1:-1])
            case "number":
                return float(token.text)
            case "time" | "binary":
                return token.text
            case "word" if token.text in ("true", "false"):
                return token.text == "true"
        raise PatternInvalid(token.at, "a quoted text, a number, true, false or a time")

    def _path(self) -> str:
        token = self.next
        if token is None or token.kind != "word":
            raise PatternInvalid(self.place, "the path of an object, as ipv4-addr:value")
        self._at += 1
        self._want(":")
        path = f"{token.text}:{self._step()}"
        while True:
            if self._take("."):
                path += "." + self._step()
            elif self._take("["):
                path += f"[{self._index()}]"
                self._want("]")
            else:
                return path

    def _step(self) -> str:
        token = self.next
        if token is None or token.kind not in ("word", "text"):
            raise PatternInvalid(self.place, "the name of a property")
        self._at += 1
        return token.text[1:-1] if token.kind == "text" else token.text

    def _index(self) -> str:
        token = self.next
        if token is None or (token.text != "*" and not token.text.isdigit()):
            raise PatternInvalid(self.place, "an index or *")
        self._at += 1
        return token.text
