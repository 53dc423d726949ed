"""The mean of checkpoints: of each weight, with the runs of all named."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (extra: train)")

from training.average import average  # noqa: E402
from training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint  # noqa: E402
from training.models import NETS  # noqa: E402


def written(path, seed, hidden=4):
    torch.manual_seed(seed)
    net = NETS["lstm"](hidden=hidden)
    card = {
        "name": "amp",
        "provenance": {"config": {"seed": seed}},
        "metrics": {"esr": 0.1, "weights": 99},
    }
    save_checkpoint(path, net, {"hidden": hidden}, card)
    return net.state_dict()


def test_each_weight_is_the_mean_of_all_and_the_card_names_the_runs(tmp_path):
    paths = [tmp_path / f"{seed}.pt" for seed in range(3)]
    weights = [written(path, seed) for seed, path in enumerate(paths)]
    average(tmp_path / "mean.pt", paths)
    net, card = load_checkpoint(tmp_path / "mean.pt")
    for name, value in net.state_dict().items():
        wanted = torch.stack([each[name] for each in weights]).mean(0)
        torch.testing.assert_close(value, wanted, rtol=1e-6, atol=1e-7)
    assert [run["seed"] for run in card["provenance"]["mean_of"]] == [0, 1, 2]
    assert card["metrics"] == {"weights": 99}


def test_nets_of_other_sizes_have_no_mean(tmp_path):
    written(tmp_path / "one.pt", 0)
    written(tmp_path / "other.pt", 1, hidden=5)
    with pytest.raises(CheckpointError, match=r"other\.pt: another net than .*one\.pt"):
        average(tmp_path / "mean.pt", [tmp_path / "one.pt", tmp_path / "other.pt"])
    assert not (tmp_path / "mean.pt").exists()
