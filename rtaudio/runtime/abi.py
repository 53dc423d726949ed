"""The node ABI: the one C signature that everything in the audio thread is called by.

::

    int32 process(void *state, const float *src, float *dst, int64 frames)

    src  channel 0 |f0 f1 ... frames| . . . |   planar float32; channel c starts at c * stride;
         channel 1 |f0 f1 ... frames| . . . |   frames <= block <= stride
    dst  the same layout; never overlaps src, unless the kernel says that it works in place

    state  | params  channels  stride | fields of the kernel ... | work arrays (64-byte aligned) |
             ^ header, the same for every node                     ^ a field holds their address

``process`` returns 0, or a positive fault code (the program then silences and resets the node).
It must not allocate, lock, raise or enter the interpreter. A node that cannot keep its own promise
for a block (a model that reports an error) returns a fault code and leaves ``dst`` as it is.

The memory of a node is one aligned block. Python owns it, and keeps it alive until the audio
thread has let go of the program. An image of the block is taken when the program is built;
resetting a node is copying the image back. Whatever must survive a reset (weights, spectra,
parameter slots) lies outside the block as constants.

Parameters are float32 slots that any thread may store to (see :mod:`rtaudio.runtime.slots`). A
kernel reads them at the start of a block and ramps (see :mod:`rtaudio.runtime.kernels.ramp`).

A node knows which words of its memory hold addresses, and what each leads to: its `pointers`. A
pointer to a bus gets its address when a program is made of the plan (see
:mod:`rtaudio.runtime.plan`); all others lead to memory that exists already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import types

from rtaudio.runtime.jit import CFunction
from rtaudio.runtime.memory import ALIGNMENT, Array, aligned, offset_of, write_word
from rtaudio.runtime.slots import Slot, Slots

PROCESS = types.int32(
    types.voidptr, types.CPointer(types.float32), types.CPointer(types.float32), types.int64
)
"""The numba signature of a node's process function."""

HEADER: list[Any] = [("params", "i8"), ("channels", "i8"), ("stride", "i8")]
"""The first fields of every node state: slot address, input channels, distance of two channels."""

FAULT_MODEL = 1
"""Fault code: the model's own runtime reported an error."""


def state_dtype(*fields: Any) -> np.dtype[Any]:
    """Return the structured dtype of a node state: the header, then ``fields``.

    Addresses are declared ``"i8"``. Small fixed arrays may be fields: ``("z", "f4", (2,))``.
    """
    return np.dtype([*HEADER, *fields], align=True)


class Kernel(CFunction):
    """A process function, compiled when its address is first asked for and cached on disk.

    Parameters
    ----------
    function
        A Python function of :data:`PROCESS`, in the subset of the language that numba compiles
        without allocating.
    state
        The dtype of the node state, made by :func:`state_dtype`.
    """

    def __init__(self, function: Callable[..., int], state: np.dtype[Any]) -> None:
        super().__init__(function, PROCESS)
        self.state = state
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"


def kernel(state: np.dtype[Any]) -> Callable[[Callable[..., int]], Kernel]:
    """Decorate a process function with the dtype of its state.

    Examples
    --------
    >>> from rtaudio.runtime.words import address_of, struct_at
    >>> STATE = state_dtype(("factor", "f4"))
    >>> state_at = struct_at(STATE)
    >>> @kernel(STATE)
    ... def scale(state, src, dst, frames):
    ...     s = state_at(address_of(state))
    ...     for channel in range(s.channels):
    ...         at = channel * s.stride
    ...         for i in range(frames):
    ...             dst[at + i] = s.factor * src[at + i]
    ...     return 0
    """
    return lambda function: Kernel(function, state)


class Bus(NamedTuple):
    """A planar signal of a plan: which buffer holds it, and how late it is.

    ``first`` is the first of its channels in that buffer.
    """

    buffer: int
    channels: int
    latency_samples: int
    first: int = 0


@dataclass(frozen=True)
class Foreign:
    """Something of another library, such as a session: elsewhere it is made anew.

    The fields of a subclass say of what.
    """


class Pointer(NamedTuple):
    """A word of memory that holds an address.

    Attributes
    ----------
    memory, offset
        The block of memory that the word stands in, and where, in bytes.
    target, shift
        The target of the address: a block of memory, a function, something of another library, or
        a bus, which has no address before there is a program; and the offset into it, in bytes.
        Of a tensor the offset is that of its elements, in the block that the word stands in.
    """

    memory: Array
    offset: int
    target: Array | Kernel | Bus | Foreign
    shift: int = 0


