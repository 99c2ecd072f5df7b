"""Pongs that nobody asked for, on a clock that is turned by hand: when they go, and what they leave alone."""

import datetime as dt

from support import LIMIT, server_frame
from support.keep_alive import end, wait_frames
from support.scripts import CLOSE, FIN, PING, PONG


def test_unsolicited_pongs_go_at_their_interval(kept, monitor):
    rig = kept(keep_alive_interval=None, desired_unsolicited_pong_interval=dt.timedelta(seconds=5))
    for count in range(1, 4):
        monitor.pass_time(5)
        wait_frames(rig, count)
    end(rig)
    assert rig.frames[:3] == [(FIN | PONG, b"")] * 3


def test_unsolicited_pongs_that_do_not_go_take_one_place(kept, monitor):
    rig = kept(keep_alive_interval=None, desired_unsolicited_pong_interval=dt.timedelta(seconds=5))
    rig.transport.block()
    monitor.pass_time(1000)
    assert len(rig.session.outbox._posted._controls) <= 1


def test_an_unsolicited_pong_does_not_take_the_place_of_an_answer(kept, monitor):
    rig = kept(keep_alive_interval=None, desired_unsolicited_pong_interval=dt.timedelta(seconds=5))
    rig.transport.block()
    rig.transport.feed(server_frame(PING, b"there?"))
    rig.transport.refused.wait(LIMIT)
    monitor.pass_time(5)
    rig.transport.unblock()
    rig.waker.wake()
    assert wait_frames(rig, 2) == [(FIN | PONG, b"there?"), (FIN | PONG, b"")]
    end(rig)


def test_unsolicited_pongs_end_when_closing_begins(kept, monitor):
    rig = kept(keep_alive_interval=None, desired_unsolicited_pong_interval=dt.timedelta(seconds=5))
    rig.session.begin_abandoned_close()
    monitor.pass_time(1000)
    end(rig)
    assert [first for first, _ in rig.frames] == [FIN | CLOSE]
