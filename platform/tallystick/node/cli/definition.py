"""`tally definition`: check, lay out, compare and run definitions before anyone signs them."""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import msgspec

from tallystick.core.definition.compile import compile_typed
from tallystick.core.definition.faults import DefinitionErrors, Fault
from tallystick.core.definition.instants import milliseconds
from tallystick.core.definition.model import CompiledDefinition
from tallystick.core.errors import Invalid, NotFound
from tallystick.node.definitions import examples
from tallystick.node.definitions.difference import differences
from tallystick.node.definitions.grammar import grammar
from tallystick.node.definitions.layout import laid_out
from tallystick.node.definitions.places import lines
from tallystick.node.definitions.reading import load
from tallystick.node.definitions.script import Script
from tallystick.node.definitions.simulate import simulate
from tallystick.node.definitions.trace import Line

OK, BAD, USAGE = 0, 1, 2
EPILOG = """\
Files are JSON or YAML; - reads the standard input. Exit status: 0 good, 1 faults or differences, 2 wrong usage.
The language: platform/DEFINITIONS.md, and as a JSON Schema `tally definition schema`.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (Invalid, NotFound) as error:
        print(f"tally definition: {error}", file=sys.stderr)
        return BAD


def check(options: argparse.Namespace) -> int:
    """Every fault of every file."""
    reports = [_report(name) for name in options.files]
    if options.json:
        _print_json(reports if len(reports) > 1 else reports[0])
    else:
        for report in reports:
            _print_report(report)
    return OK if all(report["ok"] for report in reports) else BAD


def layout(options: argparse.Namespace) -> int:
    """The one layout, to the standard output or into the files; with --check only whether they have it."""
    status = OK
    for name in options.files:
        data = _read(name)
        with _about(name):
            text = laid_out(data)
        if options.check:
            if text.encode() != data:
                print(f"{name}: another layout")
                status = BAD
        elif options.write and name != "-":
            if text.encode() != data:
                Path(name).write_text(text, encoding="utf-8")
                print(f"{name}: laid out")
        else:
            sys.stdout.write(text)
    return status


def diff(options: argparse.Namespace) -> int:
    """What the second definition means that the first one does not, and the other way round."""
    found = differences(_compiled(options.before), _compiled(options.after))
    if options.json:
        _print_json([msgspec.to_builtins(one) for one in found])
    else:
        for one in found:
            print(one)
        if not found:
            print("the same")
    return BAD if found else OK


def run_through(options: argparse.Namespace) -> int:
    """Run a definition through the engine, with answers that are given or thought of, and print its steps."""
    definition, answers = _compiled(options.file), None
    if options.answers is not None:
        with _about(options.answers):
            answers = load(_read(options.answers)).document
    ended = simulate(definition, Script(answers, definition), begin=options.begin)
    if options.json:
        _print_json(msgspec.to_builtins(ended))
    else:
        for line in ended.lines:
            print(_line(line))
        result = f" ({ended.outcome})" if ended.outcome not in {None, ended.status} else ""
        print(f"stuck: {ended.stuck}" if ended.stuck else f"{ended.status}{result}")
    return OK if ended.status == "completed" else BAD


def example(options: argparse.Namespace) -> int:
    """One example as it is written, or what examples there are."""
    if options.name is None:
        for name in examples.names():
            print(f"{name:<20}{examples.summary(name)}")
    else:
        sys.stdout.write(examples.text(options.name))
    return OK


def schema(options: argparse.Namespace) -> int:
    """The language as a JSON Schema."""
    print(json.dumps(grammar(), indent=1, ensure_ascii=False))
    return OK


def _report(name: str) -> dict[str, Any]:
    data = _read(name)
    try:
        found = compile_typed(load(data).document, time_zones=available_timezones())
    except DefinitionErrors as error:
        places = lines(data)
        return {"file": name, "ok": False, "faults": [_fault(one, places) for one in error.errors]}
    except Invalid as error:
        fault = Fault("", error.code, error.detail)
        return {"file": name, "ok": False, "faults": [_fault(fault, {})]}
    facts = {"id": found.id, "name": found.name, "version": found.version, "steps": len(found.steps)}
    return {"file": name, "ok": True, "faults": [], **facts}


def _fault(fault: Fault, places: dict[str, int]) -> dict[str, Any]:
    """A fault with the line of its place, or of what should hold it."""
    pointer = fault.pointer
    while pointer and pointer not in places:
        pointer = pointer.rpartition("/")[0]
    return {**msgspec.to_builtins(fault), "line": places.get(pointer)}


def _print_report(report: dict[str, Any]) -> None:
    if report["ok"]:
        print(f"{report['file']}: good: {report['name']}, version {report['version']}, {report['steps']} steps")
        return
    for fault in report["faults"]:
        where = f"{report['file']}:{fault['line']}" if fault["line"] else report["file"]
        hint = f" ({fault['suggestion']})" if fault["suggestion"] else ""
        print(f"{where}: {fault['pointer'] or '/'}: {fault['detail']}{hint} [{fault['code']}]")
    count = len(report["faults"])
    print(f"{report['file']}: {count} fault{'s' if count > 1 else ''}")


def _line(line: Line) -> str:
    """Time since the start, the task, who did it, and what came of it."""
    days, seconds = divmod(line.at // 1000, 86_400)
    clock = f"{f'{days} d' if days else '':>7} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    by = f" by {line.org}" if line.org else ""
    outcome = f" → {line.outcome}" if line.outcome is not None else ""
    data = "  " + json.dumps(line.data, ensure_ascii=False) if line.data else ""
    return f"{clock}  {'  ' * line.level}{line.task}  {line.step_type}{by}: {line.event}{outcome}{data}"


def _instant(text: str) -> int:
    """An RFC 3339 instant of the command line."""
    found = milliseconds(text)
    if found is None:
        raise argparse.ArgumentTypeError("an RFC 3339 instant is expected, such as 2026-11-25T08:00:00Z")
    return found


def _compiled(name: str) -> CompiledDefinition:
    with _about(name):
        return compile_typed(load(_read(name)).document, time_zones=available_timezones())


@contextlib.contextmanager
def _about(name: str) -> Iterator[None]:
    """A refusal in here says which file it is about."""
    try:
        yield
    except DefinitionErrors:
        raise
    except Invalid as error:
        raise Invalid(f"{name} {error.detail}", code=error.code) from error


def _read(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tally definition",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        one.set_defaults(run=run)
        return one

    one = command("check", check)
    one.add_argument("files", nargs="+", metavar="FILE")
    one.add_argument("--json", action="store_true", help="the faults as JSON, with pointers and lines")
    one = command("fmt", layout)
    one.add_argument("files", nargs="+", metavar="FILE")
    one.add_argument("--write", action="store_true", help="put the layout into the files")
    one.add_argument("--check", action="store_true", help="only say which files have another layout")
    one = command("diff", diff)
    one.add_argument("before", metavar="BEFORE")
    one.add_argument("after", metavar="AFTER")
    one.add_argument("--json", action="store_true", help="the differences as JSON")
    one = command("simulate", run_through)
    one.add_argument("file", metavar="FILE")
    one.add_argument("--answers", metavar="FILE", help="the input and each step's answers; see platform/DEFINITIONS.md")
    one.add_argument("--begin", type=_instant, default=0, metavar="INSTANT", help="when it starts (default: 1970)")
    one.add_argument("--json", action="store_true", help="what happened as JSON")
    one = command("example", example)
    one.add_argument("name", nargs="?", help="which one; without it, a list")
    command("schema", schema)
    return parser
