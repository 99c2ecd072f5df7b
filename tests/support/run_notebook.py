"""Runs a notebook as its reader would, and writes it with the outputs; a program of its own, for nbclient has a loop.

    python tests/support/run_notebook.py examples/notebook.ipynb [OUTPUT]

Refreshes the notebook, or writes to OUTPUT. A cell with the tag `stop-me` gets the stop button pressed.
"""

import asyncio
import sys

import nbformat
from nbclient import NotebookClient

# Pictures that a cell has drawn when the button is pressed.
_ENOUGH = 6


class _Reader(NotebookClient):
    """Runs all cells from the first to the last."""

    drawn = 0
    pressed = None

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "update_display_data" and "stop-me" in cell.metadata.get("tags", ()):
            self.drawn += 1
            if self.drawn == _ENOUGH:
                # Kept, or the loop would be the only one to hold it, and weakly.
                self.pressed = asyncio.ensure_future(self.km.interrupt_kernel())
        return super().process_message(msg, cell, cell_index)


def main(path, output):
    """Run the notebook in `path` and write it to `output`."""
    notebook = nbformat.read(path, as_version=4)
    # When each cell ran is of no use in a file that is kept.
    _Reader(notebook, kernel_name="python3", timeout=60, record_timing=False).execute()
    nbformat.write(notebook, output)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[-1])
