"""Parts of the programs that fork."""

# A child that hangs is ended by the alarm; it leaves without atexit unless it says so itself.
FORK = """
import traceback
warnings.simplefilter("ignore", DeprecationWarning)

def child(function):
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return pid

def end(pid):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 0, code

def in_child(function):
    end(child(function))

def refused(call):
    try:
        call()
    except ConnectionLostError as exc:
        assert "parent process" in str(exc), exc
        assert exc.hresult & 0xFFFFFFFF == 0x80072EFE
    else:
        raise AssertionError("it was not refused")

def sockets():
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            pass  # The one that listed them.
    return {target for target in found if target.startswith(("socket:", "anon_inode:[eventfd"))}

"""

AGAIN = """
for number in range(20):
    socket.send(f"{number}")
    assert socket.receive(30) == f"{number}"
socket.close(1000, "parent")
"""
