"""Threads that read a type for the first time at the same moment do not end the process."""

import subprocess
import sys

import msgspec

from support.parties import BUYER, CARRIER, SUPPLIER, agreement_document
from tallystick.core.keys import SigningKey
from tallystick.core.prepared import prepare

# Each interpreter has one first time only. Without `prepare` several of these die.
READ_AT_ONCE = """
import sys, threading
import msgspec
from tallystick.core.agreement import Agreement
from tallystick.core.prepared import prepare
document = sys.stdin.buffer.read()
prepare()
sys.setswitchinterval(1e-6)
together = threading.Barrier(4)
def read():
    together.wait()
    msgspec.json.decode(document, type=Agreement)
threads = [threading.Thread(target=read) for _ in range(4)]
for one in threads: one.start()
for one in threads: one.join()
"""


def test_types_are_read_by_several_threads_for_the_first_time() -> None:
    keys = {org: SigningKey.generate() for org in (BUYER, SUPPLIER, CARRIER)}
    document = msgspec.json.encode(agreement_document(keys))
    for _ in range(20):
        subprocess.run([sys.executable, "-c", READ_AT_ONCE], input=document, check=True, timeout=60)


def test_what_cannot_be_read_hinders_nothing() -> None:
    class Odd(msgspec.Struct):
        what: "Nothing"  # type: ignore[name-defined]  # noqa: F821

    class Even(msgspec.Struct):
        what: int

    prepare()
    assert msgspec.json.decode(b'{"what":1}', type=Even).what == 1
    assert not issubclass(Odd, Even)
