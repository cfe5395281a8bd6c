"""A worker: takes tasks from one queue of a node, has a function do them, and answers.

::

    async def press(task: Task) -> dict[str, Any]:
        return {"force_kn": await measure(task.input["part"])}

    async with Worker("https://node.example", token, "press") as worker:
        await worker.run(press)

A task may come more than once: after a crash, or when the node heard nothing for too long. ``idempotency_token`` is the
same each time. Heartbeats are sent while the function runs; when the node no longer wants the answer, the function is
cancelled. An answer is sent until the node has taken or refused it.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2
import msgspec

from tallystick.core.errors import TallystickError, Unavailable

logger = logging.getLogger(__name__)
WAIT_S = 20
TIMEOUT_S = 30.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Refused(TallystickError):
    """The node does not take a request; ``status``, ``code`` and ``state`` are what it said. Asking again is no use."""

    default_code = "refused"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or status), code=str(problem.get("code") or "refused"))
        self.status = status
        self.state = problem.get("state")


class TaskFailed(TallystickError):
    """Raise it in a handler: the task cannot be done. The step's retry policy looks at ``code``."""

    default_code = "failed"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed task. ``delivery`` counts how often it has been given out, ``due_at`` is in milliseconds since 1970."""

    task_id: str
    claim_token: str
    idempotency_token: str
    execution_id: str
    step: str
    name: str
    attempt: int
    activity_type: str
    input: dict[str, Any]
    priority: str
    delivery: int
    lease_expires_at: int
    lease_seconds: float
    due_at: int | None = None


Handler = Callable[[Task], Awaitable[dict[str, Any]]]


class Worker:
    """One worker of one queue, with up to ``concurrency`` tasks at a time."""

    def __init__(
        self,
        url: str,
        token: str,
        queue: str,
        *,
        worker_id: str | None = None,
        concurrency: int = 1,
        lease_seconds: int = 60,
    ) -> None:
        self.worker_id = worker_id or f"{socket.gethostname()}-{os.getpid()}"
        self._queue = queue
        self._free = asyncio.Semaphore(concurrency)
        self._lease_seconds = lease_seconds
        self._running: set[asyncio.Task[None]] = set()
        self._http = httpx2.AsyncClient(
            base_url=f"{url}/api/v1",
            headers={"authorization": f"Bearer {token}"},
            timeout=WAIT_S + TIMEOUT_S,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._http.aclose()

    async def run(self, handler: Handler) -> None:
        """Work until cancelled; only a node that refuses this worker ends it with :class:`Refused`."""
        while True:
            await self._free.acquire()
            try:
                tasks = await self._patiently(partial(self.claim, 1))
            except BaseException:
                self._free.release()
                raise
            if not tasks:
                self._free.release()
            for one in tasks:
                doing = asyncio.create_task(self._do(one, handler))
                self._running.add(doing)
                doing.add_done_callback(self._ended)

    async def claim(self, count: int, *, wait_seconds: int = WAIT_S) -> list[Task]:
        """At most ``count`` tasks; none when the queue stays empty for ``wait_seconds``."""
        body = {
            "worker_id": self.worker_id,
            "max_tasks": count,
            "wait_seconds": wait_seconds,
            "lease_seconds": self._lease_seconds,
        }
        answer = await self._post(f"/task-queues/{quote(self._queue, safe='')}/claim", body)
        return msgspec.convert(answer["items"], list[Task])

    async def complete(self, task: Task, data: dict[str, Any]) -> None:
        """Answer a task; :class:`Refused` when it is no longer this worker's."""
        await self._post(f"/tasks/{task.task_id}/complete", {"claim_token": task.claim_token, "data": data})

    async def fail(self, task: Task, code: str, message: str = "") -> None:
        """Say that a task could not be done."""
        body = {"claim_token": task.claim_token, "code": code, "message": message[:4000]}
        await self._post(f"/tasks/{task.task_id}/fail", body)

    async def heartbeat(self, task: Task) -> None:
        """Keep a task for as long again."""
        await self._post(f"/tasks/{task.task_id}/heartbeat", {"claim_token": task.claim_token})

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._free.release()

    async def _do(self, task: Task, handler: Handler) -> None:
        doing = asyncio.ensure_future(handler(task))
        beating = asyncio.create_task(self._beat(task, doing))
        try:
            result = await doing
        except TaskFailed as error:
            await self._answer(task, partial(self.fail, task, error.code, error.detail))
        except asyncio.CancelledError:
            doing.cancel()
            logger.info("task %s was given up", task.task_id)
        except Exception as error:
            logger.exception("task %s", task.task_id)
            words = f"{type(error).__name__}: {error}"
            await self._answer(task, partial(self.fail, task, "exception", words))
        else:
            await self._answer(task, partial(self.complete, task, result))
        finally:
            beating.cancel()

    async def _beat(self, task: Task, doing: "asyncio.Future[dict[str, Any]]") -> None:
        """Say three times a lease that the task is worked on; an answer that nobody wants any more is not made."""
        while True:
            await asyncio.sleep(task.lease_seconds / 3)
            try:
                await self.heartbeat(task)
            except Refused as error:
                logger.warning("task %s is lost: %s", task.task_id, error)
                doing.cancel()
                return
            except Unavailable as error:
                logger.warning("no heartbeat: %s", error)

    async def _answer(self, task: Task, send: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._patiently(send)
        except Refused as error:
            logger.warning("the answer to task %s was refused: %s", task.task_id, error)
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY:  # what the handler made is not what the step takes
                with contextlib.suppress(Refused):
                    await self._patiently(partial(self.fail, task, error.code, str(error)))

    async def _patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask until the node answers; each wait is longer than the one before, up to half a minute."""
        tried = 0
        while True:
            try:
                return await ask()
            except Unavailable as error:
                logger.warning("%s", error)
                await asyncio.sleep(BACKOFF_S[min(tried, len(BACKOFF_S) - 1)])
                tried += 1

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        try:
            response = await self._http.post(path, json=body)
        except httpx2.TransportError as error:
            raise Unavailable(f"the node does not answer: {error}") from error
        if response.is_success:
            return response.json()
        if (
            response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            or response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        ):
            raise Unavailable(f"the node answers {response.status_code}")
        found = response.json() if "json" in response.headers.get("content-type", "") else {}
        raise Refused(response.status_code, found if isinstance(found, dict) else {})
