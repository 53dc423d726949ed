"""A small CLAP host and a small VST3 host, for tests: interfaces from their facts, with ctypes."""

from __future__ import annotations

import ctypes as c
from pathlib import Path

import numpy as np
import pytest

P, S, U32, I32, I64, BOOL, F64 = (
    c.c_void_p, c.c_char_p, c.c_uint32, c.c_int32, c.c_int64, c.c_bool, c.c_double,
)  # fmt: skip
F = c.CFUNCTYPE


def record(name, *fields):
    return type(name, (c.Structure,), {"_fields_": fields})


Version = record("Version", ("numbers", U32 * 3))
Entry = record("Entry", ("version", Version), ("init", F(BOOL, S)), ("deinit", F(None)),
               ("get_factory", F(P, S)))  # fmt: skip
Descriptor = record(
    "Descriptor", ("version", Version), *((key, S) for key in (
        "id", "name", "vendor", "url", "manual", "support", "own_version", "description")),
    ("features", P),
)  # fmt: skip
Factory = record("Factory", ("count", F(U32, P)), ("descriptor", F(c.POINTER(Descriptor), P, U32)),
                 ("create", F(P, P, P, S)))  # fmt: skip
GET_EXTENSION, REQUEST = F(P, P, S), F(None, P)
Host = record("Host", ("version", Version), ("data", P), ("name", S), ("vendor", S), ("url", S),
              ("own_version", S), ("get_extension", GET_EXTENSION), ("restart", REQUEST),
              ("process", REQUEST), ("callback", REQUEST))  # fmt: skip
LOG = F(None, P, I32, S)
Log = record("Log", ("log", LOG))
Plugin = record(
    "Plugin", ("descriptor", P), ("data", P), ("init", F(BOOL, P)), ("destroy", F(None, P)),
    ("activate", F(BOOL, P, F64, U32, U32)), ("deactivate", F(None, P)),
    ("start_processing", F(BOOL, P)), ("stop_processing", F(None, P)), ("reset", F(None, P)),
    ("process", F(I32, P, P)), ("get_extension", F(P, P, S)), ("on_main_thread", F(None, P)),
)  # fmt: skip
Buffer = record("Buffer", ("data32", c.POINTER(P)), ("data64", P), ("channels", U32),
                ("latency", U32), ("constant", c.c_uint64))  # fmt: skip
ValueEvent = record(
    "ValueEvent", ("size", U32), ("time", U32), ("space", c.c_uint16), ("type", c.c_uint16),
    ("flags", U32), ("parameter", U32), ("cookie", P), ("note", I32), ("port", c.c_int16),
    ("channel", c.c_int16), ("key", c.c_int16), ("value", F64),
)  # fmt: skip
SIZE, GET = F(U32, P), F(P, P, U32)
Events = record("Events", ("context", P), ("size", SIZE), ("get", GET))
Process = record(
    "Process", ("steady", I64), ("frames", U32), ("transport", P), ("inputs", c.POINTER(Buffer)),
    ("outputs", c.POINTER(Buffer)), ("input_count", U32), ("output_count", U32),
    ("in_events", c.POINTER(Events)), ("out_events", P),
)  # fmt: skip
ParameterInfo = record(
    "ParameterInfo", ("id", U32), ("flags", U32), ("cookie", P), ("name", c.c_char * 256),
    ("module", c.c_char * 1024), ("low", F64), ("high", F64), ("start", F64),
)  # fmt: skip
Parameters = record(
    "Parameters", ("count", F(U32, P)), ("info", F(BOOL, P, U32, P)), ("value", F(BOOL, P, U32, P)),
    ("to_text", F(BOOL, P, U32, F64, P, U32)), ("from_text", F(BOOL, P, U32, S, P)),
    ("flush", F(None, P, P, P)),
)  # fmt: skip
Number = record("Number", ("get", F(U32, P)))
Configs = record("Configs", ("count", F(U32, P)), ("get", F(BOOL, P, U32, P)),
                 ("select", F(BOOL, P, U32)))  # fmt: skip
STREAM = F(I64, P, P, c.c_uint64)
Stream = record("Stream", ("context", P), ("call", STREAM))
State = record("State", ("save", F(BOOL, P, P)), ("load", F(BOOL, P, P)))

PresetLoad = record("PresetLoad", ("load", F(BOOL, P, U32, S, S)))
BEGIN, ADD, FLAGS, LOCATE = (
    F(BOOL, P, S, S), F(None, P, P), F(None, P, U32), F(BOOL, P, P),
)  # fmt: skip
Receiver = record("Receiver", ("data", P), ("error", P), ("begin", BEGIN), ("add", ADD),
                  ("soundpack", P), ("flags", FLAGS))  # fmt: skip
