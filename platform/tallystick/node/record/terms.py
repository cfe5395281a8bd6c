"""Terms under which an execution is found: its participants, its definition, and the words of their names."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise

from tallystick.core.agreement import Agreement, Parent

MAX_WORDS = 64  # of one execution; a query has fewer
_MAX_WORD = 64  # characters: a whole execution id
# Scripts that write no spaces (Han, kana, Hangul): found by one or two of their characters.
_DENSE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(rf"[{_DENSE}]+|[^\W_{_DENSE}]+")


def words(text: str) -> list[str]:
    """The words of ``text`` in order, each once: case and width make no difference."""
    found: dict[str, None] = {}
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        for word in _split(run):
            found[word] = None
            if len(found) == MAX_WORDS:
                return list(found)
    return list(found)


def terms(agreement: Agreement, execution: str) -> list[str]:
    """The terms of an execution under ``agreement``."""
    definition = agreement.compiled
    names = " ".join([definition.name, definition.id, *_names(agreement)])
    return [
        *(participant(one.org_id) for one in agreement.participants),
        defined_by(definition.id),
        *([child_of(agreement.parent)] if agreement.parent else []),
        *map(word, dict.fromkeys([execution, *_words_of(names)[: MAX_WORDS - 1]])),
    ]


@lru_cache(maxsize=1024)
def _words_of(names: str) -> tuple[str, ...]:
    """Many executions follow one definition."""
    return tuple(words(names))


def participant(org_id: str) -> str:
    """The term of the executions that the organisation takes part in."""
    return f"p:{org_id}"


def child_of(parent: Parent) -> str:
    """The term of the execution that is the work of an attempt at a sub-workflow."""
    return f"c:{parent.execution}/{parent.task}/{parent.attempt}"


def defined_by(definition_id: str) -> str:
    """The term of a definition's executions."""
    return f"d:{definition_id}"


def word(text: str) -> str:
    """The term of one of :func:`words`."""
    return f"w:{text}"


def _names(agreement: Agreement) -> Iterable[str]:
    for one in agreement.participants:
        yield from (one.org_id, one.name, one.role)


def _split(run: str) -> Iterable[str]:
    if re.match(rf"[{_DENSE}]", run) is None:
        yield run[:_MAX_WORD]
        return
    yield from run
    yield from (first + second for first, second in pairwise(run))
