"""The gates of the user's, as ours look at work."""

from crewai.tasks.task_output import TaskOutput

from crew.gates.gate import PASSES, Finding, Look, Work, fails
from crew.own import OwnGate


def own_look(gate: OwnGate) -> Look:
    """What a gate of the user's makes of a task's work. Raises TaskFailed when the
    gate itself does not work."""

    def look(work: Work) -> Finding:
        output = TaskOutput(description=work.asked, raw=work.text, agent="")
        reason = gate.judge(output, work.workspace)
        return PASSES if reason is None else fails(reason)

    return look