Indexer = record("Indexer", ("version", Version), ("texts", S * 4), ("data", P), ("filetype", P),
                 ("location", LOCATE))  # fmt: skip
Provider = record("Provider", ("descriptor", P), ("indexer", P), ("init", F(BOOL, P)),
                  ("destroy", F(None, P)), ("metadata", F(BOOL, P, U32, S, P)))  # fmt: skip
IN_PLUGIN = 1

CONFIG = {(2, 2): 0, (1, 1): 1, (1, 2): 2}


class ClapLibrary:
    """A loaded ``.clap`` file."""

    def __init__(self, path: Path):
        self.library = c.CDLL(str(path))
        self.entry = Entry.in_dll(self.library, "clap_entry")
        assert self.entry.init(str(path).encode())
        self.factory = Factory.from_address(self.entry.get_factory(b"clap.plugin-factory"))
        self.factory_address = c.addressof(self.factory)
        assert self.factory.count(self.factory_address) == 1
        self.descriptor = self.factory.descriptor(self.factory_address, 0).contents
        self.lines: list[str] = []
        self.log = Log(LOG(lambda host, severity, text: self.lines.append(text.decode())))
        self.host = Host(
            Version((1, 2, 0)), None, b"tests", b"", b"", b"1",
            GET_EXTENSION(lambda host, name: c.addressof(self.log) if name == b"clap.log" else 0),
            REQUEST(lambda host: None), REQUEST(lambda host: None), REQUEST(lambda host: None),
        )  # fmt: skip

    def presets(self):
        """Return the keys of the factory presets by their names, as a browser finds them."""
        address = self.entry.get_factory(b"clap.preset-discovery-factory/2")
        factory = Factory.from_address(address)
        kinds, found, ids = [], {}, []
        locate = LOCATE(lambda indexer, place: not kinds.append(U32.from_address(place + 16).value))
        indexer = Indexer(Version((1, 2, 0)), (S * 4)(), None, None, locate)
        provider = Provider.from_address(
            factory.create(address, c.addressof(indexer), self.descriptor.id)
        )
        assert provider.init(c.addressof(provider))
        receiver = Receiver(
            None, None,
            BEGIN(lambda receiver, name, key: not found.update({name.decode(): key})),
            ADD(lambda receiver, plugin: ids.append(S.from_address(plugin + 8).value)),
            None, FLAGS(lambda receiver, flags: None),
        )  # fmt: skip
        assert kinds == [IN_PLUGIN]
        assert provider.metadata(c.addressof(provider), IN_PLUGIN, None, c.addressof(receiver))
        assert set(ids) == {self.descriptor.id}
        provider.destroy(c.addressof(provider))
        return found

    def create(self) -> ClapPlugin:
        return ClapPlugin(self)


