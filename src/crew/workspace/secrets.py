"""Files that look like secrets: no tool reads them, and no copy takes them along.

By their names, and private keys by their first line. What a repository names in
another way is beyond this list.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import PurePath

from crew.texts.escapes import escape_control

_DIRECTORIES = frozenset(
    (".ssh", ".aws", ".gnupg", ".kube", ".gcloud", ".password-store", ".oci")
)
_IN_DIRECTORIES = {
    ".docker": "config.json",
    ".cargo": "credentials",
    "gcloud": "access_tokens.db",
    "gh": "hosts.yml",
    ".azure": "accesstokens.json",
}
_NAME = re.compile(
    r"""
      \.env(?:[.\-_].*)? | .+\.env | \.envrc | \.renviron
    | [._]netrc | \.(?:npmrc|pypirc|pgpass|my\.cnf|mylogin\.cnf|htpasswd)
    | \.git-?credentials | \.docker(?:cfg|configjson) | \.vault-token
    | \.(?:s3cfg|boto|terraformrc) | \..*_history | kubeconfig
    | (?:.*[.\-_])?credentials(?:\.(?:json|toml|ya?ml|csv|ini|tfrc\.json|yml\.enc))?
    | local\.settings\.json | msal_token_cache\..*
    | id_(?:rsa|dsa|ecdsa|ed25519|xmss)(?:_sk)?(?:[.\-_].*)?
    | .*\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx?|ppk|ovpn|agekey|secrets?)
    | .*\.tfstate(?:\.backup)?
    | \.?secrets?\.(?:json|ya?ml|toml|ini|env|txt|properties|tfvars)
    | (?:client|oauth)[-_]?secrets?.*\.json
    | (?:service[-_]?account|gcp[-_]?key).*\.json
    """,
    re.VERBOSE | re.DOTALL,
)
# What shows others which variables there are; a public key is for everybody.
_EXAMPLE = re.compile(
    r"(?:.*[.\-_])?(?:example|sample|template|dist|tpl|pub)", re.DOTALL
)
_PRIVATE_KEY = re.compile(rb"\s*(?:\xef\xbb\xbf)?-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_SHOWN = 5


def is_secret(path: PurePath) -> bool:
    """Whether a path below a workspace looks like a secret."""
    # Some file systems ignore case, and dots and spaces at the end.
    parts = [part.casefold().rstrip(". ") for part in path.parts]
    if not _DIRECTORIES.isdisjoint(parts):
        return True
    pairs = itertools.pairwise(parts)
    if any(_IN_DIRECTORIES.get(outer) == inner for outer, inner in pairs):
        return True
    name = parts[-1] if parts else ""
    return not _EXAMPLE.fullmatch(name) and _NAME.fullmatch(name) is not None


def is_private_key(raw: bytes) -> bool:
    """Whether the content of a file is a private key, whatever its name."""
    return _PRIVATE_KEY.match(raw) is not None


def listed(names: Sequence[str]) -> str:
    """A few names of files in one line of text."""
    more = len(names) - _SHOWN
    shown = [escape_control(name).replace("\n", "\\n") for name in names[:_SHOWN]]
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
