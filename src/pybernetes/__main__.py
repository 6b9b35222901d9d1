"""`python -m pybernetes` is the `pybernetes` command."""

import sys

from pybernetes.cli import main

sys.exit(main.main())
