"""A Postgres server for the tests of one worker; each takes databases of its own on it."""

from __future__ import annotations

import itertools

from sqlalchemy import create_engine, make_url, text


class Postgres:
    """The server at a URL."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """The URL of a new, empty database, as people write it."""
        name = f"t{next(self._numbers)}"
        engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self._url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
