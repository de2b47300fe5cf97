"""Whether an answer is whole. The one place that decides it, streamed or not."""

from collections.abc import Mapping

from crew.errors import (
    BadAnswer,
    ContentRefused,
    ContextTooLong,
    CutOff,
    Overloaded,
    ProviderError,
    Unsupported,
)
from crew.providers.answer import Answer
from crew.providers.answer_end import End, Ending
from crew.providers.tool_calls import unsound
from crew.settings import Deployment

_CLASSES: Mapping[Ending, type[ProviderError]] = {
    Ending.CUT_OFF: CutOff,
    Ending.REFUSED: ContentRefused,
    Ending.TOO_LONG: ContextTooLong,
    Ending.UNSUPPORTED: Unsupported,
    Ending.OVERLOADED: Overloaded,
    Ending.BROKEN: BadAnswer,
}


def check_whole(
    deployment: Deployment, answer: Answer, end: End | None, asked_most: object
) -> None:
    """Raise the ProviderError that an answer stands for, unless it is whole.

    `end` is how it ended; None where that could not be seen: then litellm's word
    counts. `asked_most` is the `max_tokens` of the role: an answer that the user cut
    off is what the user wants, but no tool call of it is.
    """
    end = end or End(protocol="chat_completions", words=(answer.finish_reason or "",))
    ending = end.ending
    if ending is Ending.CUT_OFF and _by_the_user(answer, asked_most):
        return
    if ending is None:
        raise _error(BadAnswer, deployment, "the answer has no end", answer)
    if ending is not Ending.WHOLE:
        word = f" ({end.word})" if end.word else ""
        raise _error(_CLASSES[ending], deployment, f"{ending}{word}", answer)
    if name := unsound(answer.tool_calls):
        reason = f"a call of {name} whose arguments are no JSON object"
        raise _error(BadAnswer, deployment, reason, answer)
    if not answer.text.strip() and not answer.tool_calls:
        raise _error(BadAnswer, deployment, "the answer is empty", answer)


def _by_the_user(answer: Answer, asked_most: object) -> bool:
    if not isinstance(asked_most, int) or answer.tool_calls or not answer.text.strip():
        return False
    return answer.charged is None or answer.charged.output_tokens >= asked_most


def _error(
    kind: type[ProviderError], deployment: Deployment, reason: str, answer: Answer
) -> ProviderError:
    if kind is ContextTooLong:
        # CrewAI shortens a conversation when it reads "maximum context length".
        reason = "maximum context length reached in the answer"
    return kind(
        deployment.name, reason, charged=answer.charged, reported=answer.reported
    )
