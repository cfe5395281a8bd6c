"""`tally definition`: what it prints and how it exits."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from support.examples import FOLDER, NAMES, example
from tallystick.core.definition.compile import compile_typed
from tallystick.node.cli.definition import main
from tallystick.node.definitions.difference import differences
from tallystick.node.definitions.grammar import grammar

SIGNAL = "signals.ship_arrived"
CONDITION = f'(has({SIGNAL}) && has({SIGNAL}.damaged) && {SIGNAL}.damaged) ? "%s" : "unload"'
WAIT = str(FOLDER / "wait.yaml")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A definition with two faults."""
    path = tmp_path / "坏 definition.yaml"
    text = Path(WAIT).read_text(encoding="utf-8")
    path.write_text(
        text.replace("on_timeout: trace", "on_timeout: trase").replace("[carrier]", "[carier]"), encoding="utf-8"
    )
    return path


def test_check_says_what_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *(str(FOLDER / f"{name}.yaml") for name in NAMES)]) == 0
    assert f"{WAIT}: good: Wait for the ship, version 1, 7 steps" in capsys.readouterr().out


def test_check_tells_every_fault_with_its_line(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(bad)]) == 1
    out = capsys.readouterr().out
    assert ":14: /steps/0/wait/from/0: there is no organisation carier (did you mean carrier?)" in out
    assert ":16: /steps/0/wait/on_timeout: there is no step trase (did you mean trace?)" in out
    assert "2 faults" in out


def test_check_as_json(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", str(bad)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    assert {fault["pointer"] for fault in report["faults"]} == {"/steps/0/wait/from/0", "/steps/0/wait/on_timeout"}
    assert main(["check", "--json", WAIT, WAIT]) == 0
    assert [one["ok"] for one in json.loads(capsys.readouterr().out)] == [True, True]


def test_check_of_what_is_no_definition_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.json"
    path.write_text("{", encoding="utf-8")
    assert main(["check", str(path)]) == 1
    assert "malformed_json" in capsys.readouterr().out


def test_unknown_time_zones_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    text = (FOLDER / "timer.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("Asia/Shanghai", "Asia/Shangai"), encoding="utf-8")
    assert main(["check", str(path)]) == 1
    assert "did you mean Asia/Shanghai?" in capsys.readouterr().out


def test_fmt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a:   1\nb: [ 'x' ]\n", encoding="utf-8")
    assert main(["fmt", "--check", str(path)]) == 1
    assert main(["fmt", str(path)]) == 0
    assert "a: 1\nb: [x]\n" in capsys.readouterr().out
    assert main(["fmt", "--write", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == "a: 1\nb: [x]\n"
    assert main(["fmt", "--check", str(path)]) == 0
    path.write_text("a: &x 1\n", encoding="utf-8")
    assert main(["fmt", "--write", str(path)]) == 1
    assert "there are no anchors" in capsys.readouterr().err


def test_fmt_of_the_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}')))
    assert main(["fmt", "-"]) == 0
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'


def test_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    text = Path(WAIT).read_text(encoding="utf-8")
    changes = {
        "1209600": "60",
        "name: Unload\n": "name: Unload it\n",
        "id: inspect": "id: examine",
        "step: inspect": "step: examine",
    }
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    assert main(["diff", WAIT, str(path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ steps › arrival › timeout_seconds: 1209600 → 60",
        "- steps › arrival_route › next_steps › inspect: {step: inspect, outcome: inspect}",
        "+ steps › arrival_route › next_steps › examine: {step: examine, outcome: examine}",
        f"~ steps › arrival_route › expression: {CONDITION % 'inspect'} → {CONDITION % 'examine'}",
        "- steps › inspect: user_task “Inspect the damage” by huaxia",
        "~ steps › unload › name: Unload → Unload it",
        "+ steps › examine: user_task “Inspect the damage” by huaxia",
    ]
    assert main(["diff", WAIT, WAIT]) == 0
    assert capsys.readouterr().out == "the same\n"
    assert main(["diff", "--json", WAIT, str(path)]) == 1
    assert json.loads(capsys.readouterr().out)[0]["kind"] == "changed"


def change(name: str, **changes: Any) -> list[str]:
    source = example(name)
    before = compile_typed(source)
    return [str(one) for one in differences(before, compile_typed({**source, **changes}))]


def test_how_differences_read() -> None:
    assert change("timer", version="2", description="x") == ["~ description:  → x", "~ version: 1 → 2"]
    within = example("sub_workflow")["definitions"]
    assert change("sub_workflow", definitions=[*within, {**within[0], "id": "other"}]) == [
        "+ definitions › other: “Delivery by the carrier” with 4 steps"
    ]
    assert change("routes", triggers=[]) != []


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError):  # which `tally` tells in one line
        main(["diff", WAIT, "/nowhere.yaml"])


def test_faults_in_diff_are_one_line(bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", WAIT, str(bad)]) == 1
    assert "there is no organisation carier (and 1 more)" in capsys.readouterr().err


def test_simulate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(FOLDER / "timer.yaml"), "--begin", "2026-11-24T00:00:00Z"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "        00:15:00  cool_down.1  timer: is due",
        "    6 d 00:00:00  monday.1  timer: is due",
        "   96 d 16:00:00  season.1  timer: is due",
        "   96 d 16:00:00  begin.1  activity by huaxia: completed",
        "completed",
    ]
    answers = tmp_path / "answers.yaml"
    answers.write_text("steps:\n  customs: {$fail: closed}\n", encoding="utf-8")
    journey = str(FOLDER / "compensation.yaml")
    assert main(["simulate", journey, "--answers", str(answers)]) == 1
    assert capsys.readouterr().out.endswith("release.1  activity by blueline: completed\nfailed (closed)\n")
    assert main(["simulate", journey, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "completed"
    answers.write_text("steps: {custom: {}}", encoding="utf-8")
    assert main(["simulate", journey, "--answers", str(answers)]) == 1
    assert "did you mean customs?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["simulate", journey, "--begin", "now"])


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["example"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == NAMES
    assert main(["example", "wait"]) == 0
    assert capsys.readouterr().out == Path(WAIT).read_text(encoding="utf-8")
    assert main(["example", "nope"]) == 1


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == grammar()
