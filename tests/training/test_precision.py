"""Precision: products in half the bits, all else as it was."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.precision import precision  # noqa: E402


@pytest.mark.parametrize(
    ("name", "products"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_only_products_lose_bits(name, products):
    x = torch.rand(3, 8, 8)
    with precision(name, torch.device("cpu")):
        found = {
            "product": x @ x,
            "convolution": torch.nn.functional.conv1d(x, x),
            "sum": x + x,
            "spectrum": torch.fft.rfft(x).abs(),
        }
    dtypes = {what: y.dtype for what, y in found.items()}
    assert dtypes == dict.fromkeys(("product", "convolution"), products) | dict.fromkeys(
        ("sum", "spectrum"), torch.float32
    )
