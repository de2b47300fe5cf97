"""Importing other people's libraries without the files that they read by themselves.

litellm and CrewAI load a `.env` into the environment of the process when they are
imported, and a settings class of CrewAI's vector store reads that of the working
directory. Only the configuration of the run says which keys there are.
"""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

_OFF = "PYTHON_DOTENV_DISABLED"


@contextmanager
def without_their_files() -> Iterator[None]:
    """Import in the block. Afterwards all is as before: a script's own `load_dotenv`
    works."""
    before = os.environ.get(_OFF)
    os.environ[_OFF] = "1"
    try:
        with _without_settings_files(), _without_collector():
            yield
    finally:
        if before is None:
            os.environ.pop(_OFF, None)
        else:
            os.environ[_OFF] = before


@contextmanager
def _without_collector() -> Iterator[None]:
    """Imports leave no garbage. To look for it takes a quarter of their time."""
    if not gc.isenabled():  # whoever did that wants it so
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _without_settings_files() -> Iterator[None]:
    try:
        from pydantic_settings import DotEnvSettingsSource  # only when CrewAI is
    except ImportError:
        yield
        return
    reads = DotEnvSettingsSource._read_env_files
    DotEnvSettingsSource._read_env_files = lambda self: {}  # type: ignore[method-assign]
    try:
        yield
    finally:
        DotEnvSettingsSource._read_env_files = reads  # type: ignore[method-assign]
