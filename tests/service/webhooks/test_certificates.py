"""TLS to an address that was checked: the certificate must be the name's all the same."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.service.chat_server import Reply, chat_server
from tests.service.webhooks.test_sending import Receiver, opened, sent_a_test


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate for a name, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize(("name", "error"), [("crm.test", None), ("other.test", "Hostname mismatch")])
async def test_the_certificate_must_be_the_names_whatever_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: str | None
):
    file = certificate(tmp_path, name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    receiver = Receiver(Reply())
    async with chat_server(receiver, tls) as url:
        port = int(url.rpartition(":")[2])
        async with opened(tmp_path, webhook_private_hosts=(f"crm.test:{port}",)) as runtime:
            monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", port))])
            _, delivery = await sent_a_test(runtime, f"https://crm.test:{port}/hook")
    if error is None:
        assert delivery.status == "delivered"
        assert receiver.got[0].headers["host"] == f"crm.test:{port}"
    else:
        assert error in (delivery.last_error or "")
        assert receiver.got == []
