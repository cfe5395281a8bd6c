"""Delivery over real servers."""

import asyncio

from tallystick.core.errors import Unavailable
