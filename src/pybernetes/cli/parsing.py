"""Command lines as kubectl's users know them: no abbreviations, exit code 1 for what is not understood.

Upstream: spf13/cobra.
"""

import argparse
import sys
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Ends with exit code 1 and one line on standard error where the command line is wrong."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings["allow_abbrev"] = False
        super().__init__(*arguments, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The arguments; what is left over is refused by name."""
        parsed, rest = self.parse_known_args(args, namespace)
        unknown = [one for one in rest if one.startswith("-") and one != "--"]
        if unknown:
            self.error(f"unknown flag: {unknown[0].partition('=')[0]}")
        if rest:
            self.error(f"unknown argument: {rest[0]}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is."""
        sys.stderr.write(f"error: {message}\nsee '{self.prog} --help'\n")
        self.exit(1)