class ClapPlugin:
    """One instance."""

    def __init__(self, library: ClapLibrary):
        self.library = library
        self.address = library.factory.create(
            library.factory_address, c.addressof(library.host), library.descriptor.id
        )
        assert self.address
        self.plugin = Plugin.from_address(self.address)
        assert self.plugin.init(self.address)
        self.channels = (2, 2)

    def extension(self, name, kind):
        return kind.from_address(self.plugin.get_extension(self.address, name.encode()))

    def select(self, inputs, outputs):
        configs = self.extension("clap.audio-ports-config", Configs)
        assert configs.select(self.address, CONFIG[inputs, outputs])
        self.channels = inputs, outputs

    def activate(self, rate_hz, most=8192):
        return self.plugin.activate(self.address, rate_hz, 1, most) and (
            self.plugin.start_processing(self.address)
        )

    def deactivate(self):
        self.plugin.stop_processing(self.address)
        self.plugin.deactivate(self.address)

    def destroy(self):
        self.plugin.destroy(self.address)

    @property
    def latency(self):
        return self.extension("clap.latency", Number).get(self.address)

    @property
    def tail(self):
        return self.extension("clap.tail", Number).get(self.address)

    def parameters(self):
        """Return every parameter by its title."""
        table, found = self.extension("clap.params", Parameters), {}
        for index in range(table.count(self.address)):
            info = ParameterInfo()
            assert table.info(self.address, index, c.addressof(info))
            found[info.name.decode()] = info
        return found

    def value(self, parameter):
        value = F64()
        table = self.extension("clap.params", Parameters)
        assert table.value(self.address, parameter, c.addressof(value))
        return value.value

    def text(self, parameter, value):
        text = c.create_string_buffer(100)
        table = self.extension("clap.params", Parameters)
        assert table.to_text(self.address, parameter, value, c.addressof(text), 100)
        return text.value.decode()

    def save(self, step=7):
        """Return the state; the stream takes ``step`` bytes at a time."""
        parts = []

        def write(stream, data, size):
            parts.append(c.string_at(data, min(size, step)))
            return min(size, step)

        stream = Stream(None, STREAM(write))
        table = self.extension("clap.state", State)
        assert table.save(self.address, c.addressof(stream))
        return b"".join(parts)

    def load(self, state, step=5):
        left = [state]

        def read(stream, data, size):
            part, left[0] = left[0][: min(size, step)], left[0][min(size, step) :]
            c.memmove(data, part, len(part))
            return len(part)

        stream = Stream(None, STREAM(read))
        return self.extension("clap.state", State).load(self.address, c.addressof(stream))

    def choose(self, key):
        table = self.extension("clap.preset-load/2", PresetLoad)
        return table.load(self.address, IN_PLUGIN, None, key)

    def process(self, x, events=()):
        """Play one block ``[inputs, frames]``; events are (frame, parameter, value)."""
        frames = x.shape[1]
        y = np.full((self.channels[1], max(1, frames)), 7.0, np.float32)
        x = np.ascontiguousarray(x, np.float32)
        pointers = [
            (P * len(a))(*(a.ctypes.data + 4 * k * a.shape[1] for k in range(len(a))))
            for a in (x, y)
        ]
        ins, outs = (Buffer(c.cast(p, c.POINTER(P)), None, len(p), 0, 0) for p in pointers)
        records = [
            ValueEvent(c.sizeof(ValueEvent), time, 0, 5, 0, parameter, None, -1, -1, -1, -1, value)
            for time, parameter, value in events
        ]
        queue = Events(
            None, SIZE(lambda q: len(records)), GET(lambda q, k: c.addressof(records[k]))
        )
        process = Process(
            -1, frames, None, c.pointer(ins), c.pointer(outs), 1, 1, c.pointer(queue), None
        )
        assert self.plugin.process(self.address, c.addressof(process)) != 0
        return y[:, :frames]

    def play(self, x, blocks, events=lambda start, frames: ()):
        """Play a whole signal in blocks of the given sizes, over and over."""
        parts, start, turn = [], 0, 0
        while start < x.shape[1]:
            part = x[:, start : start + blocks[turn % len(blocks)]]
            parts.append(self.process(part, events(start, part.shape[1])))
            start, turn = start + part.shape[1], turn + 1
        return np.concatenate(parts, axis=1)


@pytest.fixture(scope="session")
def clap_library():
    """Return the class that loads a ``.clap`` file."""
    return ClapLibrary


# -- VST3 ------------------------------------------------------------------------------------------

COMPONENT, PROCESSOR, CONTROLLER, UNITS = (
    bytes.fromhex(words)
    for words in (
        "E831FF31F2D54301928EBBEE25697802",
        "42043F99B7DA453CA569E79D9AAEC33D",
        "DCD7BBE37742448DA874AACC979C759E",
        "3D4BD6B5913A4FD2A886E768A5EB92C1",
    )
)
U64 = c.c_uint64
ARRANGEMENTS = {1: 1 << 19, 2: 3}
Setup = record("Setup", ("mode", I32), ("size", I32), ("most", I32), ("rate", F64))
Bus = record("Bus", ("channels", I32), ("silence", U64), ("samples", c.POINTER(P)))
Data = record(
    "Data", ("mode", I32), ("size", I32), ("frames", I32), ("input_count", I32),
    ("output_count", I32), ("inputs", c.POINTER(Bus)), ("outputs", c.POINTER(Bus)),
    ("changes", P), ("out_changes", P), ("events", P), ("out_events", P), ("context", P),
)  # fmt: skip


def call(thing, index, *arguments, result=I32):
    """Call a function of an object by its place in the table; floats and pointers as they are."""
    table = P.from_address(thing).value
    address = P.from_address(table + 8 * index).value
    kinds = [F64 if isinstance(a, float) else U32 if isinstance(a, int) else P for a in arguments]
    return c.CFUNCTYPE(result, P, *kinds)(address)(thing, *arguments)


