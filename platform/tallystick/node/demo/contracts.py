"""The demo's contracts: deployed once to its own chain."""
