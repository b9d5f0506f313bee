"""`python -m antehoc.cli`."""

import sys

from antehoc.cli import main

if __name__ == "__main__":
    sys.exit(main())
