"""An organisation's own MQTT broker, a real nats-server, and somebody who publishes there."""

from pathlib import Path
from typing import Any

from node.activities.calls import FakeCall
from support.processes import Processes
from tallystick.node.activities.mqtt import MqttActivity
from tallystick.node.activities.settings import MqttSettings
from tallystick.node.links.process import find_binary
from tallystick.tenants.files import write_private

PASSWORD = "a!b@c$d()e*_,/:;=?@ff[]22 密码"


class Plant:
    """A broker that can be started again on its port, and somebody who publishes."""

    def __init__(self, folder: Path, processes: Processes) -> None:
        self._processes = processes
        self._folder = folder
        self._config = folder / "broker.conf"
        write_private(folder / "mqtt.secret", PASSWORD.encode())
        self._start(-1)
        self.process.wait_for("Server is ready")
        self.port = int(self.process.wait_for(r"Listening for MQTT clients on \S+:(\d+)").group(1))
        self.settings = MqttSettings(
            host="127.0.0.1", port=self.port, username="plant", password_file="mqtt.secret", max_seconds=10
        )
        self._publish = MqttActivity(self.settings, folder)

    def _start(self, port: int) -> None:
        self._config.write_text(
            f"""
            listen: "127.0.0.1:-1"
            server_name: broker
            jetstream {{ store_dir: "{self._folder}/js" }}
            mqtt {{ listen: "127.0.0.1:{port}" }}
            authorization {{ users: [ {{ user: plant, password: "{PASSWORD}" }} ] }}
            """
        )
        self.process = self._processes.start("broker", [str(find_binary(None)), "-c", str(self._config)])

    def again(self) -> None:
        """Kill it, and start it where it was."""
        self.process.kill()
        self._start(self.port)
        self.process.wait_for("Server is ready")

    async def send(self, payload: Any, **more: Any) -> None:
        """Publish, at a topic of its own where nothing else is said."""
        await self._publish(FakeCall(input={"topic": "areas/7/alarm", "payload": payload, **more}))
