"""Certificates for servers of tests, by an authority that nobody knows: made with the program openssl."""

import os
import subprocess


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


class Authority:
    """Its certificate is the file `path`."""

    def __init__(self, folder, name):
        self.folder, self.name = str(folder), name
        self.path, self.key = os.path.join(self.folder, f"{name}.pem"), os.path.join(self.folder, f"{name}.key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", self.key, "-out", self.path)

    def issue(self, names, days=30):
        """A PEM file with a certificate for names like "IP:127.0.0.1,DNS:localhost", and its key; one of -1 days has expired."""
        base = os.path.join(self.folder, f"{self.name}-{names.replace(':', '-').replace(',', '+')}-{days}")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server", "-keyout", f"{base}.key", "-out", f"{base}.csr")
        with open(f"{base}.ext", "w") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{base}.csr", "-CA", self.path, "-CAkey", self.key, "-CAcreateserial", "-days", str(days), "-extfile", f"{base}.ext",
                "-out", f"{base}.crt")
        with open(f"{base}.pem", "w") as file:
            for part in (f"{base}.crt", f"{base}.key"):
                with open(part) as source:
                    file.write(source.read())
        return f"{base}.pem"