class ParameterChanges:
    """The changes of one block, as a host passes them: {parameter: [(frame, normal), ...]}."""

    def __init__(self, changes):
        self.keep = []
        unknown = F(I32, P)(lambda _: 0)
        queues = [self._queue(unknown, key, points) for key, points in changes.items()]
        self.address = self._object(
            *[unknown] * 3, F(I32, P)(lambda _: len(queues)), F(P, P, I32)(lambda _, k: queues[k])
        )

    def _queue(self, unknown, key, points):
        def point(_, index, frame, value):
            I32.from_address(frame).value, F64.from_address(value).value = points[index]
            return 0

        return self._object(
            *[unknown] * 3,
            F(U32, P)(lambda _: key), F(I32, P)(lambda _: len(points)), F(I32, P, I32, P, P)(point),
        )  # fmt: skip

    def _object(self, *functions):
        table = (P * len(functions))(*(c.cast(f, P).value for f in functions))
        pointer = P(c.addressof(table))
        self.keep.append((functions, table, pointer))
        return c.addressof(pointer)


class Vst3Plugin:
    """One instance of a VST3 plugin."""

    channels = (2, 2)

    def __init__(self, library: Path):
        self.library = c.CDLL(str(library))
        assert self.library.ModuleEntry(P(1))
        self.library.GetPluginFactory.restype = P
        factory = self.library.GetPluginFactory()
        info = c.create_string_buffer(440)
        assert call(factory, 7, 0, c.byref(info)) == 0
        found = P()
        assert call(factory, 6, info, c.create_string_buffer(COMPONENT), c.byref(found)) == 0
        self.component = found.value
        assert call(self.component, 3, None) == 0
        self.processor, self.controller = (self._as(iid) for iid in (PROCESSOR, CONTROLLER))

    def _as(self, iid):
        found = P()
        assert call(self.component, 0, c.create_string_buffer(iid), c.byref(found)) == 0
        return found.value

    def arrange(self, inputs, outputs):
        ins, outs = (U64(ARRANGEMENTS[n]) for n in (inputs, outputs))
        self.channels = inputs, outputs
        return call(self.processor, 3, c.byref(ins), 1, c.byref(outs), 1) == 0

    def prepare(self, rate, most=512):
        setup = Setup(0, 0, most, rate)
        return call(self.processor, 7, c.byref(setup)) == 0 and call(self.component, 11, 1) == 0

    @property
    def latency(self):
        return call(self.processor, 6, result=U32)

    def ids(self):
        """Return the numbers of the parameters by their titles."""
        found = {}
        for index in range(call(self.controller, 8)):
            info = c.create_string_buffer(792)
            assert call(self.controller, 9, index, c.byref(info)) == 0
            title = info.raw[4:260].decode("utf-16-le").rstrip("\0")
            found[title] = int.from_bytes(info.raw[:4], "little")
        return found

    def normal(self, parameter, value):
        return call(self.controller, 13, parameter, float(value), result=F64)

    def presets(self):
        """Return the names in the list of programs."""
        units = self._as(UNITS)
        info = c.create_string_buffer(264)
        assert call(units, 6, 0, c.byref(info)) == 0
        names = []
        for index in range(int.from_bytes(info.raw[260:], "little")):
            text = c.create_string_buffer(256)
            assert call(units, 7, 1, index, c.byref(text)) == 0
            names.append(text.raw.decode("utf-16-le").rstrip("\0"))
        call(units, 2, result=U32)
        return names

    def set(self, parameter, normal):
        return call(self.controller, 15, parameter, float(normal)) == 0

    def value(self, parameter):
        return call(self.controller, 14, parameter, result=F64)

    def process(self, x, changes=None):
        frames = x.shape[1]
        y = np.full((self.channels[1], max(1, frames)), 7.0, np.float32)
        x = np.ascontiguousarray(x, np.float32)
        rows = [
            (P * len(a))(*(a.ctypes.data + 4 * k * a.shape[1] for k in range(len(a))))
            for a in (x, y)
        ]
        ins, outs = (Bus(len(row), 0, c.cast(row, c.POINTER(P))) for row in rows)
        changed = ParameterChanges(changes) if changes else None
        address = changed.address if changed else None
        data = Data(0, 0, frames, 1, 1, c.pointer(ins), c.pointer(outs), address)
        assert call(self.processor, 9, c.byref(data)) == 0
        return y[:, :frames]

    def release(self):
        """As JUCE does: both sides of a single object are terminated."""
        call(self.component, 11, 0)
        for side in (self.component, self.controller):
            assert call(side, 4) == 0
        left = [call(side, 2, result=U32) for side in
                (self.controller, self.processor, self.component)]  # fmt: skip
        assert left == [2, 1, 0]


@pytest.fixture(scope="session")
def vst3_plugin():
    """Return the class of an instance of a VST3 plugin."""
    return Vst3Plugin
