"""TieredLLM: a CrewAI LLM that is bound to a role's tier instead of to a model.

Each call asks the guard for a lease, and takes the next deployment when one fails,
with the whole conversation. One instance per agent: CrewAI counts tokens by it.
"""

import json
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from crewai.events.types.llm_events import LLMCallType
from crewai.hooks.dispatch import HookAborted
from crewai.llms.base_llm import BaseLLM, LLMCallBlockedError, llm_call_context
from pydantic import BaseModel, PrivateAttr

from crew.calls.call import Call
from crew.calls.current_task import current_task, stalled
from crew.calls.relay import Relay
from crew.calls.run import Run
from crew.calls.size import measure
from crew.calls.stalls import Stalled
from crew.calls.stops import as_stop, ends_attempt
from crew.calls.summaries import Summaries, endless
from crew.errors import ContextTooLong, CrewError, RunFailed
from crew.providers.answer import Answer
from crew.providers.reasoning import KeptReasoning
from crew.routing import Request, route
from crew.settings import Role

PARAMETERS = ("temperature", "top_p", "max_tokens", "seed")

# A copy that was pickled finds its run again by name.
_runs: "weakref.WeakValueDictionary[str, Run]" = weakref.WeakValueDictionary()


class TieredLLM(BaseLLM):
    """The LLM of one role. `model` is the role's tier, `role` its name in
    agents.yaml, `run` the id of the run it belongs to.

    Raises QuotaExceeded when every deployment is closed, RunFailed when the request
    itself is refused, ContextTooLong when no window holds the conversation.
    """

    llm_type: str = "tiered"
    role: str
    run: str
    _context: Run | None = PrivateAttr(default=None)
    _open: Callable[[], Run] | None = PrivateAttr(default=None)
    _window: int | None = PrivateAttr(default=None)
    _summaries: Summaries = PrivateAttr(default_factory=Summaries)
    _reasoning: KeptReasoning = PrivateAttr(default_factory=KeptReasoning)

    @classmethod
    def bound(cls, run: Run, role: Role) -> "TieredLLM":
        """The LLM of a role in a run."""
        llm = cls.lent(lambda: run, run.id, role)
        llm._context = _runs[run.id] = run
        return llm

    @classmethod
    def lent(cls, opener: Callable[[], Run], run: str, role: Role) -> "TieredLLM":
        """The LLM of a role in a run that is opened when it is needed first."""
        options: dict[str, Any] = {n: role.options.get(n) for n in PARAMETERS}
        llm = cls(model=role.tier, provider="crew", role=role.name, run=run, **options)
        llm._open = opener
        return llm

    # What CrewAI asks of an LLM.

    def supports_function_calling(self) -> bool:
        return True

    def supports_stop_words(self) -> bool:
        return True

    def supports_multimodal(self) -> bool:
        return True

    def _multimodal_formatter_name(self) -> str:
        return "openai"

    def get_context_window_size(self) -> int:
        """85 % of the largest window the role can reach, in tokens. After a
        conversation was too long for what is open, of the largest that is."""
        request = Request(tier=self.model, input_tokens=0, output_tokens=0)
        found = route(self._run.settings, request).candidates
        largest = max((d.context_window for d in found), default=128_000)
        return int(0.85 * min(largest, self._window or largest))

    def get_input_tokens_count(
        self,
        messages: Any,
        tools: Any = None,
        response_model: type[BaseModel] | None = None,
    ) -> int:
        """An estimate from the number of characters."""
        return measure(messages, tools).tokens

    def summarize_messages(
        self, messages: Any, callbacks: Any, verbose: bool = True
    ) -> None:
        """Let CrewAI shorten a conversation that no open deployment can read."""
        self._run.guard.listener(
            f"{self.role}: the conversation is longer than "
            f"{self.get_context_window_size():,} tokens, which is what can be read "
            "now; it is summarised"
        )
        if not self._summaries.begin(current_task.get()):
            raise self._stop(endless(self.role), None, None)
        super().summarize_messages(messages, callbacks, verbose)
        self._summaries.end()

    def __copy__(self, memo: object = None) -> "TieredLLM":
        """An LLM with counts of its own, in the same run."""
        return self.model_copy()

    __deepcopy__ = __copy__

    def model_copy(self, *, update: Any = None, deep: bool = False) -> "TieredLLM":
        llm = type(self)(**{**self.model_dump(), **(update or {})})
        llm._context, llm._open = self._context, self._open
        return llm

    def __getstate__(self) -> dict[Any, Any]:
        """Without the run, which holds keys and open files, and without thoughts."""
        state = super().__getstate__()
        private = dict(state.get("__pydantic_private__") or {})
        private["_context"] = private["_open"] = None
        private["_reasoning"] = KeptReasoning()
        return {**state, "__pydantic_private__": private}

    @property
    def _run(self) -> Run:
        if self._context is None:
            self._context = _runs.get(self.run) or (self._open and self._open())
        if self._context is None:
            raise RunFailed(f"run {self.run} is not open in this process")
        return self._context

    def call(
        self,
        messages: Any,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[BaseModel] | None = None,
    ) -> Any:
        """Answer with text, a list of tool calls, or an instance of
        `response_model`."""
        with llm_call_context():
            call = self._begin(messages, tools, from_task, from_agent, response_model)
            try:
                answer = call.complete()
            except CrewError as exc:
                stop = self._stop(exc, from_task, from_agent)
            else:
                return self._finish(
                    call, answer, available_functions, from_task, from_agent
                )
            # Outside the handler: CrewAI looks for limits along the exception's
            # context, and would run the call again.
            raise stop

    async def acall(
        self,
        messages: Any,
        tools: Any = None,
        callbacks: Any = None,
        available_functions: Any = None,
        from_task: Any = None,
        from_agent: Any = None,
        response_model: type[BaseModel] | None = None,
    ) -> Any:
        """As `call`, without blocking the event loop."""
        with llm_call_context():
            call = self._begin(messages, tools, from_task, from_agent, response_model)
            try:
                answer = await call.acomplete()
            except CrewError as exc:
                stop = self._stop(exc, from_task, from_agent)
            else:
                return self._finish(
                    call, answer, available_functions, from_task, from_agent
                )
            raise stop

    def _begin(
        self,
        messages: Any,
        tools: Any,
        from_task: Any,
        from_agent: Any,
        response_model: type[BaseModel] | None,
    ) -> Call:
        if self._run.failure is not None:
            raise as_stop(self._run.failure)
        if reason := stalled():
            raise Stalled(reason)
        self._emit_call_started_event(
            messages=messages, tools=tools, from_task=from_task, from_agent=from_agent
        )
        formatted: Any = self._format_messages(messages)
        try:
            self._invoke_before_llm_call_hooks(formatted, from_agent)
        except (HookAborted, LLMCallBlockedError) as exc:
            self._emit_call_denied_event(exc, from_task, from_agent)
            raise
        emit = partial(self._emit_chunk, from_task, from_agent)
        restart = partial(self._emit_restart, from_task, from_agent)
        return Call(
            run=self._run,
            role=self.role,
            task=current_task.get() or getattr(from_task, "name", None),
            messages=formatted,
            tools=tools or None,
            response_model=response_model,
            stop=self.stop_sequences,
            parameters={name: getattr(self, name) for name in PARAMETERS},
            validate=self._validate_structured_output,
            relay=Relay(emit, restart) if self._effective_stream() else None,
            reasoning=self._reasoning,
        )

    def _stop(self, error: CrewError, from_task: Any, from_agent: Any) -> Exception:
        """The exception that ends the run; too long a conversation does not, since
        CrewAI can shorten it."""
        self._emit_call_failed_event(str(error), from_task, from_agent)
        if isinstance(error, ContextTooLong):
            self._window = error.window
            return error
        if (stop := ends_attempt(error, self.role)) is not None:
            return stop
        self._run.failure = self._run.failure or error
        return as_stop(error)

    def _emit_restart(self, from_task: Any, from_agent: Any, deployment: str) -> None:
        self._emit_stream_chunk_event(
            chunk=f"\n[broken off; {deployment} answers anew]\n",
            from_task=from_task,
            from_agent=from_agent,
            call_type=LLMCallType.LLM_CALL,
        )

    def _emit_chunk(self, from_task: Any, from_agent: Any, chunk: Any) -> None:
        if not chunk.choices:
            return
        emit = partial(
            self._emit_stream_chunk_event,
            from_task=from_task,
            from_agent=from_agent,
            response_id=chunk.id,
        )
        delta = chunk.choices[0].delta
        for call in getattr(delta, "tool_calls", None) or ():
            text, kind = call.function.arguments or "", LLMCallType.TOOL_CALL
            emit(chunk=text, tool_call=call.model_dump(), call_type=kind)
        if delta.content:
            emit(chunk=delta.content, call_type=LLMCallType.LLM_CALL)

    def _finish(
        self,
        call: Call,
        answer: Answer,
        functions: Any,
        from_task: Any,
        from_agent: Any,
    ) -> Any:
        self._window = None
        self._summaries.answered()
        for usage in filter(None, (*answer.asides, answer.usage)):
            self._track_token_usage_internal(usage.model_dump())
        text = self._apply_stop_words(answer.text)
        text = self._run.settings.secrets.masked_answer(text)
        kind = LLMCallType.TOOL_CALL if answer.tool_calls else LLMCallType.LLM_CALL
        result: Any = list(answer.tool_calls) if answer.tool_calls else text
        if not answer.tool_calls and call.response_model is not None:
            result = call.structured(answer)
        self._emit_call_completed_event(
            response=result,
            call_type=kind,
            from_task=from_task,
            from_agent=from_agent,
            messages=call.messages,
            usage=answer.usage.model_dump() if answer.usage else None,
            finish_reason=answer.finish_reason,
            response_id=answer.id,
        )
        if answer.tool_calls and functions:
            called = answer.tool_calls[0].function
            given = json.loads(called.arguments or "{}")
            return self._handle_tool_execution(
                called.name, given, functions, from_task, from_agent
            )
        if isinstance(result, str):
            return self._invoke_after_llm_call_hooks(call.messages, result, from_agent)
        return result
