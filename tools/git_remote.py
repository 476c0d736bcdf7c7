"""A Git repository for a bench or a test: a bare one that the factory watches, a clone to push from, and its webhooks."""
import hashlib
import hmac
import http.client
import json
import os
import ssl
import subprocess
import uuid
from pathlib import Path

ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_AUTHOR_NAME": "Ada",
               "GIT_AUTHOR_EMAIL": "ada@example.com", "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com"}


class Remote:
    """`root`: the folder that --git-root names."""

    def __init__(self, root, name):
        self.bare = Path(root) / f"{name}.git"
        self.clone = Path(root).parent / f"{name}-clone"
        self.url = f"file://{self.bare}"
        self.git("init", "--quiet", "--bare", "--initial-branch=main", self.bare, within=root)
        self.git("clone", "--quiet", self.bare, self.clone, within=root)
        self.git("checkout", "--quiet", "-B", "main")

    def git(self, *args, within=None):
        done = subprocess.run(["git", *map(str, args)], cwd=within or self.clone, env={**os.environ, **ENVIRONMENT},
                              capture_output=True, text=True)
        assert done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, files, message="change", *options):
        for path, text in files.items():
            file = self.clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", message, *options)
        return self.git("rev-parse", "HEAD")

    def push(self, *options, branch="main"):
        self.git("push", "--quiet", *options, "origin", f"HEAD:refs/heads/{branch}")


def signed_as_github(secret, body, event="push", delivery=None):
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "X-GitHub-Event": event, "X-GitHub-Delivery": delivery or str(uuid.uuid4()),
            "X-Hub-Signature-256": f"sha256={digest}"}


def pushed(commit, branch="main", before="0" * 40):
    return json.dumps({"ref": f"refs/heads/{branch}", "before": before, "after": commit}).encode()


class Webhook:
    """What sends webhooks to one repository: no credential, one connection."""

    def __init__(self, factory, tenant, repository, secret, namespace="default"):
        context = ssl.create_default_context(cafile=factory.credentials()[0])
        self.connection = http.client.HTTPSConnection("127.0.0.1", factory.port, context=context, timeout=60)
        self.path = f"/clusters/{tenant}/hooks/{namespace}/{repository}"
        self.secret = secret

    def send(self, body, headers=None):
        self.connection.request("POST", self.path, body, headers or signed_as_github(self.secret, body))
        response = self.connection.getresponse()
        return response.status, response.read().decode()
