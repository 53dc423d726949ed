"""A denoiser's training run in its folder.

What a run leaves behind::

    config.json    what was asked for
    train.log      what was said
    last.pt        everything to go on from
    best.pt        the averaged net with the lowest validation loss, ready for export
    history.csv    one row per epoch
    metrics.json   scores of the best net on the validation mixtures, time spent
"""

from __future__ import annotations

import csv
import datetime
import json
import logging
import math
import pickle
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from export.streaming import StreamingModule
from rtaudio.atomic import replacing
from rtaudio.view.terminal import progress
from training.checkpoint import load_checkpoint
from training.config import ConfigError
from training.denoise.config import DenoiseConfig
from training.denoise.corpus import Part
from training.denoise.features import FeatureLoss, load_features
from training.denoise.losses import (
    FEATURES,
    RESOLUTIONS,
    DenoiseLoss,
    Keep,
    si_sdr_db,
    window_samples,
)
from training.denoise.mixer import Mixtures
from training.denoise.mixture import Mixture, collate
from training.denoise.pairs import PairedFolders, PairedFoldersConfig
from training.models import net_class
from training.models.denoiser import Denoiser
from training.run import SAID, code_version, load_weights, logging_to, pick_device

__all__ = ["denoise_run"]

LOG = logging.getLogger("training")
GRADIENT_LIMIT = 1.0
STATISTICS_BATCHES = 16
HISTORY_FIELDS = [
    "step",
    "loss",
    "val_loss",
    "val_si_sdr_db",
    "balanced",
    "learning_rate",
    "wall_s",
    "cpu_s",
]


def denoise_run(
    config: DenoiseConfig,
    *,
    resume: bool = False,
    device: str = "auto",
    start: Path | None = None,
    show: bool = True,
) -> dict[str, Any]:
    """Train, keep the best averaged net by validation.

    Parameters
    ----------
    config
        The run.
    resume
        Go on from the last whole epoch in the run folder. Batches are told by their number, so
        that a resumed run sees what an unbroken one would have seen.
    device
        Where to compute; see `training.run.pick_device`.
    start
        A ``best.pt`` whose weights the net starts with; its look-ahead may be another one.
    show
        Show progress.

    Returns
    -------
    dict
        What ``metrics.json`` holds.

    Raises
    ------
    ConfigError
        The run folder holds a run already (without ``resume``), or none or another one (with it);
        or excerpts that do not fit the net.
    """
    folder, schedule = config.run_folder, config.schedule
    stored = _stored(config, resume)
    place = pick_device(device)
    torch.set_num_threads(config.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(config.seed)
    net = net_class(config.net.type)(**config.net.arguments)
    _check_excerpts(config, net)
    lineage = _adopt(net, start) if start is not None else None
    net, loss = net.to(place), _make_loss(config).to(place)
    average = AveragedModel(
        net, multi_avg_fn=get_ema_multi_avg_fn(schedule.average), use_buffers=True
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=schedule.learning_rate, weight_decay=0.01)
    rows: list[dict[str, float]] = []
    if stored:
        for part, name in ((net, "net"), (average, "average"), (optimizer, "optimizer")):
            part.load_state_dict(stored[name])
        loss.load_state_dict(stored["loss"])
        rows, lineage = stored["rows"], stored["lineage"]
    first = int(rows[-1]["step"]) if rows else 0
    batches = _batches(config, first)
    held_out = list(_validation(config))
    folder.mkdir(parents=True, exist_ok=True)
    _write_text(folder / "config.json", config.model_dump_json(indent=2))
    spent = (rows[-1]["wall_s"], rows[-1]["cpu_s"]) if rows else (0.0, 0.0)
    begun = (time.monotonic() - spent[0], time.process_time() - spent[1])
    with logging_to(folder / "train.log", show), progress(show) as bar:
        LOG.log(
            SAID,
            "training %s: %s with %s weights, on %s, from step %d of %d",
            config.name,
            config.net.type,
            f"{sum(p.numel() for p in net.parameters()):,}",
            place.type,
            first,
            schedule.steps,
        )
        line = bar.add_task(config.name, total=schedule.steps, completed=first)
        losses: list[Tensor] = []
        heard: deque[Mixture] = deque(maxlen=STATISTICS_BATCHES)
        for step, batch in zip(range(first + 1, schedule.steps + 1), batches, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(config, step)
            heard.append(_moved(batch, place))
            losses.append(_step(net, optimizer, heard[-1], config, loss))
            average.update_parameters(net)
            bar.update(line, completed=step)
            if step % schedule.epoch_steps and step != schedule.steps:
                continue
            kept: Any = average.module
            _measure_statistics(kept, heard)
            found = validate(kept, held_out, config, place, loss)
            rows.append(
                {
                    "step": step,
                    "loss": float(torch.stack(losses).mean()),
                    **found,
                    "balanced": float(loss.balanced),
                    "learning_rate": optimizer.param_groups[0]["lr"],
                    "wall_s": time.monotonic() - begun[0],
                    "cpu_s": time.process_time() - begun[1],
                }
            )
            losses = []
            heard.clear()
            LOG.info(
                "step %d of %d: loss %.4f, validation %.4f, SI-SDR %.2f dB",
                step,
                schedule.steps,
                rows[-1]["loss"],
                found["val_loss"],
                found["val_si_sdr_db"],
            )
            loss.end_epoch()
            _keep(config, net, average, optimizer, loss, rows, lineage)
    best = _best(rows)
    metrics = {
        **_metrics(best),
        "wall_minutes": round(rows[-1]["wall_s"] / 60, 1),
        "cpu_minutes": round(rows[-1]["cpu_s"] / 60, 1),
    }
    _write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    return metrics


def _check_excerpts(config: DenoiseConfig, net: StreamingModule) -> None:
    """Raise if an excerpt does not fit the net, or leaves no sound to compare."""
    samples, hop = config.data.excerpt_samples, max(net.hop, 1)
    least = net.latency_samples + window_samples(max(RESOLUTIONS), config.data.rate_hz)
    if samples % hop or samples < least:
        raise ConfigError(
            f"data.excerpt_samples = {samples}: the net wants a multiple of its hop, {hop}, and at "
            f"least {-(-least // hop) * hop}"
        )


def _adopt(net: StreamingModule, path: Path) -> dict[str, Any]:
    """Start with the weights of ``path``; returns how those were trained."""
    trained, card = load_checkpoint(path)
    if isinstance(net, Denoiser) and isinstance(trained, Denoiser):
        try:
            net.adopt(trained)
        except RuntimeError:
            raise ConfigError(
                f"{path}: its sizes are not those of the run; make net: the same as there"
            ) from None
    else:
        load_weights(net, path)
    return {"config": card["provenance"]["config"], "step": card["metrics"].get("step")}


def _step(
    net: StreamingModule,
    optimizer: torch.optim.Optimizer,
    batch: Mixture,
    config: DenoiseConfig,
    loss: DenoiseLoss,
) -> Tensor:
    net.train()
    loss.train()
    found: Tensor = loss(*_aligned(net, batch, config))
    optimizer.zero_grad()
    found.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), GRADIENT_LIMIT)
    if torch.isfinite(norm):  # one bad batch would spoil all weights for good
        optimizer.step()
    return found.detach()


