"""Who plays in the demo: three organisations, each with its own node and its own staff."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh-CN", "en"]


@dataclass(frozen=True, kw_only=True)
class Organisation:
    """One participant; `user` is the member of staff whose hands the driver lends."""

    org_id: str
    name: str
    domain: str
    role: str
    language: Language
    user: str
    user_name: str


BUYER = Organisation(
    org_id="huaxia",
    name="华夏汽车",
    domain="huaxia.example",
    role="buyer",
    language="zh-CN",
    user="li.huimin",
    user_name="李慧敏",
)
SUPPLIER = Organisation(
    org_id="nordic",
    name="Nordic Bearings",
    domain="nordicbearings.example",
    role="supplier",
    language="en",
    user="astrid",
    user_name="Astrid Lindqvist",
)
CARRIER = Organisation(
    org_id="blueline",
    name="Blueline Freight",
    domain="blueline.example",
    role="carrier",
    language="en",
    user="jonas",
    user_name="Jonas Petersen",
)
ORGANISATIONS = (BUYER, SUPPLIER, CARRIER)
