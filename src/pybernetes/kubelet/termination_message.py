"""What a container has to say about its end: a file it wrote, or the end of its log.

Upstream: pkg/kubelet/kuberuntime/kuberuntime_container.go (getTerminationMessage).
"""

import dataclasses
import pathlib

from pybernetes.kubelet.cri import convert, logs, runtime

MAX_FILE, MAX_LOG, MAX_LOG_LINES = 4096, 2048, 80


def with_message(status: runtime.ContainerStatus) -> runtime.ContainerStatus:
    """The status with the message of its container added, when it has ended."""
    if status.state is not runtime.ContainerState.EXITED:
        return status
    annotations = status.annotations
    policy = annotations.get(convert.TERMINATION_POLICY, "")
    path = annotations.get(convert.TERMINATION_PATH, "")
    text = _file_message(status, path)
    if not text and policy == "FallbackToLogsOnError" and status.exit_code != 0 and status.log_path:
        text = logs.tail_text(pathlib.Path(status.log_path), MAX_LOG_LINES, MAX_LOG)
    if not text:
        return status
    return dataclasses.replace(status, message=f"{status.message}: {text}" if status.message else text)


def _file_message(status: runtime.ContainerStatus, path: str) -> str:
    if not path:
        return ""
    for container_path, host_path in status.mounts:
        if container_path != path:
            continue
        try:
            with open(host_path, "rb") as file:
                return file.read(MAX_FILE).decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as failure:
            return f"Error on reading termination log {host_path}: {failure.strerror}"
    return ""
