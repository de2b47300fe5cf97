"""The attempts at one call: a lease, a deployment, and the next one when it fails."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from crew.calls.run import Run
from crew.calls.size import measure
from crew.errors import BadAnswer, ProviderError
from crew.guard import Lease
from crew.guard.attempts import Attempts
from crew.providers.prompt import Prompt
from crew.providers.reasoning import KeptReasoning
from crew.providers.transport import Answer, OnChunk, acomplete, complete
from crew.routing import Request
from crew.settings import TaskSpec


@dataclass(slots=True)
class Relay:
    """Hands the chunks of a stream on, and tells when an answer begins anew after one
    that broke off: whoever listens has seen a part of that already.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of an agent: one or more attempts, until one is answered.

    `role` and `task` are names in agents.yaml and tasks.yaml. `validate` makes an
    instance of the response model of an answer; what it cannot use is a ValueError,
    or comes back as text. `relay` is given where the answer is streamed.
    `thoughts` are those that the LLM had in this conversation.
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

    def complete(self) -> Answer:
        """The answer of the first deployment that gives one.

        Raises QuotaExceeded when every deployment is closed, RunFailed when the
        request itself is refused, ContextTooLong when no window holds it.
        """
        attempts, request, prompt = self._open()
        while True:
            self.run.count_attempt()
            lease = attempts.acquire()
            began = self.run.clock.monotonic()
            self.run.begin(lease, request)
            failure: ProviderError
            try:
                answer = complete(
                    lease.deployment,
                    prompt,
                    self._on_chunk(lease),
                    now=self.run.clock.now(),
                    on_sent=lease.sent,
                )
                self.structured(answer)
            except ProviderError as exc:
                failure = exc
            except BaseException:
                self.run.break_off(lease)
                raise
            else:
                seconds = self.run.clock.monotonic() - began
                self.run.settle(lease, answer, request, seconds)
                return self._kept(lease, answer)
            self._failed(attempts, lease, failure, request, began)

    async def acomplete(self) -> Answer:
        """As `complete`, without blocking the event loop."""
        attempts, request, prompt = self._open()
        while True:
            self.run.count_attempt()
            lease = await attempts.acquire_async()
            began = self.run.clock.monotonic()
            self.run.begin(lease, request)
            failure: ProviderError
            try:
                answer = await acomplete(
                    lease.deployment,
                    prompt,
                    self._on_chunk(lease),
                    now=self.run.clock.now(),
                    on_sent=lease.sent,
                )
                self.structured(answer)
            except ProviderError as exc:
                failure = exc
            except BaseException:
                self.run.break_off(lease)
                raise
            else:
                seconds = self.run.clock.monotonic() - began
                await asyncio.to_thread(
                    self.run.settle, lease, answer, request, seconds
                )
                return self._kept(lease, answer)
            await asyncio.to_thread(
                self._failed, attempts, lease, failure, request, began
            )

    def _kept(self, lease: Lease, answer: Answer) -> Answer:
        self.reasoning.keep(
            lease.deployment, answer.tool_calls, answer.reasoning, answer.text
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

    def _open(self) -> tuple[Attempts, Request, Prompt]:
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
        return self.run.guard.begin(request), request, prompt

    def _request(self, messages: list[Any]) -> Request:
        settings = self.run.settings
        role = settings.roles[self.role]
        task: TaskSpec | None = settings.tasks.get(self.task or "")
        own = task is not None and task.agent == role.name
        size = measure(messages, self.tools)
        size = replace(
            size, characters=size.characters + self.reasoning.characters(messages)
        )
        return Request(
            tier=role.tier,
            input_tokens=size.tokens,
            output_tokens=self.run.guard.accounts.estimates.output_tokens(role.name),
            role=role.name,
            task=task.name if task else None,
            run=self.run.id,
            kind=(task.kind if task and own and task.kind else None) or role.kind,
            complexity=task.complexity if task else None,
            tools=bool(self.tools),
            vision=size.images > 0,
            patience=role.patience,
            characters=size.characters,
            images=size.images,
        )

    def _failed(
        self,
        attempts: Attempts,
        lease: Lease,
        failure: ProviderError,
        request: Request,
        began: float,
    ) -> None:
        seconds = self.run.clock.monotonic() - began
        self.run.note_failure(lease, failure, request, seconds)
        attempts.failed(lease, failure)
