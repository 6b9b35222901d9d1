"""Requests from Pods, from the machine and from outside, and the Deployments that answer them."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

ASK = """
import sys, urllib.error, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for url in sys.argv[1:]:
    try:
        with opener.open(url, timeout=2) as answer:
            print(answer.read().decode().strip())
    except urllib.error.HTTPError as error:
        print(error.code)
    except OSError as error:
        print("no answer", type(getattr(error, "reason", error)).__name__)
"""
SERVE = """mkdir -p /tmp/www/cgi-bin
cat >/tmp/www/cgi-bin/who <<'END'
#!/bin/sh
address=${REMOTE_ADDR##*:}
echo; echo $(hostname) ${address%]}
END
printf '#!/bin/sh\\necho; rm -f /tmp/www/ready\\n' >/tmp/www/cgi-bin/fail
chmod +x /tmp/www/cgi-bin/*
echo yes >/tmp/www/ready
exec httpd -f -p 8080 -h /tmp/www"""
"""/cgi-bin/who: the Pod's name and the address it was asked from; /cgi-bin/fail: from now on the Pod is not ready."""


def ask(place: str, urls: Iterable[str]) -> list[str]:
    """The answers to requests from a network namespace (a path), a Pod (its address) or the machine ("")."""
    namespace = place if "/" in place or not place else namespace_of(place)
    inside = ["nsenter", f"--net={namespace}"] if namespace else []
    command = [*inside, sys.executable, "-c", ASK, *urls]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


def who(place: str, address: str, count: int = 1) -> list[str]:
    """Who answers there, and whom they see."""
    return ask(place, [f"http://{address}/cgi-bin/who"] * count)


def eventually(attempt: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """Try until it holds: rules follow a change, and nobody tells when they are in place."""
    for _ in range(40):
        if holds(found := attempt()):
            return found
    raise AssertionError(f"still {found}")


def namespace_of(ip: str) -> str:
    """Where the Pod with that address is."""
    names = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout.splitlines()
    for name in (line.split()[0] for line in names if line.startswith("cni-")):
        shown = subprocess.run(["ip", "-n", name, "-br", "address"], check=False, capture_output=True, text=True)
        if f" {ip}/" in shown.stdout:
            return f"/run/netns/{name}"
    raise AssertionError(f"no Pod has the address {ip}")


def deployment(name: str, replicas: int, **spec: Any) -> dict[str, Any]:
    """Pods that run `SERVE`."""
    container = {
        "name": "web",
        "image": "localhost/pybernetes/demo:1",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SERVE],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 1, "failureThreshold": 1},
    }
    labels = {"app": name}
    template = {"containers": [container], "terminationGracePeriodSeconds": 0, **spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": template},
        },
    }


def service(name: str, **spec: Any) -> dict[str, Any]:
    """A Service on port 80 for the Deployment of that name."""
    ports = [{"port": 80, "targetPort": 8080}]
    metadata, selector = {"name": name}, {"app": name}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": selector, "ports": ports, **spec},
    }


def pods(cluster: Any, app: str) -> list[dict[str, Any]]:
    """Those that are not on their way out."""
    found = cluster.get("pods", "-l", f"app={app}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
