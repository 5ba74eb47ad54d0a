"""Identity tokens signed with a key of the tests' own, and the certificates that verify them."""

import datetime as dt
import time
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from worker.oidc import Certificates

KEY_ID = "test-key"


class Signer:
    """An issuer with one key."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._signer = crypt.RSASigner.from_string(pem, KEY_ID)

    def certificate(self) -> str:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = dt.datetime.now(dt.UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .sign(self._key, hashes.SHA256())
        )
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def fetch(self, _: str) -> Certificates:
        """In place of the certificates' endpoint."""
        return Certificates({KEY_ID: self.certificate()}, 3600.0)

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        return jwt.encode(self._signer, {"iat": now - 60, "exp": now + 3600, **claims}).decode()

    def firebase(self, project: str, uid: str, **claims: Any) -> dict[str, str]:
        """The header of a request of a signed-in user."""
        content = {
            "iss": f"https://securetoken.google.com/{project}",
            "aud": project,
            "sub": uid,
            "auth_time": int(time.time()) - 60,
        }
        return {"Authorization": f"Bearer {self.token(**{**content, **claims})}"}

    def machine(self, audience: str, email: str, **claims: Any) -> dict[str, str]:
        """The header of a request of a Google service account."""
        content = {
            "iss": "https://accounts.google.com",
            "aud": audience,
            "email": email,
            "email_verified": True,
        }
        return {"Authorization": f"Bearer {self.token(**{**content, **claims})}"}


@cache
def issuer() -> Signer:
    """One key for all tests: making one takes a moment."""
    return Signer()
