"""The test network: signed DNS, a validating resolver, and HTTPS policy hosts.

knotd serves one signed root zone on port 5300. unbound validates it on 127.0.0.53, the resolver of this namespace; its
cache has all names before a measurement, so an answer costs little. nginx has the policies, at many addresses of
127.0.0.0/8, because a client may limit the transfers to one address.
"""

import pathlib
import subprocess

from process import Server

DOMAINS = 2_000
NAMES_PER_CERTIFICATE = 10
RESOLVER = "127.0.0.53"
POLICY = r"version: STSv1\nmode: enforce\nmx: mx.$policy_domain\nmx: *.mail.$policy_domain\nmax_age: 604800\n"


def domain(number: int) -> str:
    return f"d{number}.example"


def write_keys(path: pathlib.Path, numbers: range) -> pathlib.Path:
    path.write_text("".join(f"{domain(number)}\n" for number in numbers))
    return path


class World:
    """The servers of the test network, from `start` until `end`.

    `certificates` stay in `cache` for the next run.
    """

    def __init__(self, directory: pathlib.Path, cache: pathlib.Path):
        self.directory, self.cache = directory, cache
        self.ca = cache / "ca.pem"
        self.trust_anchor = directory / "root.key"
        self.servers: list[Server] = []

    def start(self):
        self._make_certificates()
        self._start_knot()
        self._start_unbound()
        self._start_nginx()

    def end(self):
        for server in self.servers:
            server.end()

    def _start(self, command: list, name: str, *, address: str = "127.0.0.1", port: int):
        server = Server(command, self.directory / f"{name}.log")
        self.servers.append(server)
        server.wait_for_port(port, address=address)

    def _make_certificates(self):
        """A CA, one key for all hosts, and a certificate for each NAMES_PER_CERTIFICATE policy hosts."""
        if (self.cache / "complete").exists():
            return
        self.cache.mkdir(parents=True, exist_ok=True)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self._openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3650", "-subj",
                      "/CN=sts-bridge benchmark CA", "-addext", "keyUsage=critical,keyCertSign")
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "host.key")
        for first in range(0, DOMAINS, NAMES_PER_CERTIFICATE):
            names = ",".join(f"DNS:mta-sts.{domain(number)}" for number in _group(first))
            self._openssl("req", "-x509", "-CA", "ca.pem", "-CAkey", "ca.key", "-key", "host.key", "-out",
                          f"{first}.pem", "-days", "3650", "-subj", f"/CN=host {first}", "-addext",
                          f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE")
        (self.cache / "complete").touch()

    def _openssl(self, *arguments: str):
        subprocess.run(["openssl", *arguments], cwd=self.cache, check=True, capture_output=True)

    def _start_knot(self):
        configuration = self.directory / "knot.conf"
        configuration.write_text(f"""
server:
    listen: 127.0.0.1@5300
    rundir: {self.directory}
    udp-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {self.directory}
policy:
  - id: benchmark
    algorithm: ecdsap256sha256
    manual: on
    rrsig-lifetime: 30d
    rrsig-refresh: 7d
template:
  - id: default
    storage: {self.directory}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: .
    file: root.zone
    dnssec-signing: on
    dnssec-policy: benchmark
""")
        self._write_zone()
        generate = ["keymgr", "-c", configuration, ".", "generate", "algorithm=ECDSAP256SHA256", "ksk=yes", "zsk=yes"]
        subprocess.run(list(map(str, generate)), check=True, capture_output=True)
        anchor = subprocess.run(["keymgr", "-c", str(configuration), ".", "ds"], check=True, capture_output=True, text=True)
        self.trust_anchor.write_text(anchor.stdout.splitlines()[0] + "\n")
        self._start(["knotd", "-c", configuration], "knot", port=5300)

    def _write_zone(self):
        lines = ["$TTL 86400", ". SOA ns. hostmaster. 1 3600 600 86400 86400", ". NS ns.", "ns. A 127.0.0.1"]
        for number in range(DOMAINS):
            name = domain(number)
            # 64 networks (/24), so that no limit for an address or a network applies.
            address = f"127.1.{number % 64}.{1 + number // 64 % 250}"
            lines += [f'_mta-sts.{name}. TXT "v=STSv1; id=20261101T000000"', f"mta-sts.{name}. A {address}",
                      f"{name}. MX 10 mx.{name}.", f"mx.{name}. A 127.2.0.1"]
        (self.directory / "root.zone").write_text("\n".join(lines) + "\n")

    def _start_unbound(self):
        configuration = self.directory / "unbound.conf"
        configuration.write_text(f"""
server:
    interface: {RESOLVER}
    access-control: 127.0.0.0/8 allow
    directory: "{self.directory}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    trust-anchor-file: "{self.trust_anchor}"
    module-config: "validator iterator"
    num-threads: 1
    msg-cache-size: 64m
    rrset-cache-size: 128m
    minimal-responses: yes
    local-zone: "127.in-addr.arpa." nodefault
stub-zone:
    name: "."
    stub-addr: 127.0.0.1@5300
    stub-prime: no
remote-control:
    control-enable: no
""")
        self._start(["unbound", "-d", "-c", configuration], "unbound", address=RESOLVER, port=53)

    def _start_nginx(self):
        hosts = []
        for first in range(0, DOMAINS, NAMES_PER_CERTIFICATE):
            names = " ".join(f"mta-sts.{domain(number)}" for number in _group(first))
            hosts.append(f"server {{ listen 443 ssl; server_name {names}; ssl_certificate {self.cache}/{first}.pem;"
                         f" location = /.well-known/mta-sts.txt {{ return 200 \"{POLICY}\"; }} }}")
        temporary = "".join(f"{kind}_temp_path {self.directory}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        configuration = self.directory / "nginx.conf"
        configuration.write_text(f"""
daemon off;
user root;
worker_processes 2;
pid {self.directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
{temporary}
access_log off;
default_type text/plain;
server_names_hash_max_size 16384;
server_names_hash_bucket_size 128;
ssl_certificate_key {self.cache}/host.key;
ssl_session_cache off;
ssl_session_tickets off;
map $host $policy_domain {{ "~^mta-sts[.](?<found>.+)$" $found; }}
{chr(10).join(hosts)}
}}
""")
        errors = self.directory / "nginx-error.log"
        self._start(["nginx", "-e", errors, "-p", self.directory, "-c", configuration], "nginx", port=443)


def _group(first: int) -> range:
    return range(first, min(first + NAMES_PER_CERTIFICATE, DOMAINS))
