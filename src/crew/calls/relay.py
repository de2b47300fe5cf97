"""The relay: hands a streamed answer on while it comes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crew.providers.transport import OnChunk


@dataclass(slots=True)
class Relay:
    """Hands the chunks of a stream on, and reports when an answer begins anew after
    one that broke off: the listener has seen a part of that already.

    `on_restart` is given the name of the deployment that answers anew.
    """

    on_chunk: OnChunk
    on_restart: Callable[[str], None]
    _shown: bool = False

    def of(self, deployment: str) -> OnChunk:
        """What an attempt at a deployment calls with each chunk."""
        anew = self._shown

        def hand_on(chunk: Any) -> None:
            nonlocal anew
            delta = chunk.choices[0].delta if chunk.choices else None
            if delta and (delta.content or delta.tool_calls):
                if anew:
                    anew = False
                    self.on_restart(deployment)
                self._shown = True
            self.on_chunk(chunk)

        return hand_on
