"""What the fork server imports before any node is born: see :mod:`support.nursery`."""

from support import nursery

nursery.load()
