"""The CPU that other processes of a node use."""

import os
from pathlib import Path


def seconds(pid: int | None) -> float:
    """What a process has used since its start; 0 for none, or where the system does not tell it in /proc."""
    if pid is None:
        return 0.0
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
