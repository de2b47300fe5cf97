"""Gateways and servers of one's own: the YAML says where they are."""

from crew.providers.bodies import as_object
from crew.providers.families.family import Family
from crew.providers.listing import Entry, Listed, count
from crew.providers.rules import Meaning

_WINDOWS = (
    "max_model_len",  # vLLM
    "loaded_context_length",  # LM Studio, of a model that is loaded
    "max_context_length",  # LM Studio, Mistral's servers
    "context_length",
    "context_window",
)


def own_entry(entry: Entry) -> Listed:
    """A model as servers of one's own list it beside its id. llama.cpp says what the
    model was made for, and newer ones what the server gives it."""
    meta = as_object(entry.get("meta"))
    sizes = [count(entry.get(name)) for name in _WINDOWS]
    sizes += [count(meta.get(name)) for name in ("n_ctx", "n_ctx_train")]
    return Listed(context_window=next((size for size in sizes if size), None))


LITELLM_PROXY = Family(
    name="litellm_proxy",
    signs_calls=True,
    reasoning_fields=("reasoning_content", "thinking_blocks"),
    reads_entry=own_entry,
    words={
        # It has no database, and the key is not its own.
        Meaning.KEY: ("no_db_connection",),
        Meaning.NOT_FOR_KEY: ("key_model_access_denied", "can only access models"),
        Meaning.GONE: (
            "invalid model name",
            "there are no healthy deployments for this model",
        ),
    },
)
HOSTED_VLLM = Family(
    name="hosted_vllm",
    reads_entry=own_entry,
    words={
        Meaning.UNSUPPORTED: ("--enable-auto-tool-choice", "--tool-call-parser"),
    },
    advice={
        "--enable-auto-tool-choice": "vLLM takes no tools as it was started; start it "
        "with --enable-auto-tool-choice and --tool-call-parser",
        "--tool-call-parser": "vLLM takes no tools as it was started; start it with "
        "--enable-auto-tool-choice and --tool-call-parser",
    },
)
LLAMA_CPP = Family(
    name="llamafile",
    reads_entry=own_entry,
    words={Meaning.UNSUPPORTED: ("--jinja", "mmproj")},
    advice={
        "--jinja": "llama.cpp's server takes no tools as it was started; start it with "
        "--jinja",
        "no models loaded": "not loaded at LM Studio; load it there (lms load)",
        "mmproj": "llama.cpp's server sees no images as it was started; start it with "
        "the model's --mmproj file",
    },
)
OWN_SERVERS = tuple(
    Family(name=name, reads_entry=own_entry)
    for name in (
        "custom_openai",
        "docker_model_runner",
        "lm_studio",
        "openai_like",
        "xinference",
    )
)
