"""TLS contexts for both ends, from PEM in memory.

The standard library loads key pairs from files only, so they pass through a private file that lives for the time of one
call (mode 0600, in memory where the system offers that). `reload` replaces the certificate of a live context: new
handshakes use the new one.

Upstream: k8s.io/apiserver/pkg/server/dynamiccertificates, client-go/transport (TLSConfigFor).
"""

import os
import ssl
import tempfile

_MEMORY = "/dev/shm"


def load_key_pair(context: ssl.SSLContext, cert_pem: bytes, key_pem: bytes) -> None:
    """Give that context this certificate (chain) and key; may be called again when they were renewed."""
    directory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.NamedTemporaryFile(prefix="pybernetes-", dir=directory) as file:  # created 0600
        file.write(cert_pem.rstrip() + b"\n" + key_pem)
        file.flush()
        context.load_cert_chain(file.name)


def server_context(cert_pem: bytes, key_pem: bytes, client_ca_pem: bytes | None = None) -> ssl.SSLContext:
    """For a server; with `client_ca_pem` clients may present a certificate, which must then be signed by that CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_key_pair(context, cert_pem, key_pem)
    if client_ca_pem:
        context.load_verify_locations(cadata=client_ca_pem.decode("ascii"))
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(
    ca_pem: bytes | None = None,
    cert_pem: bytes | None = None,
    key_pem: bytes | None = None,
    *,
    insecure: bool = False,
) -> ssl.SSLContext:
    """For a client: trust `ca_pem` (without it the system's roots), show that certificate; `insecure` trusts anyone.

    The name to check is given where the connection is made (`server_name` of the client).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_pem:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
    else:
        context.load_default_certs()
    if cert_pem and key_pem:
        load_key_pair(context, cert_pem, key_pem)
    return context
