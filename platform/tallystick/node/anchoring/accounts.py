"""The accounts that pay on the chain: keys of the keystore, or of a signer outside of the node."""

from typing import NamedTuple

from tallystick.ledger.accounts import Account
from tallystick.ledger.external import Web3Signer
from tallystick.ledger.signing import HeadSigner, LocalHeadSigner, LocalSigner, Signer
from tallystick.node.settings import Blockchain
from tallystick.tenants.keystore import Keystore


def payers(blockchain: Blockchain, keystore: Keystore) -> list[Signer]:
    """The administrator's account first, then the others."""
    signer = blockchain.signer
    if signer is not None:
        return [Web3Signer(signer.url, address) for address in (signer.address, *signer.relayers)]
    keys = (keystore.relayer_key(number + 1) for number in range(blockchain.relayers))
    return [LocalSigner(Account(key)) for key in (keystore.chain_key, *keys)]


def log_signer(blockchain: Blockchain, keystore: Keystore) -> HeadSigner:
    """Who signs the heads of our log."""
    signer = blockchain.signer
    if signer is not None and signer.log_address is not None:
        return Web3Signer(signer.url, signer.log_address)
    return LocalHeadSigner(Account(keystore.log_key))


def former_admins(blockchain: Blockchain, keystore: Keystore) -> list[Signer]:
    """The accounts that administered the organisation before, newest first; a signer's are not ours to replace."""
    if blockchain.signer is not None:
        return []
    return [LocalSigner(Account(key)) for key in reversed(keystore.chain_keys[:-1])]


def former_log_signers(blockchain: Blockchain, keystore: Keystore) -> list[HeadSigner]:
    """Who signed the heads of our log before, newest first."""
    if blockchain.signer is not None and blockchain.signer.log_address is not None:
        return []
    return [LocalHeadSigner(Account(key)) for key in reversed(keystore.log_keys[:-1])]


def founder(blockchain: Blockchain, keystore: Keystore) -> str:
    """The address that the organisation's id follows from, with EIP-55's checksum."""
    return keystore.founder_address if blockchain.signer is None else payers(blockchain, keystore)[0].address


class Accounts(NamedTuple):
    """Who pays and signs on a chain, the administrator first; and who did before, newest first."""

    payers: list[Signer]
    log_key: HeadSigner
    former: list[Signer]
    former_log_keys: list[HeadSigner]


def accounts(blockchain: Blockchain, keystore: Keystore) -> Accounts:
    """All of them, the same on every chain."""
    return Accounts(
        payers(blockchain, keystore),
        log_signer(blockchain, keystore),
        former_admins(blockchain, keystore),
        former_log_signers(blockchain, keystore),
    )
