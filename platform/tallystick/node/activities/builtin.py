"""The activities that every organisation has, by the type that definitions name."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tallystick.node.activities.call import Call
from tallystick.node.activities.http_request import HttpActivity
from tallystick.node.activities.log_data import LogActivity
from tallystick.node.activities.mqtt import MqttActivity
from tallystick.node.activities.process_data import process_data
from tallystick.node.activities.settings import ActivitySettings
from tallystick.node.activities.storage import KeepDocument, StorageActivity

ActivityFunction = Callable[[Call], Awaitable[dict[str, Any]]]


def built_in(
    settings: ActivitySettings, data_dir: Path, keep: KeepDocument | None = None
) -> dict[str, ActivityFunction]:
    """The activities of one organisation, whose settings bound them; ``keep`` keeps documents."""
    return {
        "http_request": HttpActivity(settings.http, data_dir),
        "process_data": process_data,
        "send_mqtt_message": MqttActivity(settings.mqtt, data_dir),
        "log_data": LogActivity(settings.log, data_dir),
        "save_to_storage": StorageActivity(settings.storage, data_dir, keep),
    }
