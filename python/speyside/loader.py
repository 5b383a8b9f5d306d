"""From the name of an application to the application: `module:callable` and its kin.

Most callers need load. A name is `module`, `module:name`, `module:object.name`, `module:factory('x', y=1)`,
or the same with a path to a .py or .wsgi file in the place of the module; or a PasteDeploy file. What cannot be loaded
raises Failure, which says whose fault it is; script mode, where a file is run as `__main__`, is not done here but in
script.py.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from speyside import _faults, pastedeploy
from speyside.failure import Failure, summary

Application = Callable[..., Any]
DEFAULT_NAMES = ("application", "app")
SUFFIXES = (".py", ".wsgi")
VARIADIC = 0x04  # CO_VARARGS of inspect, which is heavy to import


def prepare_path(directories: Sequence[str], chdir: str = "", script: str = "") -> None:
    """Change to the application's directory; put it, or that of the script, first on sys.path, then the directories."""
    if chdir:
        try:
            os.chdir(chdir)
        except OSError as error:
            raise Failure(_faults.IMPORT_FAILED, f"changing to {chdir}: {error.strerror}", "check --chdir.") from error
    if os.path.islink(script):
        script = os.path.realpath(script)  # as python does
    own = os.path.dirname(os.path.abspath(script)) if script else os.getcwd()
    first = [own, *(os.path.abspath(directory) for directory in directories)]
    sys.path[:] = first + [entry for entry in sys.path if entry not in first and entry != ""]


def load(name: str, paste_global: Sequence[str] = ()) -> Application:
    """Return the application of this name, or raise Failure; NAME=VALUE are for a PasteDeploy file."""
    if pastedeploy.names_one(name):
        return checked(pastedeploy.load(name, dict(one.split("=", 1) for one in paste_global)), name)
    module_name, expression = split(name)
    module = _import(module_name)
    if not expression:
        return default(module.__dict__, module_name)
    found = _call(module, module_name, expression) if "(" in expression else _find(module, module_name, expression)
    return checked(found, f"{module_name}:{expression}")


def find(name: str) -> Callable[[], object]:
    """Return what `module:callable` names, or raise Failure."""
    source, expression = split(name)
    found = _find(_import(source), source, expression)
    if not callable(found):
        raise Failure(_faults.NOT_CALLABLE, f"{name} is {_kind(found)}, which cannot be called")
    return found


def split(name: str) -> tuple[str, str]:
    """Split a name into the module or file, and what stands after the colon."""
    if os.path.isfile(name):
        return name, ""
    module, _, expression = name.partition(":")
    return module.strip(), expression.strip()


def default(names: dict[str, Any], source: str) -> Application:
    """Return what `application` or `app` is in a module or script, or raise Failure."""
    for candidate in DEFAULT_NAMES:
        if candidate in names:
            return checked(names[candidate], f"{source}:{candidate}")
    raise Failure(
        _faults.CALLABLE_NOT_FOUND,
        f"{source} has neither 'application' nor 'app'",
        _nearest("application", names, source, f"name the callable: {source}:NAME."),
    )


def checked(found: object, spelled: str) -> Application:
    """Return found when it can be called as an application, or raise Failure."""
    if not callable(found):
        raise Failure(
            _faults.NOT_CALLABLE,
            f"{spelled} is {_kind(found)}, which cannot be called",
            "name the WSGI callable, or a function that returns it with parentheses after its name.",
        )
    _check_arguments(found, spelled)
    return found


def framework(application: object) -> str:
    """Return the framework that the application is made with, "" when it is not known."""
    names = {"flask": "Flask", "django": "Django", "pyramid": "Pyramid", "bottle": "Bottle", "falcon": "Falcon"}
    for kind in type(application).__mro__:
        known = names.get(kind.__module__.partition(".")[0])
        if known:
            return known
    return ""


def _import(name: str) -> ModuleType:
    if not name:
        hint = "write module:callable, with the module before the colon."
        raise Failure(_faults.IMPORT_FAILED, "no module is named", hint)
    is_file = _is_file(name)
    try:
        return _import_file(name) if is_file else importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and not is_file and (name + ".").startswith(error.name + "."):
            raise Failure(_faults.IMPORT_FAILED, f"there is no module {name!r}", _near_modules(name)) from error
        raise _import_failed(name, error) from error
    except Failure:
        raise
    except (Exception, SystemExit) as error:
        raise _import_failed(name, error) from error


def _is_file(name: str) -> bool:
    """Tell a path from a module: `shop.wsgi` is a file where there is one, else the module wsgi of the package shop."""
    if os.sep in name or name.endswith(".py") or os.path.isfile(name):
        return True
    return name.endswith(SUFFIXES) and not all(part.isidentifier() for part in name.split("."))


def _import_failed(name: str, error: BaseException) -> Failure:
    if isinstance(error, SystemExit):
        text = f"{name} called sys.exit({error.code!r}) while it was imported"
        return Failure(_faults.IMPORT_FAILED, text, "guard it: if __name__ == '__main__'.", error)
    return Failure(_faults.IMPORT_FAILED, f"importing {name}: {summary(error)}", "", error)


