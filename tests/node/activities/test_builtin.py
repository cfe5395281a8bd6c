"""What every organisation's registry begins with, and the settings that bound it."""

from pathlib import Path

import msgspec
import pytest

from tallystick.core.errors import Invalid
from tallystick.node.activities.builtin import built_in
from tallystick.node.activities.failing import CODES, NOT_RETRYABLE, ActivityFailed
from tallystick.node.activities.settings import ActivitySettings, HttpSettings, MqttSettings
from tallystick.node.settings import Settings, dump, load

TYPES = {"http_request", "process_data", "send_mqtt_message", "log_data", "save_to_storage"}


def test_the_names_are_those_of_the_definition_language(tmp_path: Path) -> None:
    assert set(built_in(ActivitySettings(), tmp_path)) == TYPES


def test_settings_survive_the_file_and_name_what_is_wrong(tmp_path: Path) -> None:
    activities = ActivitySettings(
        http=HttpSettings(allowed_hosts=("erp:8080",)), mqtt=MqttSettings(host="broker"), limits={"http_request": 4}
    )
    settings = Settings(org_id="acme", name="Acme", domain="acme.example", activities=activities)
    (tmp_path / "settings.json").write_bytes(dump(settings))
    assert load(tmp_path).activities == activities
    document = msgspec.json.decode(dump(settings))
    document["activities"]["limits"]["http_request"] = 0
    (tmp_path / "settings.json").write_bytes(msgspec.json.encode(document))
    with pytest.raises(Invalid, match=r"activities\.limits"):
        load(tmp_path)


def test_codes_tell_whether_another_attempt_may_succeed() -> None:
    assert {code: ActivityFailed("x", code=code).retryable for code in CODES} == CODES
    assert "invalid_input" in NOT_RETRYABLE
    assert "unreachable" not in NOT_RETRYABLE
