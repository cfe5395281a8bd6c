"""The accounts that pay on the chain: keys of the keystore, or of a signer outside of the node."""

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


def administrator(blockchain: Blockchain | None, keystore: Keystore) -> str:
    """The address that the organisation's id follows from, with EIP-55's checksum."""
    return keystore.chain_address if blockchain is None else payers(blockchain, keystore)[0].address
