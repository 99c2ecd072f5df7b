"""What a message costs of system calls, memory and page faults, as benchmarks/counts.py counts it: not more than now.

Counts and not times, so that a busy machine does not matter; what is bounded is what the code decides.
"""

import os
import subprocess
import sys

import pytest
from support.programs import ROOT

from syncws._wire.accelerated import speedups

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere another system call waits, or nothing counts"
)

FORMS = {"plain Python": "1", **({} if speedups is None else {"compiled": "0"})}

# By the row's beginning: system calls, blocks of memory kept, most memory as a multiple of the size, page faults; of
# the last two first those of the compiled form. A large message may find the socket full or empty a few times more, and
# the next one may have begun to come while a handler still has it.
LIMITS = {
    # By pull two where the answer is there at the first look; else that look, and a wait, besides the three.
    "round trip": (4.3, None, None, (2, 2)),
    "receive 64 B binary": (0.1, 2.1, None, (2, 2)),
    "receive 64 B text": (0.1, 2.1, None, (2, 2)),
    # As many to a read as have come by then: a sixteenth of it where the machine has nothing else to do.
    "receive 16 KiB binary": (4.3, None, None, (2, 6)),
    "receive 1 MiB binary": (40, None, (2.2, 3.4), (400, 800)),
    "receive 1 MiB text": (40, None, (2.4, 4.3), (400, 800)),
    "send 64 B": (1.2, None, None, (2, 2)),
    "send 1 MiB": (40, None, (0.1, 0.4), (100, 100)),
}


@pytest.fixture(scope="module", params=FORMS)
def table(request):
    """Return the form, and the rows of the table as lists of cells."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "counts.py")],
        cwd=ROOT,
        env={**os.environ, "SYNCWS_PURE_PYTHON": FORMS[request.param]},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return request.param, [
        [cell.strip() for cell in line.strip("|\n").split("|")] for line in done.stdout.splitlines() if line
    ]


@pytest.mark.parametrize("name", LIMITS)
def test_a_message_costs_no_more_than_it_did(table, name):
    form, rows = table
    calls, blocks, peak, faults = LIMITS[name]
    index = 1 if form == "plain Python" else 0
    found = [row for row in rows if row[0].startswith(name)]
    # By events and by pull, plain and with TLS.
    assert len(found) == 4
    for row in found:
        is_pull = row[1] == "pull"
        assert 0 <= float(row[2]) <= calls, row
        assert blocks is None or float(row[3]) <= blocks, row
        # By pull the messages wait in the inbox, as many as come in the meantime.
        assert peak is None or is_pull or float(row[4]) <= peak[index], row
        assert is_pull or float(row[5]) <= faults[index], row


def test_the_counting_sees_the_calls(table):
    _, rows = table
    sent = [float(row[2]) for row in rows if row[0].startswith(("send 64 B", "round trip"))]
    assert min(sent) >= 1
