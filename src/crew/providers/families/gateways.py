"""Gateways and servers of one's own: the YAML says where they are."""

from crew.providers.families.family import Family
from crew.providers.rules import Meaning

LITELLM_PROXY = Family(
    name="litellm_proxy",
    signs_calls=True,
    reasoning_fields=("reasoning_content", "thinking_blocks"),
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
    words={Meaning.UNSUPPORTED: ("--jinja", "mmproj")},
    advice={
        "--jinja": "llama.cpp's server takes no tools as it was started; start it with "
        "--jinja",
        "no models loaded": "not loaded at LM Studio; load it there (lms load)",
        "mmproj": "llama.cpp's server sees no images as it was started; start it with "
        "the model's --mmproj file",
    },
)
