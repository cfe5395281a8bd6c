"""How commands that talk to a running node find it and sign in."""

import argparse
import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tallystick.core.errors import Invalid
from tallystick.node import settings as node_settings
from tallystick.node.client import Client

USUAL = "http://127.0.0.1:8441"


def add_arguments(parser: argparse.ArgumentParser, user: str = "admin") -> None:
    """Where the node is, and whose rights to use."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--node", help=f"the node's address (default: {USUAL})")
    where.add_argument("--data", type=Path, help="the organisation's data folder, which knows the address")
    parser.add_argument("--user", default=user, help="whose rights to use (default: %(default)s)")
    parser.add_argument("--password-file", type=Path, help="file that holds the password; asked for when left out")


@asynccontextmanager
async def signed_in(options: argparse.Namespace) -> AsyncIterator[Client]:
    """A client of the node that the options name, signed in."""
    node = node_settings.load(options.data).endpoint_url if options.data else options.node or USUAL
    password = _password(options)
    async with Client(node.rstrip("/")) as client:
        await client.sign_in(options.user, password)
        yield client


def _password(options: argparse.Namespace) -> str:
    if options.password_file is not None:
        text: str = options.password_file.read_text(encoding="utf-8")
        return text.rstrip("\r\n")
    if not os.isatty(sys.stdin.fileno()):
        raise Invalid("there is no terminal to ask for a password; give --password-file", code="no_password")
    return getpass.getpass(f"password of {options.user}: ")
