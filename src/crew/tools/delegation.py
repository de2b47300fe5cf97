"""Delegation: CrewAI's tools, with coworkers found by any spelling of their name."""

from collections.abc import Sequence
from typing import Any

from crewai.tools import BaseTool
from crewai.tools.agent_tools.ask_question_tool import AskQuestionTool
from crewai.tools.agent_tools.base_agent_tools import BaseAgentTool
from crewai.tools.agent_tools.delegate_work_tool import DelegateWorkTool

from crew.tools.coworkers import find
from crew.tools.watched import watched_like


class _Delegate(DelegateWorkTool):
    """Work for a coworker."""

    def _execute(
        self, agent_name: str | None, task: str, context: str | None = None
    ) -> str:
        return super()._execute(_meant(agent_name, self.agents), task, context)


class _Ask(AskQuestionTool):
    """A question to a coworker."""

    def _execute(
        self, agent_name: str | None, task: str, context: str | None = None
    ) -> str:
        return super()._execute(_meant(agent_name, self.agents), task, context)


def delegating(tools: Sequence[BaseTool], *, alone: bool) -> list[BaseTool]:
    """The tools with our own delegation in place of CrewAI's. `alone`: without all
    others, which are a coworker's; a manager that has them never delegates."""
    return [
        _own(tool) if isinstance(tool, BaseAgentTool) else tool
        for tool in tools
        if isinstance(tool, BaseAgentTool) or not alone
    ]


def coworkers(tools: Sequence[BaseTool]) -> list[Any]:
    """The agents to whom the tools delegate."""
    found = [tool.agents for tool in tools if isinstance(tool, BaseAgentTool)]
    return list(found[0]) if found else []


def _own(tool: BaseAgentTool) -> BaseTool:
    ours = _Ask if isinstance(tool, AskQuestionTool) else _Delegate
    made = ours(agents=tool.agents, description=tool.description)
    return watched_like(tool, made)


def _meant(name: str | None, agents: Sequence[Any]) -> str | None:
    """The role, as CrewAI compares it, of the coworker that is meant."""
    roles = {
        str(getattr(agent.llm, "role", "") or agent.role): agent.role
        for agent in agents
    }
    if not (name or "").strip() and len(agents) == 1:
        return str(agents[0].role)
    found = find(name or "", roles)
    return name if found is None else str(roles[found])
