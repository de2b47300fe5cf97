"""One question to a model of a tier, by the guard, outside of any conversation."""

from crew.calls.call import Call
from crew.calls.current_task import current_task
from crew.calls.run import Run
from crew.errors import ProviderError, QuotaExceeded
from crew.providers.reasoning import KeptReasoning
from crew.settings import Role

JUDGE = "judge"
"""The role under which a judge's calls are counted and reported."""


def ask(run: Run, tier: str, question: str) -> str | None:
    """The answer; None where every deployment of the tier is closed or refuses."""
    call = Call(
        run=run,
        role=JUDGE,
        task=current_task.get(),
        messages=[{"role": "user", "content": question}],
        tools=None,
        response_model=None,
        stop=(),
        parameters={"temperature": 0.0},
        validate=lambda text, model: text,
        relay=None,
        reasoning=KeptReasoning(),
        asked=Role(name=JUDGE, role=JUDGE, goal="", backstory="", tier=tier),
    )
    try:
        return run.settings.secrets.masked_answer(call.complete().text)
    except (QuotaExceeded, ProviderError):
        return None
