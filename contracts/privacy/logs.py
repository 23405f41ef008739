"""Log entries of the privacy contracts, taken apart by a table of shapes.

Rules it owns: the ABI form of event data (words, then one byte string or some lists) is accepted in
the one canonical form that the contracts write, bounded before anything is built. It knows no
event: which shapes there are, each binding says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from contracts.words import WORD


class EventShape(Struct, frozen=True):
    """How an event is laid out.

    Attributes:
        name: its name.
        topics: indexed arguments.
        words: static arguments in the data.
        most_bytes: bound of the byte string at the end; 0 where there is none.
        lists: lists of words at the end.
        most_items: bound of each list.
    """

    name: str
    topics: int
    words: int
    most_bytes: int = 0
    lists: int = 0
    most_items: int = 0


class EventFields(Struct, frozen=True):
    """One event's arguments: indexed ones, words, byte string, lists."""

    name: str
    topics: tuple[bytes, ...]
    words: tuple[bytes, ...]
    blob: bytes
    lists: tuple[tuple[bytes, ...], ...]

    def number(self, place: int) -> int:
        """A static argument as a number."""
        return int.from_bytes(self.words[place], "big")

    def indexed(self, place: int) -> int:
        """An indexed argument as a number."""
        return int.from_bytes(self.topics[place], "big")


def event_fields(
    shapes: Mapping[bytes, EventShape], topics: Sequence[bytes], data: bytes
) -> EventFields | None:
    """The arguments of an event of one of these shapes, by first topic; None for any other."""
    shape = shapes.get(topics[0]) if topics else None
    if shape is None or len(topics) != 1 + shape.topics or any(len(t) != WORD for t in topics):
        return None
    dynamic = shape.lists + (shape.most_bytes > 0)
    head = (shape.words + dynamic) * WORD
    if len(data) < head or (dynamic == 0 and len(data) != head):
        return None
    words = tuple(data[at : at + WORD] for at in range(0, head, WORD))
    offsets = [int.from_bytes(word, "big") for word in words[shape.words :]]
    blob: bytes = b""
    lists: list[tuple[bytes, ...]] = []
    at = head
    for offset in offsets:
        if offset != at or len(data) < at + WORD:
            return None
        length = int.from_bytes(data[at : at + WORD], "big")
        size = length if shape.most_bytes else length * WORD
        most = shape.most_bytes or shape.most_items * WORD
        if size > most:
            return None
        content, at = data[at + WORD : at + WORD + size], at + WORD + size + -size % WORD
        if len(data) < at or any(data[at - -size % WORD : at]):
            return None
        if shape.most_bytes:
            blob = content
        else:
            lists.append(tuple(content[i : i + WORD] for i in range(0, size, WORD)))
    if at != len(data):
        return None
    return EventFields(shape.name, tuple(topics[1:]), words[: shape.words], blob, tuple(lists))


def bytes_tail(data: bytes) -> bytes:
    """A byte string as the last argument of a call: its length, then whole words."""
    return len(data).to_bytes(WORD, "big") + data + bytes(-len(data) % WORD)


def words_tail(items: Sequence[bytes]) -> bytes:
    """A list of words as the last argument of a call: its length, then the words."""
    return len(items).to_bytes(WORD, "big") + b"".join(items)
