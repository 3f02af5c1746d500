"""`python -m fissura` is the `fissura` command."""

import sys

from fissura.cli import main

sys.exit(main())
