"""The stand-in may not drift from the facade that it stands for."""

import inspect

from node.api.standins.services import FakeServicesForApiTests
from tallystick.node.services.facade import Services


def test_fake_has_the_facades_signatures() -> None:
    for method, real in inspect.getmembers(Services, inspect.isfunction):
        if method.startswith("_") or not hasattr(FakeServicesForApiTests, method):
            continue
        fake = inspect.signature(getattr(FakeServicesForApiTests, method)).parameters
        wanted = inspect.signature(real).parameters
        accepts_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in fake.values())
        assert accepts_any or len(fake) == len(wanted), method
