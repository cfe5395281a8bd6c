"""`tally up`: leave three organisations running, with sign-in links and a task waiting for you."""

import argparse
from collections.abc import Sequence

from tallystick.node.cli.demo import supervised
from tallystick.node.demo.console import Console
from tallystick.node.demo.resident import up


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    argparse.ArgumentParser(prog="tally up", description=__doc__).parse_args(argv)
    return supervised("tally up", up(Console()))
