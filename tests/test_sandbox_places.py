"""Which parts of the disk count as the system, which every command sees."""

from pathlib import Path

import pytest

from crew.sandbox.system import is_system


@pytest.mark.parametrize(
    "path", ["/home", "/root", "/run", "/var/run", "/srv", "/opt", "/etc/shadow", "/"]
)
def test_homes_sockets_and_passwords_are_no_part_of_the_system(path: str) -> None:
    assert not is_system(Path(path))
    assert is_system(Path("/usr/bin/env"))
