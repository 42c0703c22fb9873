"""JSON over many lines: an object, or an array whose elements are taken one by one. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|$)|[{}\[\]]')


@dataclass(frozen=True, slots=True)
class Whole:
    """The text of an object that is complete; it begins in line `row`."""

    row: int
    text: str


@dataclass(frozen=True, slots=True)
class Waste:
    """What stands where no object is, or an object that can have no end; `cut` where it is the latter."""

    row: int
    text: str
    cut: bool = False


@dataclass
class LongDocument:
    """What was read of a document so far; `row` is where it, or the element under way, begins."""

    row: int = 0
    depth: int = 0
    in_array: bool = False
    _held: list[str] = field(default_factory=list)
    _between: list[str] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """More lines belong to it."""
        return self.in_array or self.depth > 0

    def take(self, row: int, line: str) -> Iterator[Whole | Waste]:
        """The objects that end in this line, and what is none."""
        begin = 0
        self._between = []
        for token in _TOKEN.finditer(line):
            sign = token.group()
            if sign[0] == '"':
                if len(sign) < 2 or sign[-1] != '"':
                    yield Waste(self.row if self.depth else row, line.strip(), cut=True)
                    self.depth, self.in_array, self._held = 0, False, []
                    return
            elif self.depth == 0:
                self._between.append(line[begin : token.start()])
                begin = self._outside(row, sign, token.start())
            elif sign in "{[":
                self.depth += 1
            else:
                self.depth -= 1
                if self.depth == 0:
                    yield Whole(self.row, "".join([*self._held, line[begin : token.end()]]))
                    self._held, begin = [], token.end()
        (self._held if self.depth else self._between).append(line[begin:])
        if rest := "".join(self._between).replace(",", "").strip():
            yield Waste(row, rest)

    def _outside(self, row: int, sign: str, at: int) -> int:
        """A bracket that stands in no object is taken note of; gives where the text after it begins."""
        if sign == "{" or (sign == "[" and self.in_array):
            self.row, self.depth = row, 1
            return at
        if sign == "[":
            self.row, self.in_array = row, True
        else:
            if not (sign == "]" and self.in_array):
                self._between.append(sign)
            self.in_array = False
        return at + 1
