"""The frozen vectors of profile v1: what an agreement's decisions mean for as long as it is kept."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallystick.core.expression.evaluate import evaluate
from tallystick.core.expression.lexer import ExpressionError

FILE = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", FILE["vectors"], ids=lambda one: one["expression"][:40])
def test_vector(vector: dict[str, Any]) -> None:
    try:
        value = evaluate(vector["expression"], FILE["variables"])
    except ExpressionError as error:
        assert vector.get("error") == error.code  # noqa: PT017 - a value in its place is as wrong
    else:
        shown = {"decimal": str(value)} if isinstance(value, Decimal) else value
        assert ("value" in vector, type(shown), shown) == (True, type(vector["value"]), vector["value"])


def test_the_vectors_are_of_this_profile() -> None:
    assert FILE["profile"] == 1
    assert len(FILE["vectors"]) > 80
