"""What an organisation lets its activities do: the ``activities`` section of its settings.

Definitions come from partners too, so everything here is this organisation's decision alone: a step can only use what
stands here, and names credentials without ever seeing them. Relative paths lie in the data folder.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=10_000)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the settings."""


class Credential(_Section, frozen=True):
    """A header that ``http_request`` sends, to ``origin`` (``https://erp.example``) only.

    ``file`` holds the header's whole value and must be readable by its owner only.
    """

    origin: str
    file: str
    header: str = "authorization"


class HttpSettings(_Section, frozen=True):
    """``allowed_hosts`` (``host:port``) may lie at private addresses; ``ca_file`` is trusted beside the system's."""

    allowed_hosts: tuple[str, ...] = ()
    credentials: dict[str, Credential] = {}
    ca_file: str | None = None
    max_seconds: Annotated[int, Meta(ge=1, le=3600)] = 25
    max_bytes: Annotated[int, Meta(ge=1, le=500_000)] = 200_000  # a value travels in one message of the record


class MqttSettings(_Section, frozen=True):
    """The organisation's broker, over MQTT 3.1.1, and the ``topics`` that ``send_mqtt_message`` may publish.

    With ``events`` the node also subscribes to what the event triggers of its definitions name.

    ``topics`` are MQTT topic filters; ``password_file`` must be readable by its owner only.
    """

    host: str
    port: Port = 1883
    tls: bool = False
    ca_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    topics: tuple[str, ...] = ("#",)
    events: bool = True
    max_bytes: Annotated[int, Meta(ge=1, le=500_000)] = 200_000
    max_seconds: Annotated[int, Meta(ge=1, le=3600)] = 25


class StorageSettings(_Section, frozen=True):
    """Where ``save_to_storage`` writes, and how much it may hold."""

    folder: str = "storage"
    max_file_bytes: Annotated[int, Meta(ge=1, le=1_000_000)] = 1_000_000
    max_total_bytes: Annotated[int, Meta(ge=1)] = 1_000_000_000


class LogSettings(_Section, frozen=True):
    """Where ``log_data`` writes: a file of this organisation's own, kept ``files`` times ``max_bytes``."""

    file: str = "activity.log"
    max_bytes: Annotated[int, Meta(ge=10_000)] = 10_000_000
    files: Annotated[int, Meta(ge=1, le=100)] = 5


class TaskQueueSettings(_Section, frozen=True):
    """``max_in_flight`` bounds the tasks that external workers hold at one time."""

    max_in_flight: Annotated[int, Meta(ge=1, le=100_000)] = 1_000


class ActivitySettings(_Section, frozen=True):
    """``max_in_flight`` bounds the organisation's activities at one time, ``limits`` those of single types.

    ``limits`` holds for the node's own calls and for the tasks of external workers, each by itself.
    """

    http: HttpSettings = HttpSettings()
    mqtt: MqttSettings | None = None
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()
    task_queues: TaskQueueSettings = TaskQueueSettings()
    max_in_flight: Count = 64
    limits: dict[str, Count] = {}
