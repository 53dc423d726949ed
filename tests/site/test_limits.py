"""The rate of uploads, against a count of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtaudio.site.limits import HOUR_S, UploadRate


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.floats(0.0, 2000.0), st.sampled_from(["192.0.2.1", "192.0.2.2"]))),
)
def test_no_hour_has_more_than_allowed(most, arrivals):
    rate, now, taken = UploadRate(most), 0.0, []
    for pause, address in arrivals:
        now += pause
        recent = [t for t, a in taken if a == address and t > now - HOUR_S]
        wait = rate.wait_s(address, now)
        assert wait == (0.0 if len(recent) < most else recent[0] + HOUR_S - now)
        if wait == 0.0:
            taken.append((now, address))


@pytest.mark.parametrize(("one", "other", "same"), [
    ("2001:db8::1", "2001:db8::ffff:1", True), ("2001:db8::1", "2001:db8:0:1::1", False),
    ("fe80::1%eth0", "fe80::2%eth0", True), ("192.0.2.1", "192.0.2.2", False),
])  # fmt: skip
def test_addresses_of_one_network_count_as_one(one, other, same):
    rate = UploadRate(1)
    assert rate.wait_s(one, 0.0) == 0.0
    assert (rate.wait_s(other, 0.0) > 0.0) == same
