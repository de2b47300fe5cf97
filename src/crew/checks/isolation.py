"""What isolates the commands of a run: chosen once, by the settings and the machine."""

import platform
from collections.abc import Mapping

from crew.sandbox.bubblewrap import INSTALL, find
from crew.sandbox.container import Container
from crew.sandbox.macos import SandboxExec
from crew.sandbox.running import Sandbox
from crew.sandbox.unprotected import Unprotected
from crew.settings.checks import CheckSettings


def isolation(settings: CheckSettings, environ: Mapping[str, str]) -> Sandbox | str:
    """What isolates, or one line that says what to install."""
    if settings.runtime == "off":
        return Unprotected()
    if settings.image is not None:
        found = Container.find(settings.runtime, settings.image, environ)
        return found or f"no {settings.runtime} here; install it, or leave out sandbox"
    if platform.system() == "Darwin":
        return SandboxExec.find() or "sandbox-exec is missing here; use a container"
    return find(environ) or f"nothing here isolates a command: {INSTALL}"
