"""Hands transactions to the kernel: by libnftables in this process, else by the program `nft`.

Both wait for the kernel in a thread of their own, one transaction at a time, so that the event loop never does.
Upstream: sigs.k8s.io/knftables.
"""

import asyncio
import concurrent.futures
import ctypes
import os
import shutil
import subprocess
from typing import Protocol

from pybernetes.proxy import nftables

LIBRARY = "libnftables.so.1"


class ApplyError(RuntimeError):
    """The kernel (or nft) refused a transaction; nothing of it took effect. The text is nft's."""


class Applier(Protocol):
    """What the proxy needs of the kernel."""

    async def apply(self, text: str) -> None:
        """Run one transaction whole or not at all. Raises ApplyError."""

    async def close(self) -> None:
        """Release what it holds."""


class LibNftables:
    """libnftables.so.1 by ctypes. Raises OSError where the library is missing."""

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_buffer_error", "nft_ctx_buffer_output"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        for name in ("nft_ctx_get_error_buffer", "nft_ctx_get_output_buffer"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
            getattr(library, name).restype = ctypes.c_char_p
        library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._library = library
        self._context: int | None = None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "nftables")

    async def apply(self, text: str) -> None:
        """Run one transaction whole or not at all."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._run, text)

    def _run(self, text: str) -> None:
        if self._context is None:
            # made here, not at the start: it opens the netlink socket, which not everybody may
            self._context = self._library.nft_ctx_new(0)
            self._library.nft_ctx_buffer_error(self._context)
            self._library.nft_ctx_buffer_output(self._context)
        failed = self._library.nft_run_cmd_from_buffer(self._context, text.encode())
        # reading a buffer also empties it
        self._library.nft_ctx_get_output_buffer(self._context)
        problem = self._library.nft_ctx_get_error_buffer(self._context) or b""
        if failed:
            raise ApplyError(_shortened(problem.decode(errors="replace")))

    async def close(self) -> None:
        """Let the thread end, free the library's memory."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._free)
        self._thread.shutdown(wait=False)

    def _free(self) -> None:
        if self._context is not None:
            self._library.nft_ctx_free(self._context)
            self._context = None


class NftProgram:
    """`nft -f -`, a process for each transaction; `command` may put something before it (`ip netns exec`)."""

    def __init__(self, command: tuple[str, ...] = ("nft",)) -> None:
        self._command = command

    async def apply(self, text: str) -> None:
        """Run one transaction whole or not at all."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            "-f",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, problem = await process.communicate(text.encode())
        except asyncio.CancelledError:
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
        if process.returncode:
            raise ApplyError(_shortened(problem.decode(errors="replace")))

    async def close(self) -> None:
        """Nothing is held."""


def default_applier() -> Applier:
    """The library where it is installed, else the program. Raises ApplyError when neither is."""
    try:
        return LibNftables()
    except OSError:
        if shutil.which("nft") is None:
            raise ApplyError("neither libnftables.so.1 nor the program nft is installed (package nftables)") from None
        return NftProgram()


def remove_table(table: str) -> None:
    """Take a table that some proxy left away; without the program nft, or without root, there can be none."""
    if os.geteuid() != 0 or shutil.which("nft") is None:
        return
    subprocess.run(["nft", "-f", "-"], input=nftables.removal(table).encode(), check=True, capture_output=True)


def _shortened(problem: str, lines: int = 6) -> str:
    """The first lines of nft's complaint: it repeats a line of input for each."""
    return "\n".join(line[:400] for line in problem.strip().splitlines()[:lines]) or "nft gave no reason"
