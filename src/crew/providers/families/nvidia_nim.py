"""NVIDIA NIM, the free endpoints of build.nvidia.com (2026-11, captured bodies).

It speaks OpenAI's protocol. Its limit is about 40 requests a minute (contested: it
changes with the model and the traffic); no header says so.
"""

from crew.providers.families.family import Family
from crew.providers.rules import Meaning

NVIDIA_NIM = Family(
    name="nvidia_nim",
    base_url="https://integrate.api.nvidia.com/v1",
    # litellm 1.101 leaves it out, and a stream would report no usage.
    parameters=("stream_options",),
    words={
        # "The model 'x' has reached its end of life on ...": the ids live for months.
        Meaning.GONE: ("reached its end of life",),
        # "ResourceExhausted: Worker local total request limit reached (163/32)".
        Meaning.CAPACITY: ("worker local total request limit",),
        # "Function id 'x': DEGRADED function cannot be invoked".
        Meaning.DOWN: ("degraded function",),
    },
    open_list=True,
)
