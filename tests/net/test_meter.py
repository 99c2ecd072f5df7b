"""Tests of net.meter, on a clock that stands still until a test moves it."""

import pytest

from syncws._net.meter import BandwidthMeter
from syncws._waiting import deadline


class Clock:
    def __init__(self):
        self.time = 1000.0

    def __call__(self):
        return self.time


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(deadline, "clock", clock)
    return clock


def feed(meter, clock, *samples):
    """Let each number of bytes move within a quarter of a second, a sample of its own."""
    for count in samples:
        clock.time += 0.25
        meter.add(count)


def test_a_new_meter_shows_zeros(clock):
    meter = BandwidthMeter()
    assert meter.read() == (0, 0, False)
    assert meter.total_bytes == 0


def test_all_bytes_are_counted(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 10, 0, 32)
    clock.time += 5
    meter.add(100)
    assert meter.total_bytes == 142


def test_before_the_first_sample_the_estimate_is_what_moved_so_far(clock):
    meter = BandwidthMeter()
    clock.time += 0.0625
    meter.add(1000)
    assert meter.read() == (128_000, 0, False)


def test_bytes_that_move_in_no_time_at_all_count_as_a_millisecond(clock):
    meter = BandwidthMeter()
    meter.add(1000)
    assert meter.read() == (8_000_000, 0, False)


def test_the_estimate_of_a_single_byte_is_not_zero(clock):
    meter = BandwidthMeter()
    clock.time += 20
    meter.add(0)
    assert meter.read() == (0, 0, False)
    meter.add(1)
    assert meter.read()[0] >= 1


def test_the_first_sample_is_the_estimate_and_half_of_it_the_instability(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000)
    assert meter.read() == (32_000, 16_000, False)


def test_a_sample_gathers_what_moves_within_a_tenth_of_a_second(clock):
    meter = BandwidthMeter()
    clock.time += 0.0625
    meter.add(500)
    clock.time += 0.0625
    meter.add(500)
    assert meter.read() == (64_000, 32_000, False)


def test_a_further_sample_moves_the_estimate_by_an_eighth_and_the_instability_by_a_quarter(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000, 2000)
    # 32,000 + (64,000 - 32,000) / 8; 16,000 + (32,000 - 16,000) / 4.
    assert meter.read() == (36_000, 20_000, False)


def test_a_sample_that_does_not_raise_the_estimate_has_peaked(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000, 1000)
    assert meter.read() == (32_000, 12_000, True)


def test_the_peak_is_over_when_a_sample_raises_the_estimate_again(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000, 1000, 2000)
    assert meter.read()[2] is False


def test_a_steady_stream_comes_to_rest_at_its_rate(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 500, *[1000] * 200)
    rate, instability, peaked = meter.read()
    assert 31_999 <= rate <= 32_000
    assert instability == 0
    assert peaked


def test_silence_of_over_a_second_starts_a_new_sample_and_keeps_the_estimate(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000)
    clock.time += 60
    meter.add(1000)
    assert meter.read() == (32_000, 16_000, False)


def test_the_bytes_that_break_the_silence_count_in_the_new_sample(clock):
    meter = BandwidthMeter()
    feed(meter, clock, 1000)
    clock.time += 60
    meter.add(1000)
    feed(meter, clock, 1000)
    # The new sample: 2,000 bytes in 0.25 s, 64,000 bits per second.
    assert meter.read() == (36_000, 20_000, False)


def test_a_pause_shorter_than_a_second_belongs_to_the_sample(clock):
    meter = BandwidthMeter()
    clock.time += 1.0
    meter.add(1000)
    assert meter.read()[0] == 8_000


@pytest.mark.parametrize("ahead", [0.0, 0.01], ids=["at the same time", "a moment later"])
def test_a_sender_that_another_one_overtakes_spoils_no_estimate(clock, ahead):
    """Small frames are sent without a lock: after its look at the clock another may count what it has sent."""

    class Overtaken(BandwidthMeter):
        has_begun = False

        def _add_rarely(self, count, time):
            if not self.has_begun:
                self.has_begun = True
                clock.time += ahead
                self.add(100)
            super()._add_rarely(count, time)

    meter = Overtaken()
    clock.time += 0.25
    meter.add(100)
    assert meter.total_bytes == 200
    bits, instability, _ = meter.read()
    assert 2000 < bits < 4000
    assert 0 < instability < 4000
