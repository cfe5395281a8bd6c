"""Words and numbers that the source language fixes beside those of the compiled form."""

INITIALIZE, FINALIZE, REJECTED = "initialize_collaboration", "finalize_collaboration", "finalize_rejected"
RESERVED = (INITIALIZE, FINALIZE, REJECTED)
PRIORITIES = ("low", "normal", "high", "critical")
LEVELS = ("low",) * 3 + ("normal",) * 3 + ("high",) * 3 + ("critical",) * 2  # the priorities 0 to 10 of names.md
TIMED_OUT = "timed_out"  # the code of a failure for want of time
