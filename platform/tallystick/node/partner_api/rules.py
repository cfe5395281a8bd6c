"""What every request of the partner API carries, and the one algorithm that signs it (RFC 9421, RFC 9530).

A signature has the tag `TAG`, a key id of the form ``organisation#kid``, a nonce, and a time window of at most
`WINDOW_S`. It covers at least `COVERED`, or `COVERED_APART` where a client has no target URI at hand.
"""

from urllib.parse import urlsplit

from http_message_signatures import HTTPSignatureAlgorithm

from tallystick.core import keys

TAG = "tallystick-partner"
LABEL = "tally"
WINDOW_S = 300  # seconds: how far a signature's creation may lie from the receiver's clock, and its longest life
COVERED = ("@method", "@target-uri", "content-digest", "content-type")
COVERED_APART = ("@method", "@authority", "@path", "content-digest", "content-type")
MEDIA_TYPE = "application/json"
MIN_NONCE, MAX_NONCE = 16, 128  # characters; ours carry 128 random bits
MAX_FIELD = 4_000  # characters of each signature field: five components and five parameters take 400
MAX_COVERED = 20  # components: intermediaries' additions included
INBOX = "/partner/v1/inbox"


class LibsodiumEd25519(HTTPSignatureAlgorithm):
    """RFC 9421 ``ed25519`` with the verdicts of libsodium, which refuses small-order points; keys are hex and ours."""

    algorithm_id = "ed25519"

    def __init__(self, public_key: str | None = None, private_key: keys.SigningKey | None = None) -> None:
        self._public = public_key
        self._private = private_key

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature."""
        assert self._private is not None  # noqa: S101 - the signer resolves it first
        return self._private.sign(message)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise `BadSignature` unless it holds."""
        keys.verify(self._public or "", message, signature)


def key_name(org_id: str, kid: str) -> str:
    """The ``keyid``: a kid alone does not say whose, and two cards could name one key."""
    return f"{org_id}#{kid}"


def inbox_url(endpoint_url: str) -> str:
    """Where an organisation with that ``endpoint_url`` takes messages: the target URI that both sides sign and check.

    Host in lower case and no default port (RFC 9110 section 4.2.3), whatever way its card writes it.
    """
    parts = urlsplit(endpoint_url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in {None, {"http": 80, "https": 443}[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}{INBOX}"
