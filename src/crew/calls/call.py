"""One call of an agent: attempts at one deployment after another, until one answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

import crew.calls.unread_calls as unread_calls
from crew.calls.current_task import (
    chain_for,
    named_files,
    note_answer,
    prompt_for,
    without_for,
)
from crew.calls.files_by_text import FilesByText
from crew.calls.parts import amade, made, parts_of
from crew.calls.recorder import Attempt
from crew.calls.relay import Relay
from crew.calls.run import Run
from crew.calls.size import measure
from crew.calls.text_tools import as_text
from crew.calls.wording import override, worded
from crew.calls.written_calls import written_calls
from crew.errors import BadAnswer
from crew.gates import trust_of
from crew.guard import Lease
from crew.guard.attempts import Attempts
from crew.ladder import kind_for
from crew.providers.answer import Answer, text_answer
from crew.providers.prompt import Prompt
from crew.providers.reasoning import KeptReasoning
from crew.providers.tool_calls import made_call
from crew.providers.transport import OnChunk
from crew.routing import Request
from crew.settings import Deployment, Role, TaskSpec
from crew.settings.patterns import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an agent: one or more attempts, until one is answered.

    `role` and `task` are names in agents.yaml and tasks.yaml. `validate` makes an
    instance of the response model of an answer; what it cannot use is a ValueError,
    or comes back as text. `relay` is given where the answer is streamed.
    `reasoning` is what the models reasoned in this conversation. `asked` is the role
    where agents.yaml has none of this name.

    `part` is the one of the pattern `via` that makes it; empty: the role has none, or
    nobody has divided the call yet. `beside` is the text that is kept beside its tool
    calls, which is an architect's if it `plans`. An answer `is_aside` where it is none
    of the agent's own.
    """

    run: Run
    role: str
    task: str | None
    messages: list[Any]
    tools: Sequence[Any] | None
    response_model: type[BaseModel] | None
    stop: Sequence[str]
    parameters: Mapping[str, object]
    validate: Callable[[str, type[BaseModel]], str | BaseModel]
    relay: Relay | None
    reasoning: KeptReasoning
    asked: Role | None = None
    part: str = ""
    via: Pattern | None = None
    beside: str = ""
    plans: bool = False
    is_aside: bool = False

    def complete(self) -> Answer:
        """The answer of the first deployment that gives one. A tool call that it
        wrote and nobody can read goes back with the reason, up to some times.

        Raises QuotaExceeded when every deployment is closed, RunFailed when the
        request itself is refused, CutOff when nobody may write so long an answer,
        ContextTooLong when no window holds it.
        """
        if (parts := parts_of(self)) is not None:
            return made(parts)
        if (ended := self._ended()) is not None:
            return ended
        call = self
        for _ in range(unread_calls.MOST):
            answer = call._complete()
            if not unread_calls.is_to_tell(call.messages, answer):
                return answer
            call = replace(call, messages=unread_calls.told(call.messages, answer))
        return call._complete()

    async def acomplete(self) -> Answer:
        """As `complete`, without blocking the event loop."""
        if (parts := parts_of(self)) is not None:
            return await amade(parts)
        if (ended := self._ended()) is not None:
            return ended
        call = self
        for _ in range(unread_calls.MOST):
            answer = await call._acomplete()
            if not unread_calls.is_to_tell(call.messages, answer):
                return answer
            call = replace(call, messages=unread_calls.told(call.messages, answer))
        return await call._acomplete()

    @property
    def _files(self) -> FilesByText:
        """The files that the model may write as text."""
        role = self.asked or self.run.settings.roles[self.role]
        named = named_files(self.role) if self.asked is None else ()
        return FilesByText.of(role, self.tools, named, self.messages)

    def _ended(self) -> Answer | None:
        """The answer of a model that wrote the last file it was asked for as text."""
        text = self._files.ended()
        return text_answer(text) if text else None

    def _complete(self) -> Answer:
        attempts, prompt = self._open()
        while True:
            self.run.count_attempt()
            lease = attempts.acquire()
            with self.run.recorder.attempt(attempts, lease) as attempt:
                answer = self.run.transport.complete(
                    lease.deployment,
                    self._as_taken(prompt, attempt),
                    attempt.hearing.heard_by(self._on_chunk(lease)),
                    now=self.run.clock.now(),
                    on_sent=lease.sent,
                )
                answer = self._as_meant(answer, lease.deployment)
                self.structured(answer)
                attempt.answered(answer)
                return self._kept(attempt, answer)

    async def _acomplete(self) -> Answer:
        attempts, prompt = self._open()
        while True:
            self.run.count_attempt()
            lease = await attempts.acquire_async()
            async with self.run.recorder.attempt(attempts, lease) as attempt:
                answer = await self.run.transport.acomplete(
                    lease.deployment,
                    self._as_taken(prompt, attempt),
                    attempt.hearing.heard_by(self._on_chunk(lease)),
                    now=self.run.clock.now(),
                    on_sent=lease.sent,
                )
                answer = self._as_meant(answer, lease.deployment)
                self.structured(answer)
                attempt.answered(answer)
                return self._kept(attempt, answer)

    def _as_taken(self, prompt: Prompt, attempt: Attempt) -> Prompt:
        """The prompt in the style of the deployment, with the lease's room for an
        answer, and with its tools as text where the deployment takes none."""
        lease = attempt.lease
        prompt = replace(
            prompt,
            messages=worded(prompt.messages, attempt.style),
            output_room=lease.output_room,
        )
        if lease.deployment.tools:
            return prompt
        files = self._files
        written = as_text(
            prompt.messages, prompt.tools, writes=files.tool, named=files.named
        )
        return replace(prompt, messages=written, tools=None)

    def _as_meant(self, answer: Answer, deployment: Deployment) -> Answer:
        """The answer, with the calls that the model wrote as text made. One that was
        cut off is no call."""
        if not self.tools or answer.tool_calls or answer.finish_reason == "length":
            return answer
        asked = not deployment.tools
        written = written_calls(answer.text, self.tools, asked=asked)
        if asked and not written:
            written = self._files.calls(answer.text)
        if not written:
            why = unread_calls.unread(answer.text, self.tools) if asked else ""
            return replace(answer, unread=why)
        if not asked:
            self.run.report_written(deployment.name)
        made = tuple(made_call(call.name, call.arguments) for call in written)
        return replace(answer, text="", tool_calls=made)

    def _kept(self, attempt: Attempt, answer: Answer) -> Answer:
        lease = attempt.lease
        self.reasoning.keep(
            lease.deployment,
            answer.tool_calls,
            answer.reasoning,
            self.beside or answer.text,
            is_plan=self.plans,
        )
        if self.asked is None and not self.is_aside:
            note_answer(
                self.role,
                cut_off=answer.finish_reason == "length",
                deployment=lease.deployment.name,
                calls=answer.tool_calls,
                is_unread=bool(answer.unread),
                style=attempt.style.name if self.response_model is None else "",
            )
        return answer

    def structured(self, answer: Answer) -> BaseModel | None:
        """The answer as an instance of the response model, if one was asked for.

        Raises BadAnswer when it is no such instance.
        """
        if self.response_model is None or answer.tool_calls:
            return None
        try:
            found = self.validate(answer.text, self.response_model)
        except ValueError:
            found = ""
        if isinstance(found, BaseModel):
            return found
        raise BadAnswer(
            self.role,
            f"no valid {self.response_model.__name__}",
            charged=answer.charged,
        )

    def _on_chunk(self, lease: Lease) -> OnChunk | None:
        return self.relay.of(lease.deployment.name) if self.relay else None

    def _open(self) -> tuple[Attempts, Prompt]:
        messages = self.messages
        if self.response_model is not None:
            schema = json.dumps(self.response_model.model_json_schema())
            instruction = f"Answer with one JSON object of this schema: {schema}"
            messages = [*messages, {"role": "user", "content": instruction}]
        request = self._request(messages)
        prompt = Prompt(
            messages=messages,
            tools=self.tools,
            stop=self.stop,
            response_format=self.response_model,
            parameters=self.parameters,
            reasoning=self.reasoning,
        )
        return self.run.guard.begin(request), prompt

    def _request(self, messages: list[Any]) -> Request:
        settings = self.run.settings
        role = self.asked or settings.roles[self.role]
        task: TaskSpec | None = settings.tasks.get(self.task or "")
        size = measure(messages, self.tools)
        size = replace(
            size, characters=size.characters + self.reasoning.characters(messages)
        )
        tier, chain = role.tier, chain_for(role.name)
        if self.via is not None:
            chain = self.via.chain(self.part, settings.tiers)
            tier = self.via.tier(self.part, settings.tiers, role.tier)
        return Request(
            tier=tier,
            chain=chain,
            without=without_for(role.name),
            part=self.part,
            input_tokens=size.tokens,
            output_tokens=self._expected_output(role.name),
            role=role.name,
            task=self.task,
            run=self.run.id,
            kind=kind_for(settings, role, task),
            complexity=task.complexity if task else None,
            trust=self._trust(task),
            tools=bool(self.tools),
            vision=size.images > 0,
            patience=role.patience,
            characters=size.characters,
            images=size.images,
            style=override(
                role,
                is_read=self.asked is not None or self.response_model is not None,
                chosen=prompt_for(role.name),
            ),
        )

    def _trust(self, task: TaskSpec | None) -> str:
        """That of the task's strongest gate, where a strategy goes by it."""
        if task is None or not self.run.guard.ordering.asks_trust:
            return ""
        return str(trust_of(task.gates, self.run.settings.checks.names))

    def _expected_output(self, role: str) -> int:
        """What the answer is expected to take: no more than the role allows."""
        speaker = f"{role}/{self.part}" if self.part else role
        expected = self.run.guard.estimates.output_tokens(speaker)
        most = self.parameters.get("max_tokens")
        return min(expected, most) if isinstance(most, int) else expected
