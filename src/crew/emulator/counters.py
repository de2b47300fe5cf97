"""What the emulator counted and saw: the truth that tests compare with."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crew.emulator.conversation import Conversation
from crew.settings import Deployment

_KEPT = 1000
_SYSTEM_CHARACTERS = 200


@dataclass(slots=True)
class Count:
    """The calls of one deployment. The tokens are those that were sent to clients."""

    requests: int = 0
    accepted: int = 0
    refused: int = 0
    faults: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Counters:
    """The counts of all deployments, and the last requests without their text."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        self._deployments = tuple(deployments)
        self._counts: dict[str, Count] = {}
        self._seen: deque[Mapping[str, Any]] = deque(maxlen=_KEPT)
        self.reset()

    def reset(self) -> None:
        """Count from zero."""
        self._counts = {d.name: Count() for d in self._deployments}
        self._seen.clear()

    def of(self, deployment: Deployment) -> Count:
        """The count of one deployment, to be changed."""
        return self._counts[deployment.name]

    def saw(self, deployment: Deployment, talk: Conversation, now: float) -> None:
        """Note a request that arrived."""
        self._seen.append(
            {
                "provider": deployment.provider.name,
                "deployment": deployment.name,
                "time": now,
                "stream": talk.stream,
                "tools": [tool.name for tool in talk.tools],
                "messages": len(talk.messages),
                "thoughts": [sorted(given) for given in talk.reasoning],
                "images": [asdict(picture) for picture in talk.pictures],
                "system": talk.system[:_SYSTEM_CHARACTERS],
            }
        )

    def shown(self) -> dict[str, dict[str, Any]]:
        """The counts by provider and deployment."""
        shown: dict[str, dict[str, Any]] = {}
        for deployment in self._deployments:
            provider = shown.setdefault(deployment.provider.name, {})
            provider[deployment.name] = asdict(self._counts[deployment.name])
        return shown

    def seen(self) -> list[Mapping[str, Any]]:
        """The last requests, oldest first."""
        return list(self._seen)
