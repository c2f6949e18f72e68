"""Authority: a certificate authority in a folder, by the openssl program: certificates, revocations, expiry."""

import subprocess

CONFIG = """
[ca]
default_ca = own
[own]
dir = {folder}
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir
certificate = $dir/ca.pem
private_key = $dir/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
policy = anything
unique_subject = no
copy_extensions = copy
[anything]
commonName = optional
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
[leaf]
basicConstraints = critical,CA:FALSE
[req]
distinguished_name = names
[names]
"""


class Authority:
    def __init__(self, folder, expired=False):
        self.folder = folder
        folder.mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        self.config = folder / "openssl.cnf"
        self.config.write_text(CONFIG.format(folder=folder))
        self.certificate = folder / "ca.pem"
        self.request("ca", "our authority", "")
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200102000000Z"] if expired else []
        self.openssl("ca", "-selfsign", "-extensions", "authority", "-in", folder / "ca.csr", "-out", self.certificate, *dates)

    def openssl(self, verb, *arguments):
        line = ["openssl", verb, "-config", str(self.config), *map(str, arguments)]
        if verb == "ca":
            line += ["-batch", "-notext"]
        done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(line)}:\n{done.stderr}")

    def request(self, name, common_name, alternative_names):
        names = ["-addext", f"subjectAltName={alternative_names}"] if alternative_names else []
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={common_name}", *names,
                     "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.csr")

    def issue(self, name, common_name=None, alternative_names=""):
        """The paths of a certificate and its key."""
        self.request(name, common_name or name, alternative_names)
        self.openssl("ca", "-extensions", "leaf", "-in", self.folder / f"{name}.csr", "-out", self.folder / f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def revoke(self, name):
        self.openssl("ca", "-revoke", self.folder / f"{name}.pem")

    def list_revoked(self, path):
        """Writes the list aside and moves it into place, as careful tools do."""
        aside = path.with_suffix(".new")
        self.openssl("ca", "-gencrl", "-out", aside)
        aside.rename(path)
        return path
