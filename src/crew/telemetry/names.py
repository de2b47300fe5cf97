"""The names of attributes and metrics: they move, so they stand in one place.

Those that begin with `gen_ai.` are OpenTelemetry's conventions for generative AI, which
are experimental (github.com/open-telemetry/semantic-conventions-genai, 2026-11).
"""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
AGENT = "gen_ai.agent.name"
WORKFLOW = "gen_ai.workflow.name"
CONVERSATION = "gen_ai.conversation.id"
TOOL = "gen_ai.tool.name"
TOKEN_TYPE = "gen_ai.token.type"
ERROR = "error.type"

CHAT, INVOKE_AGENT, INVOKE_WORKFLOW, EXECUTE_TOOL = (
    "chat",
    "invoke_agent",
    "invoke_workflow",
    "execute_tool",
)

RUN = "crew.run"
TASK = "crew.task"
ROLE = "crew.role"
TIER = "crew.tier"
DEPLOYMENT = "crew.deployment"
STEP = "crew.step"
ATTEMPT = "crew.attempt"
WHY = "crew.why"
STATUS = "crew.status"
SWAP_REASON = "crew.swap.reason"
LIMIT = "crew.limit"
COST = "crew.cost_usd"
SENIOR_COST = "crew.cost_all_senior_usd"
GATE = "crew.gate"
VERDICT = "crew.verdict"
FREE = "crew.free"
POOL = "crew.pool"

TOKENS_METRIC = "gen_ai.client.token.usage"
DURATION_METRIC = "gen_ai.client.operation.duration"
FIRST_CHUNK_METRIC = "gen_ai.client.operation.time_to_first_chunk"
CALLS_METRIC = "crew.calls"
COST_METRIC = "crew.cost"
SENIOR_METRIC = "crew.cost.all_senior"
SWAPS_METRIC = "crew.swaps"
WAITS_METRIC = "crew.wait.duration"
REFUSALS_METRIC = "crew.refusals"
GATES_METRIC = "crew.gates"
TASKS_METRIC = "crew.tasks"
HEADROOM_METRIC = "crew.limit.headroom"

PROVIDERS = {
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "mistral": "mistral_ai",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
}
"""The conventions' names of providers, by the family, where they differ."""
