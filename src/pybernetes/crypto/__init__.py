"""X.509 certificates, signed tokens and encryption at rest."""
