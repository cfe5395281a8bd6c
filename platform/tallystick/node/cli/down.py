"""`tally down`: stop what `tally up` started."""

import argparse
from collections.abc import Sequence

from tallystick.node.cli.demo import supervised
from tallystick.node.demo.console import Console
from tallystick.node.demo.resident import down


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argparse.ArgumentParser(prog="tally down", description=__doc__).parse_args(argv)
    return supervised("tally down", down(Console()))
