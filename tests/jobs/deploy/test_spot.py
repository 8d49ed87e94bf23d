"""The clouds' notices, served as the clouds document them."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.deploy import spot


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_a_notice_is_heard_and_nothing_else_is(cloud: Any, name: str) -> None:
    assert not spot.NOTICED[name](cloud.address)
    cloud.taken_back = True
    assert spot.NOTICED[name](cloud.address)
    cloud.shutdown()
    assert not spot.NOTICED[name]("http://127.0.0.1:9")  # nobody there
