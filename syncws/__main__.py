"""`python -m syncws`: hands over to the command line. Runs on the main thread."""

import sys

from syncws.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
