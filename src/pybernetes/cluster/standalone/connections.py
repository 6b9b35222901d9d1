"""A component's way to the API server, from the kubeconfig it was given."""

import contextlib
import dataclasses
import platform

import pybernetes
from pybernetes.aio import clock as clocks
from pybernetes.client import credentials, kubeconfig, rest, transport


class SettingsError(ValueError):
    """Flags that do not go together, or a file that does not hold what it should; the text names the flag."""


def load(path: str, master: str = "") -> credentials.Credentials:
    """Where the API server is and who we are. Raises SettingsError."""
    if not path and not master:
        raise SettingsError("--kubeconfig is required: where is the API server, and whom shall we be there?")
    try:
        if not path:
            return credentials.Credentials(server=master)
        return kubeconfig.load(path).credentials(server=master)
    except kubeconfig.KubeconfigError as error:
        raise SettingsError(f"--kubeconfig: {error}") from error


async def client(
    stack: contextlib.AsyncExitStack, who: credentials.Credentials, clock: clocks.Clock, component: str
) -> rest.Client:
    """A client that is closed with the stack."""
    made = rest.Client(transport.HttpTransport(who, clock), clock=clock, user_agent=user_agent(component))
    stack.push_async_callback(made.close)
    return made


def user_agent(component: str) -> str:
    """How a component calls itself in requests: `kube-scheduler/v1.37.2 (linux/amd64) pybernetes/0.1.0`."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    return f"{component}/{pybernetes.KUBERNETES_VERSION} ({system}/{machine}) pybernetes/{pybernetes.__version__}"


def without_identity(who: credentials.Credentials) -> credentials.Credentials:
    """The same server, nobody in particular."""
    return dataclasses.replace(
        who, cert_data=b"", cert_file="", key_data=b"", key_file="", token="", token_file="", username="", password=""
    )
