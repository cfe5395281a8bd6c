"""The errors of this package.

::

    LedgerError
    ├── InvalidProof      what was given does not prove what it claims
    ├── InvalidLeaf       not a leaf of the known version
    ├── WrongChain        the endpoint answers for another chain, or other code stands at a contract's address
    ├── LogContradicted   the chain holds another log than ours: nothing may be signed until a person has looked
    ├── Reverted          the contract refuses the call; ``data`` encodes its custom error
    ├── RpcRefused        the endpoint answered with a JSON-RPC error
    ├── FeeTooHigh        the chain asks for more than the settings allow; ``base_fee``, ``ceiling``
    ├── NotAnchored       the leaf is in no root that the chain holds yet
    ├── SignerUnavailable the external signer did not answer, or refused
    ├── BadSignature      the external signer answered with something else than it was asked to sign
    └── ChainUnavailable  the endpoint did not answer, or not in time
        └── EndpointsDisagree  two endpoints contradict each other; ``endpoints`` names those that stand alone

Invalid is not unavailable: only ``FeeTooHigh``, ``NotAnchored``, ``RpcRefused``, ``SignerUnavailable`` and
``ChainUnavailable`` are worth trying again.
"""

from tallystick.core.errors import Invalid, NotYet, TallystickError, Unavailable


class LedgerError(TallystickError):
    """Base of this package's errors."""


class InvalidProof(LedgerError, Invalid):
    """A proof does not hold."""

    default_code = "invalid_proof"


class InvalidLeaf(LedgerError, Invalid):
    """The bytes are not a leaf of the known version."""

    default_code = "invalid_leaf"


class WrongChain(LedgerError, Invalid):
    """The endpoint serves another chain than the one pinned, or a contract's code is not the expected one."""

    default_code = "wrong_chain"


class LogContradicted(LedgerError, Invalid):
    """The chain holds a root of this organisation's log that our leaves do not give."""

    default_code = "log_contradicted"


class Reverted(LedgerError, Invalid):
    """A contract refused the call; ``data`` is its custom error, encoded, when it gave one."""

    default_code = "reverted"

    def __init__(self, detail: str, *, data: bytes | None = None) -> None:
        super().__init__(detail)
        self.data = data


class RpcRefused(LedgerError, Unavailable):
    """The endpoint answered with an error of its own; ``number`` is JSON-RPC's error code."""

    default_code = "rpc_refused"

    def __init__(self, detail: str, *, number: int, data: object = None) -> None:
        super().__init__(detail)
        self.number = number
        self.data = data


class FeeTooHigh(LedgerError, NotYet):
    """The chain's base fee is above the ceiling; both in wei a unit of gas."""

    default_code = "fee_too_high"

    def __init__(self, base_fee: int, ceiling: int) -> None:
        super().__init__(f"the chain asks for {_gwei(base_fee)} gwei a unit of gas, the ceiling is {_gwei(ceiling)}")
        self.base_fee = base_fee
        self.ceiling = ceiling


class NotAnchored(LedgerError, NotYet):
    """The leaf is in no anchored root yet."""

    default_code = "not_anchored"


class SignerUnavailable(LedgerError, Unavailable):
    """The service that signs for an account did not answer in time, or refused."""

    default_code = "signer_unavailable"


class BadSignature(LedgerError, Invalid):
    """The service that signs for an account answered with another transaction, or in another account's name."""

    default_code = "bad_signature"


class ChainUnavailable(LedgerError, Unavailable):
    """The endpoint did not answer in time."""

    default_code = "chain_unavailable"


class EndpointsDisagree(ChainUnavailable):
    """Endpoints of one chain contradict each other: nothing may be concluded until they do not."""

    default_code = "endpoints_disagree"

    def __init__(self, method: str, endpoints: tuple[str, ...]) -> None:
        super().__init__(f"the chain's endpoints contradict each other about {method}: {', '.join(endpoints)}")
        self.method = method
        self.endpoints = endpoints


def _gwei(wei: int) -> str:
    return f"{wei / 10**9:.9g}"
