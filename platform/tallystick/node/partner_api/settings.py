"""What an organisation lets its partners' addresses be: the ``partner_api`` section of its settings."""

import msgspec


class PartnerApiSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``allowed_hosts`` (``host:port``) may lie at private addresses and do without TLS.

    ``ca_file``, in the data folder, is trusted beside the system's authorities.
    """

    allowed_hosts: tuple[str, ...] = ()
    ca_file: str | None = None
