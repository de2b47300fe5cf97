"""A CrewAI project whose agents get their models from tiers.

    uv run python examples/own-crewai-project/main.py

Three things are ours: the import, the `with` line, and each agent's `llm`.
"""

from pathlib import Path

from crewai import Agent, Crew, Task

from crew import tiers

CONFIG = Path(__file__).parent / "config"


def main() -> None:
    with tiers(CONFIG) as opened:
        researcher = Agent(
            role="Researcher",
            goal="Find what matters about {topic}",
            backstory="You know where to look.",
            llm=opened.llm("mid", role="researcher"),
        )
        writer = Agent(
            role="Writer",
            goal="Write about {topic}",
            backstory="You write short texts.",
            llm=opened.llm("mid", role="writer", temperature=0.2),
        )
        facts = Task(
            name="facts",
            description="List five facts about {topic}.",
            expected_output="A list.",
            agent=researcher,
        )
        essay = Task(
            name="essay",
            description="Write a paragraph from the facts.",
            expected_output="A paragraph.",
            agent=writer,
            context=[facts],
        )
        crew = Crew(agents=[researcher, writer], tasks=[facts, essay])
        print(crew.kickoff(inputs={"topic": "tea"}).raw)
        print(f"run {opened.run_id}: see crew --config {CONFIG} report")


if __name__ == "__main__":
    main()
