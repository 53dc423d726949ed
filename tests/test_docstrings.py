"""Docstrings: their examples run, and whoever takes two arguments says what they are."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import numpy as np
import pytest

import rtaudio as rt
from rtaudio.runtime.abi import Kernel

PACKAGES = ["rtaudio", "export", "training"]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules():
    for name in PACKAGES:
        package = importlib.import_module(name)
        yield name
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                yield module.name


MODULES = sorted(modules())


def names():
    """Everything that examples may use without an import."""
    public = {name: getattr(rt, name) for name in dir(rt) if name[:1].isupper()}
    return public | {"rt": rt, "np": np, "load_preset": rt.load_preset}


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = importlib.import_module(module)
    space = names() | {k: v for k, v in vars(loaded).items() if not k.startswith("__")}
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=OPTIONS)
    told = []
    for test in finder.find(loaded, module, globs=space):
        runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def functions(module):
    """Public functions and methods that a module defines, with their names."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield name, value
        elif inspect.isclass(value):
            for key, member in vars(value).items():
                function = getattr(member, "__func__", member)
                inherited = any(hasattr(base, key) for base in value.__mro__[1:])
                if inspect.isfunction(function) and not key.startswith("_") and not inherited:
                    yield f"{name}.{key}", function


def arguments(function):
    named = inspect.signature(function).parameters.values()
    return [
        each.name
        for each in named
        if each.name not in ("self", "cls") and each.kind is not each.VAR_KEYWORD
    ]


def compiled(function):
    """Numba compiles functions without annotations."""
    return not function.__annotations__


ELSEWHERE = (
    "rtaudio.cli",  # options carry their help
    "rtaudio.control.api",  # OpenAPI describes its requests
    "rtaudio.site.api",
    "rtaudio.runtime.kernels.simd",  # LLVM values, all of them
)


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(ELSEWHERE)])
def test_two_arguments_are_described(module):
    loaded = importlib.import_module(module)
    missing = []
    for name, function in functions(loaded):
        if isinstance(function, Kernel) or compiled(function) or len(arguments(function)) < 2:
            continue
        text = inspect.getdoc(function) or ""
        section = re.search(r"Parameters\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", text, re.DOTALL)
        told = section[1] if section else text
        for argument in arguments(function):
            if not re.search(rf"\b{argument}\b", told):
                missing.append(f"{name}: {argument}")
        if section is None:
            missing.append(f"{name}: no Parameters")
    assert missing == []
