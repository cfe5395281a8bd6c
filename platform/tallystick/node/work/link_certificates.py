"""The certificates of everything that our links may show: one set for each of the keystore's link keys."""

import shutil
import threading
from collections.abc import Container
from pathlib import Path

from tallystick.node.work.certificates import Certificates
from tallystick.tenants.keystore import Keystore
from tallystick.tenants.link_keys import LinkKeys
from tallystick.tenants.tls import TlsFiles, Validity


class LinkCertificates:
    """Of one organisation: the first set lies in ``folder``, each later one beside it under its number."""

    def __init__(self, folder: Path, keystore: Keystore, *, org_id: str, hosts: list[str]) -> None:
        self._folder = folder
        self._keystore = keystore
        self._org_id = org_id
        self._hosts = hosts
        self._held: dict[int, Certificates] = {}
        self._making = threading.Lock()
        self._of(keystore.links[-1])

    def newest(self) -> tuple[str, str]:
        """What our card is to name: the newest nkey, and its authority's certificate (PEM)."""
        keys = self._keystore.links[-1]
        return keys.nkey_public, self._of(keys).authority

    def files(self, keys: LinkKeys) -> TlsFiles:
        """Where those of one set of keys lie; they are made if there are none."""
        return self._of(keys).files

    def validities(self) -> list[Validity]:
        """When each of the newest ends."""
        return self._of(self._keystore.links[-1]).validities()

    def renew(self) -> bool:
        """Make anew what is about to end, older sets too; whether there was any."""
        renewed = [self._of(keys).renew() for keys in self._keystore.links]
        return any(renewed)

    def forget(self, serials: Container[int]) -> None:
        """Delete the sets of keys that are held no more."""
        with self._making:
            for serial in [one for one in self._held if one in serials]:
                del self._held[serial]
                self._delete(serial)

    def tidy(self) -> None:
        """Delete what a crash has left behind of keys that are held no more."""
        held = {one.serial for one in self._keystore.links}
        for serial in range(1, max(held)):
            if serial not in held and self._path(serial).exists():
                self._delete(serial)

    def _delete(self, serial: int) -> None:
        shutil.rmtree(self._path(serial), ignore_errors=True)

    def _path(self, serial: int) -> Path:
        return self._folder if serial == 1 else self._folder.with_name(f"{self._folder.name}-{serial}")

    def _of(self, keys: LinkKeys) -> Certificates:
        with self._making:
            if keys.serial not in self._held:
                self._held[keys.serial] = Certificates(
                    self._path(keys.serial), ca_key=keys.ca_key, org_id=self._org_id, hosts=self._hosts
                )
            return self._held[keys.serial]