class Node:
    """One instance of a kernel: its memory, the constants it points to, and its latency.

    Parameters
    ----------
    kernel
        The process function.
    latency_samples
        Samples by which the output lags the input, exactly.
    out_channels
        Number of output channels; None: as many as the input has.
    params
        Float32 parameter slots the kernel reads (``params`` of the header); shared, not copied.
    work
        Arrays that belong to the state and are restored by a reset; the state field of the same
        name receives the address.
    constants
        Arrays that survive a reset; the state field of the same name receives the address. Kernels
        only read them, unless they are the ``params`` of a node. A list makes a table of addresses.
    uncopied
        As ``constants``, but aligned arrays that are not copied: any number of nodes may read them.
    inner
        Nodes that this one calls; they are reset with it.
    relocatable
        False if the memory holds addresses that are not in `pointers`.
    **fields
        Start values of the other state fields. A field receives the address of a bus, a kernel, a
        node's state, a slot, or an effect's own slots.
    """

    def __init__(
        self,
        kernel: Kernel,
        *,
        latency_samples: int = 0,
        out_channels: int | None = None,
        params: Slots | Slot | Array | None = None,
        work: Mapping[str, Array] | None = None,
        constants: Mapping[str, Array | Sequence[Addressed]] | None = None,
        uncopied: Mapping[str, Array] | None = None,
        inner: Sequence[Node] = (),
        relocatable: bool = True,
        **fields: Any,
    ) -> None:
        self.kernel = kernel
        self.latency_samples = latency_samples
        self.out_channels = out_channels
        self.inner = list(inner)
        self.relocatable: bool = relocatable and all(node.relocatable for node in inner)
        self.keep: list[Any] = []
        self.pointers: list[Pointer] = []
        work = work or {}
        offsets, size = {}, kernel.state.itemsize
        for name, array in work.items():
            size += -size % ALIGNMENT
            offsets[name] = size
            size += array.nbytes
        self.memory = aligned(size, np.uint8)
        self.record = self.memory[: kernel.state.itemsize].view(kernel.state)[0]
        for name, array in work.items():
            at = offsets[name]
            self.memory[at : at + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view("u1")
            self._point(name, self.memory, at)
        for name, constant in (constants or {}).items():
            self._point(name, self._constant(constant))
        for name, array in (uncopied or {}).items():
            self._point(name, array)
        if params is not None:
            self._set("params", params)
        for name, value in fields.items():
            self._set(name, value)
        self.image: Array | None = None

    def _set(self, name: str, value: Any) -> None:
        if isinstance(value, Addressed):
            self._point(name, *_place(value))
            self.keep.append(value)
        elif name == "params":
            if value.dtype != np.float32 or not value.flags.c_contiguous:
                raise TypeError("parameter slots must be contiguous float32")
            self._point(name, value)
        else:
            self.record[name] = value

    def _point(self, name: str, target: Array | Kernel | Bus, shift: int = 0) -> None:
        """Note that a field holds an address."""
        offset = offset_of(self.kernel.state, name)
        self.pointers.append(_stored(Pointer(self.memory, offset, target, shift)))
        self.keep.append(target)

    def _constant(self, value: Array | Sequence[Addressed]) -> Array:
        """Copy an array, or make a table of addresses."""
        if isinstance(value, np.ndarray):
            copy = aligned(max(1, value.size), value.dtype)
            copy[: value.size] = np.ravel(value)
            return copy
        table = aligned(max(1, len(value)), np.int64)
        for place, each in enumerate(value):
            self.pointers.append(_stored(Pointer(table, 8 * place, *_place(each))))
            self.keep.append(each)
        return table

    def point(self, offset: int, target: Array, shift: int) -> None:
        """Store the address of a place in a block in the node's memory, and note it.

        Parameters
        ----------
        offset
            Where in the memory, in bytes.
        target, shift
            The block, which is kept, and the offset into it in bytes.
        """
        self.pointers.append(_stored(Pointer(self.memory, offset, target, shift)))
        self.keep.append(target)

    def store_foreign(self, offset: int, address: int, target: Foreign, shift: int = 0) -> None:
        """Store an address of another library in the node's memory, and note what it leads to.

        Parameters
        ----------
        offset
            Where in the memory, in bytes.
        address
            The address.
        target, shift
            As in `Pointer`.
        """
        write_word(self.memory, offset, address)
        self.pointers.append(Pointer(self.memory, offset, target, shift))

    @property
    def state_address(self) -> int:
        """The address to pass as ``state``."""
        return int(self.memory.ctypes.data)

    def freeze(self) -> None:
        """Take the image that a reset restores."""
        self.image = aligned(self.memory.nbytes, np.uint8)
        self.image[:] = self.memory
        for node in self.inner:
            node.freeze()

    def regions(self) -> list[tuple[int, int, int]]:
        """Return the copies of a reset: (to, from, bytes) of this node and the nodes inside it."""
        assert self.image is not None
        own = (self.state_address, int(self.image.ctypes.data), self.memory.nbytes)
        return [own, *(region for node in self.inner for region in node.regions())]


Addressed = Bus | Kernel | Node | Slot | Slots
"""Everything whose address a node may hold."""


def _place(what: Addressed) -> tuple[Array | Kernel | Bus, int]:
    """Return the target of an address, and the offset into it in bytes."""
    match what:
        case Node():
            return what.memory, 0
        case Slots():
            return what.own, 0
        case Slot():
            return what.array, 4 * what.place
    return what, 0


def _stored(pointer: Pointer) -> Pointer:
    """Write the address, unless it leads to a bus."""
    target = pointer.target
    if isinstance(target, Kernel):
        write_word(pointer.memory, pointer.offset, target.address)
    elif isinstance(target, np.ndarray):
        write_word(pointer.memory, pointer.offset, target.ctypes.data + pointer.shift)
    return pointer
