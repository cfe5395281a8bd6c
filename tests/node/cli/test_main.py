"""`tally` finds commands, says what is wrong with a word it does not know, and loads only what it runs."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tallystick.node.cli import main as cli


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and command.summary in printed for name, command in cli.COMMANDS.items())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tally 0.")


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_command_has_its_module(name: str) -> None:
    assert importlib.util.find_spec(cli.COMMANDS[name].module)


@pytest.mark.parametrize(
    ("word", "said"), [("verfy", "did you mean `tally verify`?"), ("供应商 'a!b'", "`tally --help` lists them.")]
)
def test_unknown_command_is_wrong_usage(word: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == cli.USAGE
    assert said in capsys.readouterr().err


def test_a_command_gets_the_words_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Sequence[str]] = []

    def command(argv: Sequence[str]) -> int:
        seen.append(argv)
        return 7

    monkeypatch.setattr(cli, "load", lambda _: command)
    assert cli.main(["verify", "file.json", "--trust", "trust.json"]) == 7
    assert seen == [["file.json", "--trust", "trust.json"]]


def test_a_package_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(_: cli.Command) -> None:
        raise ModuleNotFoundError(name="starlette")

    monkeypatch.setattr(cli, "load", load)
    assert cli.main(["node"]) == cli.USAGE
    assert "'starlette' is not installed" in capsys.readouterr().err


def test_our_own_missing_module_is_a_defect_not_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: cli.Command) -> None:
        raise ModuleNotFoundError(name="tallystick.node.gone")

    monkeypatch.setattr(cli, "load", load)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["node"])


def test_interrupt_has_the_shell_status(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: cli.Command) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load", load)
    assert cli.main(["up"]) == cli.INTERRUPTED


def test_the_dispatcher_loads_nothing_but_the_standard_library() -> None:
    script = (
        "import sys; before = set(sys.modules); import tallystick.node.cli.main, tallystick.node.cli.doctor;"
        "print([n for n in sorted(set(sys.modules) - before)"
        " if n.split('.')[0] not in sys.stdlib_module_names and not n.startswith('tallystick')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