def _import_file(path: str) -> ModuleType:
    full = os.path.abspath(path)
    if not os.path.isfile(full):
        raise Failure(_faults.IMPORT_FAILED, f"there is no file {path}", f"the directory is {os.getcwd()}.")
    directory, name = _package(full)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    if full.endswith(".py") and all(part.isidentifier() for part in name.split(".")):
        module = importlib.import_module(name)
        if os.path.realpath(getattr(module, "__file__", None) or "") == os.path.realpath(full):
            return module
        name = f"_{name}_of_speyside"  # another module has this name already: `code.py`, `test.py`
    return _import_as(name, full)


def _import_as(name: str, full: str) -> ModuleType:
    if name in sys.modules or not name.isidentifier():
        name = "_wsgi_" + "".join(letter if letter.isalnum() else "_" for letter in name)
    loader = importlib.machinery.SourceFileLoader(name, full)
    spec = importlib.util.spec_from_file_location(name, full, loader=loader)
    if spec is None:
        raise ImportError(f"{full} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _package(full: str) -> tuple[str, str]:
    """Return the directory that has to be on sys.path, and the dotted name of the file from there."""
    directory, name = os.path.split(os.path.splitext(full)[0])
    if name == "__init__":
        directory, name = os.path.split(directory)
    while os.path.isfile(os.path.join(directory, "__init__.py")):
        directory, package = os.path.split(directory)
        name = f"{package}.{name}"
    return directory, name


def _find(module: ModuleType, source: str, expression: str) -> object:
    found: object = module
    walked = source
    for step, part in enumerate(expression.split(".")):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            hint = _nearest(part, vars(module), source, "") if step == 0 else ""
            raise Failure(_faults.CALLABLE_NOT_FOUND, f"{walked} has no {part!r}", hint) from error
        walked += ("." if step else ":") + part
    return found


def _call(module: ModuleType, source: str, expression: str) -> object:
    import ast

    try:
        tree = ast.parse(expression, mode="eval").body
        if not isinstance(tree, ast.Call) or any(keyword.arg is None for keyword in tree.keywords):
            raise ValueError
        arguments = [ast.literal_eval(argument) for argument in tree.args]
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords}
    except (ValueError, SyntaxError) as error:
        text = f"{expression!r} is neither a name nor a call with literal arguments"
        raise Failure(_faults.CALLABLE_NOT_FOUND, text, "write it as module:factory('x', y=1).") from error
    target = ast.unparse(tree.func)
    factory = _find(module, source, target)
    if not callable(factory):
        raise Failure(_faults.NOT_CALLABLE, f"{source}:{target} is {_kind(factory)}, which cannot be called")
    _bind(factory, f"{source}:{target}", arguments, keywords)
    try:
        return factory(*arguments, **keywords)
    except (Exception, SystemExit) as error:
        raise Failure(_faults.IMPORT_FAILED, f"calling {source}:{expression}: {summary(error)}", "", error) from error


def _bind(factory: Callable[..., object], spelled: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
    import inspect

    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        text = f"{spelled}{signature} cannot be called so: {error}"
        raise Failure(_faults.CALLABLE_NOT_FOUND, text, "give the arguments it takes, as literals.") from error


def _check_arguments(found: object, spelled: str) -> None:
    """Refuse what is plainly no WSGI application: a factory without its parentheses, or an ASGI application."""
    function = found if hasattr(found, "__code__") else vars(type(found)).get("__call__")
    code = getattr(function, "__code__", None)
    if code is None:
        return
    own = 1 if function is not found or hasattr(found, "__self__") else 0
    most = code.co_argcount - own
    needed = most - len(getattr(function, "__defaults__", None) or ())
    if needed <= 2 <= most or (needed <= 2 and code.co_flags & VARIADIC):
        return
    hint = "PEP 3333: the application takes environ and start_response."
    if needed == 3:
        hint = "it looks like an ASGI application; Speyside serves WSGI."
    elif needed <= 0 and most < 2 and own == 0:
        hint = f"if it returns the application, write {spelled + '()'!r}."
    text = f"{spelled} cannot be called with environ and start_response"
    raise Failure(_faults.NOT_CALLABLE, text, hint)


def _kind(found: object) -> str:
    name = type(found).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _nearest(wanted: str, names: dict[str, Any], source: str, otherwise: str) -> str:
    import difflib

    own = [name for name, value in names.items() if not name.startswith("_") and callable(value)]
    near = difflib.get_close_matches(wanted, own, n=2, cutoff=0.5)
    if near:
        return f"did you mean {_listed(f'{source}:{name}' for name in near)}?"
    return otherwise


def _near_modules(name: str) -> str:
    import difflib

    first = name.partition(".")[0]
    here = [entry.removesuffix(".py") for entry in os.listdir() if entry.endswith(".py") or _is_package(entry)]
    near = difflib.get_close_matches(first, here, n=2, cutoff=0.6)
    if near:
        return f"did you mean {_listed(near)}?"
    return f"modules are looked for in {os.getcwd()} first: see --chdir and --pythonpath."


def _is_package(entry: str) -> bool:
    return os.path.isfile(os.path.join(entry, "__init__.py"))


def _listed(names: Iterable[str]) -> str:
    return " or ".join(repr(name) for name in names)
