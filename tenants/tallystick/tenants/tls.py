"""Certificates for the leafnodes between nats-servers: one authority an organisation, certificates that it renews.

The authority's key stays in the keystore. What nats-server must read lies in files of mode 0600. An authority's
certificate is made anew when it is missing: partners who hold an older one accept the new, as name and key are the same.
"""

import datetime
import hashlib
import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tallystick.tenants.files import private_folder, write_private

AUTHORITY_YEARS = 20  # outlives the agreements that name it
CERTIFICATE_DAYS = 397
RENEW_DAYS = 60
MAX_PEM = 64_000
LOCAL = ("localhost", "127.0.0.1", "::1")