@torch.no_grad()
def _measure_statistics(net: StreamingModule, batches: Iterable[Mixture]) -> None:
    """Normalise by what averaged weights make; averaged statistics are those of no net."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    net.train()
    for batch in batches:
        net(
            batch.noisy,
            {k: v.to(batch.noisy.device) for k, v in net.initial_state(len(batch.noisy)).items()},
        )
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def _make_loss(config: DenoiseConfig) -> DenoiseLoss:
    if FEATURES not in config.loss:
        return DenoiseLoss(config.loss)
    told = config.features
    return DenoiseLoss(
        config.loss,
        FeatureLoss(
            load_features(told.net),
            layers=told.layers,
            balance_after_epochs=told.balance_after_epochs,
        ),
    )


def _aligned(
    net: StreamingModule, batch: Mixture, config: DenoiseConfig
) -> tuple[Tensor, Tensor, Tensor, Keep]:
    """What a loss takes: output, target and mixture, without what the latency leaves unanswered."""
    state = {k: v.to(batch.noisy.device) for k, v in net.initial_state(len(batch.noisy)).items()}
    output, _ = net(batch.noisy, state)
    late = net.latency_samples
    samples = batch.noisy.shape[-1] - late
    keep = Keep(torch.as_tensor(batch.bandwidth_hz), config.data.rate_hz)
    return output[..., late:], batch.clean[..., :samples], batch.noisy[..., :samples], keep


def _moved(batch: Mixture, place: torch.device) -> Mixture:
    return Mixture(*(torch.as_tensor(getattr(batch, f.name)).to(place) for f in fields(batch)))


@torch.inference_mode()
def validate(
    net: StreamingModule,
    batches: list[Mixture],
    config: DenoiseConfig,
    place: torch.device,
    loss: DenoiseLoss,
) -> dict[str, float]:
    """Mean loss, and mean SI-SDR of the mixtures with speech and noise."""
    net.eval()
    loss.eval()
    losses, ratios = [], []
    for batch in batches:
        batch = _moved(batch, place)
        output, clean, noisy, keep = _aligned(net, batch, config)
        losses.append(float(loss(output, clean, noisy, keep)))
        mixed = (clean.square().mean(dim=(1, 2)) > 1e-9) & ((noisy - clean).abs().amax((1, 2)) > 0)
        ratios += si_sdr_db(output[:, 0], clean[:, 0])[mixed].tolist()
    return {
        "val_loss": sum(losses) / len(losses),
        "val_si_sdr_db": sum(ratios) / max(len(ratios), 1),
    }


def _learning_rate(config: DenoiseConfig, step: int) -> float:
    schedule = config.schedule
    rise = min(1.0, step / max(schedule.warmup_steps, 1))
    return schedule.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / schedule.steps))


class _From(Sampler[int]):
    """Numbers from ``first`` on, so that a resumed run goes on where it stopped."""

    def __init__(self, first: int, end: int) -> None:
        self.numbers = range(first, end)

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def _loader(data: Dataset[Mixture], config: DenoiseConfig, first: int, end: int) -> Any:
    return DataLoader(
        data,
        batch_size=config.schedule.batch,
        sampler=_From(first, end),
        collate_fn=collate,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
    )


def _mixtures(config: DenoiseConfig, part: Part, length: int) -> Dataset[Mixture]:
    data = config.data
    if isinstance(data, PairedFoldersConfig):
        return PairedFolders(data, part, seed=config.seed, length=length)
    return Mixtures(data, part, seed=config.seed, length=length)


def _batches(config: DenoiseConfig, first: int) -> Any:
    batch, steps = config.schedule.batch, config.schedule.steps
    mixtures = _mixtures(config, "train", batch * steps)
    return _loader(mixtures, config, first * batch, steps * batch)


def _validation(config: DenoiseConfig) -> Any:
    count = config.schedule.validation_mixtures
    mixtures = _mixtures(config, "validation", count)
    return _loader(mixtures, config, 0, count)


def _stored(config: DenoiseConfig, resume: bool) -> dict[str, Any] | None:
    folder = config.run_folder
    last = folder / "last.pt"
    if not resume:
        if last.exists():
            raise ConfigError(
                f"{folder} holds a run already; go on with --resume, or start anew with --out"
            )
        return None
    if not (folder / "config.json").is_file() or not last.is_file():
        raise ConfigError(f"{last}: no checkpoint to resume from; start without --resume")
    try:
        text = (folder / "config.json").read_text(encoding="utf-8")
        before = DenoiseConfig.model_validate_json(text)
        content: dict[str, Any] = torch.load(last, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, OSError):
        raise ConfigError(
            f"{folder}: last.pt or config.json is damaged; remove the folder and start anew"
        ) from None
    free = {"threads", "workers"}
    old, new = before.model_dump(exclude=free), config.model_dump(exclude=free)
    if old != new:
        changed = [key for key, value in new.items() if value != old[key]]
        raise ConfigError(
            f"{folder}: the run was started with another {changed[0]!r}; "
            "undo the change, or start anew in another folder"
        )
    return content


def _keep(
    config: DenoiseConfig,
    net: StreamingModule,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
    loss: DenoiseLoss,
    rows: list[dict[str, float]],
    lineage: dict[str, Any] | None,
) -> None:
    folder = config.run_folder
    with replacing(folder / "last.pt") as temporary:
        torch.save(
            {
                "net": net.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "loss": loss.state_dict(),
                "rows": rows,
                "lineage": lineage,
            },
            temporary,
        )
    with replacing(folder / "history.csv") as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, HISTORY_FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    if rows[-1] is not _best(rows):
        return
    kept = average.module
    content = {
        "net": f"{type(kept).__module__}:{type(kept).__qualname__}",
        "arguments": config.net.arguments,
        "weights": {name: value.cpu() for name, value in kept.state_dict().items()},
        "card": {
            "name": config.name,
            "description": config.description,
            "sample_rate": config.data.rate_hz,
            "levels": {},
            "license": config.license,
            "provenance": {
                "data": {
                    "source": config.source,
                    **config.data.model_dump(mode="json", exclude={"root", "cache"}),
                },
                "config": config.model_dump(mode="json", include=_told(config))
                | ({"start": lineage} if lineage else {}),
                "code": code_version(),
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            },
            "metrics": {
                **_metrics(rows[-1]),
                "weights": sum(p.numel() for p in kept.parameters()),
            },
        },
    }
    with replacing(folder / "best.pt") as temporary:
        torch.save(content, temporary)


def _told(config: DenoiseConfig) -> dict[str, Any]:
    """What the card says of the configuration: no path of this machine."""
    told: dict[str, Any] = dict.fromkeys(("seed", "net", "loss", "schedule"), True)
    if FEATURES in config.loss:
        told[FEATURES] = {"layers", "balance_after_epochs"}
    return told


def _best(rows: list[dict[str, float]]) -> dict[str, float]:
    """The lowest validation loss, the newest of equals; a balanced loss is another measure."""
    measure = rows[-1].get("balanced", 0.0)
    alike = [row for row in reversed(rows) if row.get("balanced", 0.0) == measure]
    return min(alike, key=lambda row: math.inf if math.isnan(row["val_loss"]) else row["val_loss"])


def _metrics(row: dict[str, float]) -> dict[str, float]:
    return {
        "step": int(row["step"]),
        "validation_loss": round(row["val_loss"], 5),
        "validation_si_sdr_db": round(row["val_si_sdr_db"], 2),
    }


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
