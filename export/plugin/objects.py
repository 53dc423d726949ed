"""Object code: a compiled function, or bytes, as a file that a C compiler links."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba import types
from numba.core.registry import cpu_target

from rtaudio.runtime.jit import CFunction
from rtaudio.runtime.kernel_cache import cache_folder

__all__ = ["bytes_object", "function_object", "function_symbol"]

_FORM = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
"""Code that another version of this module has kept is made anew."""

_TYPES = {types.int32: "i32", types.int64: "i64", types.voidptr: "ptr"}


def function_symbol(function: CFunction) -> str:
    """Return the name of a function in its object code, the same in every process."""
    return "rtaudio_" + "".join(c if c.isalnum() else "_" for c in function.key)


def function_object(function: CFunction) -> bytes:
    """Return the object code of a function for the processor that numba compiles for.

    It is kept beside the compiled kernels, and made once.

    Parameters
    ----------
    function
        The function. It may call nothing but functions of C.
    """
    folder = cache_folder()
    path = None if folder is None else folder / f"{function.key}-{_FORM}.o"
    if path is not None:
        with suppress(OSError):
            return path.read_bytes()
    code = _emitted(_linked(function))
    if path is not None and path.parent.is_dir():
        with suppress(OSError):
            part = path.with_name(f".{path.name}.{os.getpid()}")
            part.write_bytes(code)
            part.replace(path)
    return code


def bytes_object(name: str, content: bytes) -> bytes:
    """Return object code that holds bytes, aligned to 64, under a name.

    Parameters
    ----------
    name
        The symbol.
    content
        The bytes.
    """
    text = "".join(f"\\{byte:02x}" for byte in content)
    module = llvm.parse_assembly(
        f'@{name} = hidden constant [{len(content)} x i8] c"{text}", align 64\n'
    )
    module.triple = llvm.get_process_triple()
    return _emitted(module)


def _machine() -> Any:
    """Return what emits code that may lie anywhere, for numba's processor."""
    _, cpu, features = cpu_target.target_context.codegen().magic_tuple()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="default"
    )


def _emitted(module: Any) -> bytes:
    llvm.initialize_native_asmparser()  # arm64 sets denormals by a line of assembly
    module.verify()
    return bytes(_machine().emit_object(module))


def _linked(function: CFunction) -> Any:
    """Return the module of a function with a plain C signature, and without all else.

    Numba's own wrapper with a C signature calls into the interpreter, so a call of the function
    below it takes its place: ``i32 native(result *, exception **, arguments ...)``.
    """
    compiled = function.compile_anew()
    module = llvm.parse_bitcode(compiled._library._final_module.as_bitcode())
    native = compiled._wrapper_name.removeprefix("cfunc.")
    arguments, result = function.signature
    kinds = [_TYPES.get(argument, "ptr") for argument in arguments]
    named = ", ".join(f"{kind} %a{k}" for k, kind in enumerate(kinds))
    symbol, kind = function_symbol(function), _TYPES[result]
    thunk = llvm.parse_assembly(f'''
        declare i32 @"{native}"(ptr, ptr, {", ".join(kinds)})
        define {kind} @{symbol}({named}) {{
            %result = alloca {kind}
            %exception = alloca ptr
            %status = call i32 @"{native}"(ptr %result, ptr %exception, {named})
            %value = load {kind}, ptr %result
            ret {kind} %value
        }}''')
    thunk.triple, thunk.data_layout = module.triple, module.data_layout
    module.link_in(thunk)
    for value in (*module.functions, *module.global_variables):
        if not value.is_declaration:
            value.linkage = llvm.Linkage.internal
    own = module.get_function(symbol)
    own.linkage, own.visibility = llvm.Linkage.external, llvm.Visibility.hidden
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(_machine(), tuning)
    passes.getModulePassManager().run(module, passes)
    return module
