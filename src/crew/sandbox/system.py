"""What a command sees of the system: programs and libraries, and of /etc what they
need. The rest of the disk is not there: homes, other projects, sockets of servers."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

_DIRECTORIES = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    "/nix/store", "/gnu/store",
)  # fmt: skip
# Of /etc what programs need and everybody may read: root could read all of it. Each
# mount takes a third of a millisecond, on a busy machine more.
_ETC = (
    "alternatives", "crypto-policies", "fonts", "group", "hosts", "java-*",
    "ld.so.cache", "localtime", "mime.types", "nsswitch.conf", "os-release", "passwd",
    "php", "pki/ca-trust", "pki/tls/certs", "protocols", "services", "ssl/cert.pem",
    "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_FOR_THE_NETWORK = "/etc/resolv.conf"


@cache
def system_places(*, network: bool) -> tuple[Path, ...]:
    """What is visible, under its own name and read-only."""
    found = [Path(name) for name in _DIRECTORIES]
    found += [one for name in _ETC for one in sorted(Path("/etc").glob(name))]
    places = [path for path in found if path.exists() and not path.is_symlink()]
    if network:
        resolver = Path(_FOR_THE_NETWORK)
        # Often a link to what a service keeps in /run.
        places += [resolver.resolve()] if resolver.exists() else []
    return tuple(places)


@cache
def system_links() -> Mapping[Path, Path]:
    """Symbolic links of the system, such as /bin on most."""
    names = [Path(name) for name in _DIRECTORIES]
    names += [one for name in _ETC for one in sorted(Path("/etc").glob(name))]
    names.append(Path(_FOR_THE_NETWORK))
    return {path: path.readlink() for path in names if path.is_symlink()}


def is_system(path: Path) -> bool:
    """Whether a path is visible as a part of the system."""
    return any(path.is_relative_to(one) for one in system_places(network=False)) or any(
        path.is_relative_to(one) for one in system_links()
    )
