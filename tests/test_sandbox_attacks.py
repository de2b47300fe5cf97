"""A hostile command in the sandbox: what it tries, and that nothing comes of it.

Each attack is tried for real, once it is sure that the command is isolated; and none
would destroy anything if it got through. The last test prints how many there were.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import checked
from checked import Opened, isolated
from crew.checks import Checks
from crew.sandbox.job import MB
from test_worktrees import git

pytestmark = isolated
shop, opened = checked.shop, checked.opened
SECRET = "s3cr3t-v4lue-that-nobody-may-see"
TRIED: set[str] = set()
SURVIVED: set[str] = set()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with secrets, and the same secret wherever else one may be."""
    made = tmp_path / "home"
    for name in (
        ".ssh/id_ed25519", ".aws/credentials", ".config/gh/hosts.yml", ".netrc",
        ".config/crew/.env", ".cargo/credentials.toml", ".cargo/bin/tool",
        ".local/share/keyrings/login.keyring", ".npmrc", ".bash_history",
        ".gitconfig",
    ):  # fmt: skip
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n" if name.endswith("tool") else SECRET)
    for name in ("output/r0/code.md", "state/quota.db", "own/.env", ".env"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    monkeypatch.setenv("HOME", str(made))
    monkeypatch.setenv("GEMINI_API_KEY", SECRET)
    monkeypatch.setenv("SESSION", SECRET)
    return made


@pytest.fixture
def checks(opened: Opened, shop: Path, home: Path) -> Checks:
    (shop / ".git" / "credentials").write_text(SECRET)
    git(shop, "config", "remote.origin.url", f"https://u:{SECRET}@example.org/x")
    (shop / ".env").write_text(SECRET)  # not committed: the worktree lacks it
    return surely_isolated(opened("checks: {test: 'true'}", shop))


def surely_isolated(checks: Checks) -> Checks:
    """Nothing below may run on the machine itself, whatever is broken."""
    ended = checks.command(["readlink", "/proc/self/ns/mnt"])
    assert ended.passed
    assert ended.output.strip() != str(Path("/proc/self/ns/mnt").readlink())
    return checks


def attack(name: str, checks: Checks, script: str) -> str:
    """Run a script; returns what it prints."""
    TRIED.add(name)
    ended = checks.command(["/bin/sh", "-c", script])
    assert SECRET not in ended.output
    return ended.output


READING = {
    "keys of ssh": "cat ~/.ssh/* {home}/.ssh/* {home}/.ssh/id_ed25519",
    "logins in the home": "grep -rs . {home} ~; cat {home}/.netrc {home}/.aws/*",
    "a toolchain's login": "cat {home}/.cargo/credentials.toml {home}/.cargo/../.npmrc",
    "the configuration": "cat {top}/own/.env {top}/.env {home}/.config/crew/.env",
    "other runs": "ls -R {top}/output; cat {top}/output/r0/code.md",
    "the state directory": "cat {top}/state/* {top}/state/quota.db",
    "the user's checkout": "cat {shop}/.env {shop}/.git/credentials {shop}/.git/config",
    "the run's own files": "cat {top}/output/r1/*.json ../../*.json ../*",
    "the environment": "env; export -p; set",
    "the environments of processes": "cat /proc/*/environ /proc/*/task/*/environ",
    "the parent's memory and files": "ls -l /proc/*/fd /proc/*/cwd; cat /proc/*/maps;"
    " cat /proc/1/root{home}/.ssh/id_ed25519 /proc/self/root{home}/.netrc",
    "the whole disk": "grep -rhsI {half} /tmp /root /home /srv /mnt /opt /var /run "
    "/dev/shm",
    "passwords of the system": "test ! -r /etc/shadow || echo {secret}",
    "keys of the system": "cat /etc/ssh/*_key /etc/ssl/private/* 2>&1 | grep -q BEGIN"
    " && echo {secret}",
    "symbolic links": "ln -s {home}/.ssh/id_ed25519 l; cat l; ln -s / r; "
    "cat r{home}/.netrc; rm -f l r",
    "hard links": "ln {home}/.netrc h && cat h",
    "mounts of devices": "mkdir m; mount --bind {home} m; cat m/.netrc; "
    "cat {home}/.netrc; ls /dev/vd* /dev/sd* /dev/nvme* 2>/dev/null | grep . "
    "&& echo {secret}",
    "a namespace of its own": "unshare -Urm true && echo {secret}",
    "a chroot": "chroot / id && echo {secret}; nsenter -t 1 -a id && echo {secret}",
}


@pytest.mark.parametrize("name", READING)
def test_nothing_secret_is_read(
    checks: Checks,
    home: Path,
    tmp_path: Path,
    shop: Path,
    name: str,
) -> None:
    # The secret itself would be in the command that looks for it.
    script = READING[name].format(
        home=home, top=tmp_path, shop=shop, half=SECRET[:14],
        secret=f"{SECRET[:9]}''{SECRET[9:]}",
    )  # fmt: skip

    attack(name, checks, script)

    SURVIVED.add(name)


WRITING = {
    "outside of the worktree": "echo x > {top}/pwned; echo x > {home}/pwned",
    "above the worktree": "echo x > ../pwned; echo x > ../../pwned",
    "into the user's checkout": "echo x > {shop}/.git/pwned; echo x > {shop}/.git",
    "hooks of git": "mkdir -p .git/hooks; echo x > .git/hooks/pre-commit; rm -f .git; "
    "mv .git g; ln -sf /tmp .git; echo 'gitdir: /tmp' > .git",
    "into the system": "echo x > /usr/pwned; echo x > /etc/pwned; echo x > /pwned; "
    "echo x > /dev/pwned; touch /usr/bin/env-pwned",
    "through a link": "ln -s {home} out; echo x > out/pwned; ln -s ../.. up; "
    "echo x > up/pwned; rm out up",
    "settings of the kernel": "for f in /proc/sys/kernel/core_pattern "
    "/proc/sysrq-trigger /sys/kernel/pwned; do : >> $f && echo x > {top}/pwned; done",
    "a remount": "mount -o remount,rw /usr; echo x > /usr/pwned",
}


@pytest.mark.parametrize("name", WRITING)
def test_nothing_is_written_outside(
    checks: Checks,
    home: Path,
    tmp_path: Path,
    shop: Path,
    name: str,
) -> None:
    git_file = (tmp_path / "output/r1/workspace/shop/.git").read_bytes()

    attack(name, checks, WRITING[name].format(home=home, top=tmp_path, shop=shop))

    assert not list(tmp_path.rglob("pwned"))
    assert not [p for p in ("/usr/pwned", "/etc/pwned", "/pwned") if Path(p).exists()]
    assert (tmp_path / "output/r1/workspace/shop/.git").read_bytes() == git_file
    assert not Path("/usr/bin/env-pwned").exists()
    SURVIVED.add(name)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[str, object]]:
    """A server on loopback, one on an abstract socket, one on a socket in a file."""
    reached: list[str] = []
    tcp = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0crew-{os.getpid()}")
    named = socket.socket(socket.AF_UNIX)
    named.bind(str(tmp_path / "s"))

    def serve(kind: str, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()
                reached.append(kind)

    given = {"tcp": tcp, "abstract": abstract, "named": named}
    for kind, server in given.items():
        server.listen()
        threading.Thread(target=serve, args=(kind, server), daemon=True).start()
    yield {"reached": reached, "port": tcp.getsockname()[1], "file": tmp_path / "s"}
    for server in given.values():
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


CONNECTING = {
    "loopback": "s.AF_INET, ('127.0.0.1', {port})",
    "the network": "s.AF_INET, ('192.0.2.1', 80)",
    "an abstract socket": "s.AF_UNIX, '\\0crew-{pid}'",
    "a server's socket in a file": "s.AF_UNIX, '{file}'",
    "docker's socket": "s.AF_UNIX, '/run/docker.sock'",
    "the machine's host": "40, (2, 1024)",
}


@pytest.mark.parametrize("name", CONNECTING)
def test_nobody_is_reached(
    checks: Checks, servers: dict[str, object], name: str
) -> None:
    TRIED.add(name)
    where = CONNECTING[name].format(pid=os.getpid(), **servers)
    script = f"import socket as s\nf, a = {where}\ns.socket(f).connect(a)\nprint('in')"

    ended = checks.command(["/usr/bin/python3", "-c", script])

    assert ended.by == "exit"
    assert ended.code == 1, ended.output
    assert servers["reached"] == []
    SURVIVED.add(name)


def bounded(checks: Checks, **bounds: float) -> Checks:
    settings = checks.runner.settings
    less = replace(settings.bounds, **bounds)
    checks.runner.settings = replace(settings, bounds=less)
    return checks


# Nice, so that on a busy machine it takes no thread from the tests beside it.
FORKS = "import os\nos.nice(19)\nwhile True:\n try: os.fork()\n except OSError: pass"
SHARED = (
    "import mmap\nkept = []\nwhile True:\n m = mmap.mmap(-1, 2**24)\n"
    " m.write(b'x' * 2**24)\n kept.append(m)"
)
MEMORY_FILES = (
    "import os\nkept = []\nwhile True:\n f = os.memfd_create('x')\n"
    " os.write(f, b'x' * 2**24)\n kept.append(f)"
)
SEGMENTS = (
    "import ctypes\nc = ctypes.CDLL(None)\n"
    "raise SystemExit(c.shmget(0, 2**28, 0o1600) < 0)"
)
MANY = "n = 0\nwhile True:\n open(f'f{n}', 'wb').write(b'x' * 2**22)\n n += 1"
TAKING = {
    "time": ("while True: pass", {"seconds": 0.3}, "timeout"),
    "a sleeper that closed its output": (
        "import os, time\nos.close(1); os.close(2)\ntime.sleep(99)",
        {"seconds": 0.3},
        "timeout",
    ),
    "a fork bomb": (FORKS, {"processes": 60}, "processes"),
    "memory": ("x = [b'x' * 2**24 for _ in range(99)]", {"memory": 256 * MB}, "exit"),
    "shared memory": (SHARED, {"memory": 256 * MB}, "memory"),
    "files in memory": (MEMORY_FILES, {"memory": 256 * MB}, "exit"),
    "segments of memory": (SEGMENTS, {"memory": 256 * MB}, "exit"),
    "a large file": ("open('big', 'wb').write(b'x' * 2**26)", {"file": 2**24}, "exit"),
    "many files": (MANY, {"disk": 64 * MB}, "disk"),
    "the private directory": (
        "open('/tmp/big', 'wb').write(b'x' * 2**26)",
        {"temporary": 16 * MB},
        "exit",
    ),
    "shared memory in files": (
        "open('/dev/shm/big', 'wb').write(b'x' * 2**26)",
        {"temporary": 16 * MB},
        "exit",
    ),
    "endless output": ("while True: print('x' * 9999)", {"output": 4 * MB}, "output"),
}


@pytest.mark.parametrize("name", TAKING)
def test_nothing_takes_more_than_its_bound(checks: Checks, name: str) -> None:
    TRIED.add(name)
    script, bounds, by = TAKING[name]
    bounds = {"seconds": 20.0, **bounds}

    ended = bounded(checks, **bounds).command(["/usr/bin/python3", "-c", script])

    # Without privileges the kernel itself holds a tree to its number of processes.
    allowed = (by, "timeout") if name == "a fork bomb" and os.getuid() else (by,)
    assert ended.by in allowed, ended
    assert not ended.passed
    assert len(ended.output) < 10_000
    SURVIVED.add(name)


NAMESPACES = ("user", "pid", "ipc", "uts", "net", "mnt")
LAYERS = f"""\
for n in {" ".join(NAMESPACES)}; do echo $n $(readlink /proc/self/ns/$n); done
grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status
for d in / /dev; do echo x > $d/crew-pwned && echo written $d; done 2>/dev/null
echo session $(cut -d' ' -f6 /proc/self/stat)
"""


def test_each_layer_holds_even_where_another_would_do(checks: Checks) -> None:
    """What two layers keep out, no attack from above notices if one is missing."""
    TRIED.add("a layer that is missing")

    ended = checks.command(["/bin/sh", "-c", LAYERS])
    lines = ended.output.splitlines()
    rows = {row[0].strip(":"): row[1] for row in map(str.split, lines)}

    assert "written" not in rows
    assert rows.pop("session") != "0"  # its own: no terminal to type into
    shared = [one for one in NAMESPACES if rows.pop(one) == _ours(one)]
    assert shared == []
    assert rows.pop("NoNewPrivs") == "1"
    assert rows.pop("Seccomp") == "2"
    assert len(rows) == 4
    assert {int(one, 16) for one in rows.values()} == {0}  # no capabilities
    SURVIVED.add("a layer that is missing")


def _ours(namespace: str) -> str:
    return str(Path(f"/proc/self/ns/{namespace}").readlink())


def test_a_daemon_dies_with_the_command(checks: Checks, tmp_path: Path) -> None:
    late = "(setsid sh -c 'sleep 0.3; echo late > late; sleep 30' >/dev/null 2>&1 &)"

    attack("a daemon", checks, late)
    attack("a daemon that holds the output", checks, "(setsid sleep 30 &); echo x")

    args = ["pgrep", "-f", "sleep 30"]
    with suppress(FileNotFoundError):
        found = subprocess.run(args, capture_output=True, text=True).stdout.split()
        assert not [pid for pid in found if _is_ours(pid)]
    assert not (tmp_path / "output/r1/workspace/shop/late").exists()
    SURVIVED.update({"a daemon", "a daemon that holds the output"})


def _is_ours(pid: str) -> bool:
    """Whether a process was started in a sandbox of this test: it has its variables."""
    with suppress(OSError):
        return "PYTHONPYCACHEPREFIX=/tmp/pycache" in Path(
            f"/proc/{pid}/environ"
        ).read_text(errors="replace")
    return False


NESTED = """\
mkdir nested && cd nested && git init -q . && git config user.email a@b &&
git config user.name a && echo x > f && git add f && git commit -qm x
git config filter.evil.clean 'touch {marker}; cat'
git config filter.evil.process 'touch {marker}'
git config core.fsmonitor 'touch {marker}; false'
echo '* filter=evil' > .gitattributes; echo y > f
cp -r .git ../src.git; mkdir -p ../deep/er; cp -r .git ../deep/er/.GIT
"""


def test_a_repository_in_the_worktree_runs_nothing(
    checks: Checks, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"

    attack("a repository in the worktree", checks, NESTED.format(marker=marker))
    checks.workspace.commit("one")
    checks.workspace.write("shop/nested/f", "z\n")
    checks.workspace.commit("two")
    git(tmp_path / "output/r1/workspace/shop", "diff", "--name-only", "HEAD")

    assert not marker.exists()
    assert not (tmp_path / "output/r1/workspace/shop/nested/.git").exists()
    assert not (tmp_path / "output/r1/workspace/shop/deep/er/.GIT").exists()
    SURVIVED.add("a repository in the worktree")


def test_no_program_runs_as_its_owner(checks: Checks, tmp_path: Path) -> None:
    attack(
        "a program that runs as its owner",
        checks,
        "cp /bin/sh a; chmod 4755 a; /usr/bin/python3 -c "
        "\"import os; os.open('b', os.O_CREAT | os.O_WRONLY, 0o6777)\"",
    )

    shop = tmp_path / "output/r1/workspace/shop"
    assert [p for p in shop.iterdir() if p.stat().st_mode & 0o6000] == []
    SURVIVED.add("a program that runs as its owner")


CONFTEST = """\
import os, pathlib, shutil, sys
for place in {places!r}:
    try:
        sys.stderr.write(pathlib.Path(place).read_text())
    except OSError:
        pass
for place in {places!r}:
    shutil.rmtree(pathlib.Path(place).parent, ignore_errors=True)
print("\\x1b]0;owned\\x07\\x1b[2J\\x1b[31mred\\x1b[0m \\u202e \\x9b")
print("key: sk-alpha-secret")
raise SystemExit(3)
"""


def test_a_hostile_test_file_shows_and_breaks_nothing(
    opened: Opened,
    shop: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    names = ("a hostile conftest.py", "escapes for the terminal", "a key in the output")
    TRIED.update(names)
    places = [str(home / ".netrc"), str(tmp_path / "state/quota.db"), str(shop / "x")]
    (shop / "conftest.py").write_text(CONFTEST.format(places=places))
    git(shop, "add", "--all")
    git(shop, "commit", "--quiet", "-m", "hostile")
    text = "checks: {test: /usr/bin/python3 conftest.py}"
    checks = surely_isolated(opened(text, shop))

    result = checks.run("test")

    assert not result.passed
    assert SECRET not in result.reason
    assert "sk-alpha-secret" not in result.reason
    assert all(one == "\n" or one.isprintable() for one in result.reason)
    assert "red" in result.reason
    assert (home / ".netrc").exists()
    assert (shop / "shop.py").exists()
    SURVIVED.update(names)


TRICKS = """\
import io, os, tarfile, zipfile
with zipfile.ZipFile('t.zip', 'w') as z:
    z.writestr('../../pwned', 'x'); z.writestr('{top}/pwned', 'x')
    z.writestr('.git/hooks/pre-commit', 'x')
for name in zipfile.ZipFile('t.zip').namelist():
    try:
        os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
        open(name, 'w').write('x')
    except OSError: pass
os.mkfifo('pipe')
for bad in (b'\\xff\\xfe', b'-rf', b'a\\nb', b'\\x1b[2J'):
    open(bad, 'w').close()
try: os.mknod('dev', 0o60666, os.makedev(8, 0))
except OSError: pass
os.symlink('loop', 'loop')
deep = 'd'
for _ in range(200):
    os.mkdir(deep); os.chdir(deep)
"""


def test_an_archive_of_tricks_harms_nobody(checks: Checks, tmp_path: Path) -> None:
    TRIED.update({"an archive of tricks", "a device", "odd names"})

    script = TRICKS.format(top=tmp_path)
    ended = checks.command(["/usr/bin/python3", "-c", script])
    checks.workspace.commit("tricks")
    listed = checks.workspace.files("shop")

    assert ended.by == "exit"
    assert not list(tmp_path.glob("pwned"))
    assert not (tmp_path / "output/r1/workspace/shop/dev").is_block_device()
    assert "shop/t.zip" in listed
    SURVIVED.update({"an archive of tricks", "a device", "odd names"})


def test_the_number_of_attacks_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write(
            f"\nattacks on the sandbox: {len(TRIED)} tried, {len(SURVIVED)} survived\n"
        )

    assert TRIED == SURVIVED
