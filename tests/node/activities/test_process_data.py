"""Values made of values."""

from typing import Any

import pytest

from node.activities.calls import FakeCall
from tallystick.core import canonical
from tallystick.node.activities.failing import ActivityFailed
from tallystick.node.activities.process_data import process_data

ORDER = {"lines": [{"amount": "12.50", "count": 3}, {"amount": "0.10", "count": 1}], "单号": "A-17"}


async def test_each_property_is_made_by_its_expression() -> None:
    output = {
        "total": "decimal(input.lines[0].amount) + decimal(input.lines[1].amount)",
        "many": "input.lines[0].count > 2",
        "number": 'input["单号"]',
        "lines": '[{"sum": decimal(input.lines[0].amount)}]',
        "nothing": "null",
    }
    made = await process_data(FakeCall(input={"input": ORDER, "output": output}))
    assert made == {"total": "12.60", "many": True, "number": "A-17", "lines": [{"sum": "12.50"}], "nothing": None}
    canonical.encode(made)


@pytest.mark.parametrize(
    ("given", "code", "pointer"),
    [
        ({}, "invalid_input", "/input/output"),
        ({"output": {}}, "invalid_input", "/input/output"),
        ({"output": {"a": 1}}, "invalid_input", "/input/output"),
        ({"output": {"a": "input.x"}, "input": []}, "invalid_input", "/input/input"),
        ({"output": {"a": "input.x"}}, "expression_failed", "/input/output/a"),
        ({"output": {"a": "input."}}, "expression_failed", "/input/output/a"),
        ({"output": {"a": "other"}}, "expression_failed", "/input/output/a"),
        ({"output": {"a": "input.f"}, "input": {"f": 1.5}}, "expression_failed", "/input/output/a"),
        ({"output": {str(n): "1" for n in range(101)}}, "invalid_input", "/input/output"),
    ],
)
async def test_faults_name_the_property(given: dict[str, Any], code: str, pointer: str) -> None:
    with pytest.raises(ActivityFailed) as failed:
        await process_data(FakeCall(input=given))
    assert (failed.value.code, failed.value.pointer, failed.value.retryable) == (code, pointer, False)
