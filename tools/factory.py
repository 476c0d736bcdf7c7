"""A factory of its own for a bench or a test: a private data directory, a free port, taken down at the end."""
import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path


class Factory:
    def __init__(self, build, *flags, wrapper=()):
        self.ingot = str(build / "ingot")
        self.build = build
        self.flags = flags
        self.wrapper = list(wrapper)  # a command to start the program under, strace say
        self.data = Path(tempfile.mkdtemp(prefix="ingot-", dir="/var/tmp"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.run("down", check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def run(self, *args, check=True):
        return subprocess.run([self.ingot, *args, "--data", str(self.data)], check=check, capture_output=True,
                              text=True).stdout

    def up(self):
        """Starts the factory; returns the seconds until it was ready."""
        started = time.monotonic()
        out = self.data / "up.out"  # a file: whoever wraps the program would hold a pipe open
        with open(out, "w") as file:
            code = subprocess.call([*self.wrapper, self.ingot, "up", "--data", str(self.data), "--listen",
                                    f"127.0.0.1:{self.port}", *self.flags, "--detach"], stdout=file, stderr=file)
        if code:
            raise SystemExit(f"ingot up failed: {out.read_text()}")
        return time.monotonic() - started

    def kill(self):
        os.kill(json.loads(self.run("status", "-o", "json"))["pid"], 9)

    def pid(self):
        return json.loads(self.run("status", "-o", "json"))["pid"]

    def credentials(self, tenant="root", *options):
        """Paths of the ca, cert and key of a tenant's administrator, of the operator, or of whom the options name, as files."""
        text = Path(self.run("tenant", "kubeconfig", tenant, *options).strip()).read_text()
        out = []
        for field in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            value = next(l.split(":", 1)[1].strip() for l in text.splitlines() if l.strip().startswith(field))
            path = self.data / f"{tenant}-{field}.pem"
            path.write_bytes(base64.b64decode(value))
            out.append(str(path))
        return out

    def client(self, tenant="root", *options):
        ca, cert, key = self.credentials(tenant, *options)
        context = ssl.create_default_context(cafile=ca)
        context.load_cert_chain(cert, key)
        return Client(http.client.HTTPSConnection("127.0.0.1", self.port, context=context))

    def load(self, path, seconds, *groups):
        ca, cert, key = self.credentials()
        argv = [str(self.build / "ingot-load"), "--port", str(self.port), "--ca", ca, "--cert", cert, "--key", key,
                "--path", path, "--seconds", str(seconds)]
        for group in groups:
            argv += ["--group", group]
        result = subprocess.run(argv, capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{' '.join(argv)}: {result.returncode} {result.stderr.strip()}")
        return json.loads(result.stdout)


class Client:
    """One keep-alive connection."""

    def __init__(self, connection):
        self.connection = connection

    def call(self, method, path, body=None, content="application/json"):
        self.connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": content})
        response = self.connection.getresponse()
        data = response.read()
        return response.status, data


def tree_pss_kib(pid):
    """Memory of a process and everything below it, shared pages split among their users."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, ValueError):
                continue
            children.setdefault(parent, []).append(int(entry.name))
    total, queue = 0, [pid]
    while queue:
        one = queue.pop()
        queue += children.get(one, [])
        try:
            total += int(next(l for l in open(f"/proc/{one}/smaps_rollup") if l.startswith("Pss:")).split()[1])
        except OSError:
            pass
    return total
