"""What an answer says that is not about the key or our limits: a firewall, the country,
the account and its settings, no room at the provider, a server of one's own that was
started without something. Bodies as they were captured and reported, shortened."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from building import deployment, provider, settings
from crew.clock import ManualClock
from crew.errors import (
    BadAnswer,
    BadKey,
    Blocked,
    ContextTooLong,
    ModelGone,
    OutOfMoney,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    Unsupported,
)
from crew.guard import QuotaGuard
from crew.providers.signals import classify
from crew.quota.stores.memory import MemoryStore
from crew.routing import Request
from crew.settings import Deployment
from families.captured import DAY, NOW, TO_MIDNIGHT_UTC, openai_error

ASK = Request(tier="mid", input_tokens=100, output_tokens=50, role="coder", run="r1")


@dataclass(frozen=True)
class Said:
    """An answer, what it is, and what our sentence about it holds."""

    status: int
    body: object
    kind: type[ProviderError]
    reason: str = ""
    family: str = "openai"
    headers: dict[str, str] = field(default_factory=dict)
    wait: float | None = None
    window: int | None = None

    def error(self) -> ProviderError:
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return classify(
            "slot", self.status, text, self.headers, family=self.family, now=NOW
        )

    def __str__(self) -> str:
        return f"{self.status} {str(self.body)[:60]}"


PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1>"
    "</center>\r\n<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n"
)
HTML = {"content-type": "text/html; charset=UTF-8"}
FIREWALL = "a firewall before it"


def google(code: int, status: str, message: str, *reasons: str) -> object:
    details = [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
        for reason in reasons
    ]
    error = {"code": code, "message": message, "status": status, "details": details}
    return {"error": error}


def claude(kind: str, message: str) -> object:
    return {"type": "error", "error": {"type": kind, "message": message}}


FRONT = [
    Said(403, PAGE, Blocked, FIREWALL, headers=HTML),
    Said(403, PAGE, Blocked, FIREWALL, headers={**HTML, "CF-Mitigated": "challenge"}),
    Said(403, PAGE, Blocked, FIREWALL, family="anthropic"),
    Said(503, PAGE, Blocked, FIREWALL, headers={"cf-mitigated": "challenge"}),
    Said(403, NGINX.format("403 Forbidden"), Blocked, FIREWALL, headers=HTML),
    Said(403, "error code: 1010", Blocked, FIREWALL),
    Said(403, "<h1>Web filter</h1>", Blocked, FIREWALL, headers=HTML),
    Said(405, PAGE, Blocked, FIREWALL, headers={"x-amzn-waf-action": "captcha"}),
    Said(406, NGINX.format("406 Not Acceptable"), Blocked, FIREWALL),
    Said(451, "", Blocked),
    Said(511, PAGE, Blocked, "login first"),
    Said(403, PAGE, Blocked, "proxy", headers={"x-squid-error": "ERR_ACCESS_DENIED 0"}),
    Said(
        403,
        {"error": {"message": "Access denied. Please check your network settings."}},
        Blocked,
        "check the network",
        family="groq",
    ),
    Said(403, claude("forbidden", "Request not allowed"), Blocked, family="anthropic"),
    # Not in front of it: the server's own.
    Said(401, NGINX.format("401 Authorization Required"), BadKey),
    Said(502, NGINX.format("502 Bad Gateway"), Overloaded, headers=HTML),
    Said(404, NGINX.format("404 Not Found"), ModelGone, "check base_url"),
    Said(403, openai_error("You have no permission"), BadKey),
]

COUNTRY = [
    Said(
        403,
        openai_error(
            "Country, region, or territory not supported",
            "request_forbidden",
            "unsupported_country_region_territory",
        ),
        Blocked,
        "country",
    ),
    Said(
        400,
        google(
            400,
            "FAILED_PRECONDITION",
            "User location is not supported for the API use.",
        ),
        Blocked,
        "country",
        family="gemini",
    ),
    Said(
        400,
        google(
            400,
            "FAILED_PRECONDITION",
            "Gemini API free tier is not available in your country. Please enable "
            "billing on your project in Google AI Studio.",
        ),
        Blocked,
        "country",
        family="gemini",
    ),
    Said(403, openai_error("This API is not available in your region"), Blocked),
]

PRIVACY = "https://openrouter.ai/settings/privacy"


def router(message: str, code: int = 404) -> object:
    return {"error": {"message": message, "code": code}, "user_id": "user_1"}


SETTINGS = [
    Said(
        404,
        router(
            "No endpoints found matching your data policy (Free model publication). "
            "Configure: https://openrouter.ai/settings/privacy"
        ),
        Blocked,
        PRIVACY,
        family="openrouter",
    ),
    Said(
        404,
        router(
            "No endpoints available matching your guardrail restrictions and data "
            "policy. Configure: https://openrouter.ai/settings/privacy"
        ),
        Blocked,
        PRIVACY,
        family="openrouter",
    ),
    Said(
        404,
        router("No allowed providers are available for the selected model."),
        Blocked,
        "https://openrouter.ai/settings/preferences",
        family="openrouter",
    ),
    Said(
        403,
        google(
            403,
            "PERMISSION_DENIED",
            "Generative Language API has not been used in project 1 before or it is "
            "disabled. Enable it by visiting https://console.developers.google.com",
            "SERVICE_DISABLED",
        ),
        Blocked,
        "not enabled",
        family="gemini",
    ),
    Said(
        403,
        google(403, "PERMISSION_DENIED", "blocked", "API_KEY_IP_ADDRESS_BLOCKED"),
        Blocked,
        "restrictions",
        family="gemini",
    ),
    # Not the account: nobody serves it so.
    Said(404, router("No endpoints found for x/y."), ModelGone, family="openrouter"),
    Said(
        404,
        router("No endpoints found that support tool use."),
        Unsupported,
        family="openrouter",
    ),
]

SHUT = [
    Said(
        400,
        openai_error(
            "Organization has been restricted. Please reach out to support.",
            "invalid_request_error",
            "organization_restricted",
        ),
        Blocked,
        "is shut",
        family="groq",
    ),
    Said(
        400,
        claude("invalid_request_error", "This organization has been disabled."),
        Blocked,
        "is shut",
        family="anthropic",
    ),
    Said(
        401,
        openai_error(
            "The OpenAI account associated with this API key has been deactivated.",
            "invalid_request_error",
            "account_deactivated",
        ),
        Blocked,
        "is shut",
    ),
    Said(
        403,
        google(
            403,
            "PERMISSION_DENIED",
            "Permission denied: Consumer 'api_key:AIza1' has been suspended.",
            "CONSUMER_SUSPENDED",
        ),
        Blocked,
        "is shut",
        family="gemini",
    ),
    Said(
        403,
        google(
            403,
            "PERMISSION_DENIED",
            "Your project has been denied access. Please contact support.",
        ),
        Blocked,
        "is shut",
        family="gemini",
    ),
    Said(429, openai_error("Your account is suspended", code="x"), Blocked, "is shut"),
]

MONEY = [
    Said(
        429,
        openai_error(
            "Your account org-1 is suspended, please check your plan and billing "
            "details",
            "exceeded_current_quota_error",
        ),
        OutOfMoney,
        family="moonshot",
    ),
    Said(
        429,
        openai_error(
            "Your account org-1 is suspended due to insufficient balance, please "
            "recharge your account",
            "exceeded_current_quota_error",
        ),
        OutOfMoney,
        family="moonshot",
    ),
    Said(
        429,
        openai_error(
            "Your account is not active, please check your billing details.",
            "billing_not_active",
            "billing_not_active",
        ),
        OutOfMoney,
    ),
    Said(
        412,
        {
            "error": {
                "message": "Account a is suspended, possibly due to reaching the "
                "monthly spending limit or failure to pay past invoices."
            }
        },
        OutOfMoney,
        wait=20.5 * DAY,
        family="fireworks_ai",
    ),
    Said(
        403,
        {
            "code": "x",
            "error": "Your team has either used all available credits or "
            "reached its monthly spending limit.",
        },
        OutOfMoney,
        family="xai",
        wait=20.5 * DAY,
    ),
    Said(
        400,
        openai_error("Access denied, please make sure ...", code="Arrearage"),
        OutOfMoney,
        family="dashscope",
    ),
]


def llama(message: str, **fields: object) -> object:
    return {"error": {"code": 400, "message": message, **fields}}


TOO_LONG = [
    Said(413, NGINX.format("413 Request Entity Too Large"), ContextTooLong),
    Said(413, "", ContextTooLong),
    Said(
        413,
        openai_error(
            "Request body too large for gpt-4.1 model. Max size: 8000 tokens.",
            None,
            "tokens_limit_reached",
        ),
        ContextTooLong,
        window=8_000,
    ),
    Said(
        400,
        llama(
            "request (13392 tokens) exceeds the available context size (8192 tokens), "
            "try increasing it",
            type="exceed_context_size_error",
            n_prompt_tokens=13_392,
            n_ctx=8_192,
        ),
        ContextTooLong,
        window=8_192,
    ),
    Said(
        400,
        llama("the request exceeds the available context size (2048 tokens)"),
        ContextTooLong,
        window=2_048,
    ),
    Said(
        500,
        llama(
            "the request exceeds the available context size. try increasing the "
            "context size",
            n_ctx=4_096,
        ),
        ContextTooLong,
        window=4_096,
    ),
    # A gateway that packs what is behind it into a text.
    Said(
        400,
        {"detail": json.dumps(llama("exceeds the available context size", n_ctx=512))},
        ContextTooLong,
        window=512,
    ),
    Said(
        400,
        {
            "error": "Trying to keep the first 10136 tokens when context the "
            "overflows. However, the model is loaded with context length of only 7866 "
            "tokens, which is not enough. Try to load the model with a larger context "
            "length, or provide a shorter input"
        },
        ContextTooLong,
        window=7_866,
    ),
    Said(
        400,
        {
            "error": "The number of tokens to keep from the initial prompt is "
            "greater than the context length (n_keep: 13055>= n_ctx: 4096). Try to "
            "load the model with a larger context length, or provide a shorter input."
        },
        ContextTooLong,
        window=4_096,
    ),
    Said(
        400,
        {"error": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"},
        ContextTooLong,
        window=7_424,
    ),
    Said(
        400,
        openai_error(
            "Please reduce the length of the messages or completion. Current length "
            "is 10004 while limit is 8192",
        ),
        ContextTooLong,
        window=8_192,
    ),
    Said(
        400,
        openai_error(
            "This model's maximum prompt length is 131072 but the request contains "
            "537812 tokens."
        ),
        ContextTooLong,
        window=131_072,
    ),
    Said(
        400,
        openai_error(
            "Prompt contains 65673 tokens and 0 draft tokens, too large for model "
            "with 32768 maximum context length"
        ),
        ContextTooLong,
        window=32_768,
    ),
    Said(
        400,
        openai_error(
            "The input (5000 tokens) is longer than the model's context length (4096 "
            "tokens)."
        ),
        ContextTooLong,
        window=4_096,
    ),
    Said(
        400,
        openai_error(
            "The decoder prompt (length 5000) is longer than the maximum model length "
            "of 4096."
        ),
        ContextTooLong,
        window=4_096,
    ),
    Said(
        400,
        openai_error("Range of input length should be [1, 30720]"),
        ContextTooLong,
        window=30_720,
    ),
]

SLIP = [
    Said(
        400,
        {
            "error": {
                "message": "Failed to generate JSON. Please adjust your prompt.",
                "type": "invalid_request_error",
                "code": "json_validate_failed",
                "failed_generation": '{"a": 1,',
            }
        },
        BadAnswer,
        family="groq",
    ),
    Said(
        400,
        openai_error("Failed to validate JSON.", code="json_validate_failed"),
        BadAnswer,
        family="groq",
    ),
    Said(
        400,
        {"error": {"message": "Parsing failed.", "failed_generation": "..."}},
        BadAnswer,
    ),
]

JINJA = {"error": {"code": 500, "message": "tools param requires --jinja flag"}}
MMPROJ = (
    "image input is not supported - hint: if this is unexpected, you may need to "
    "provide the mmproj"
)
AUTO = (
    '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to '
    "be set"
)
LOCAL = [
    Said(500, JINJA, Unsupported, "--jinja"),
    Said(500, {"error": {"code": 500, "message": MMPROJ}}, Unsupported, "--mmproj"),
    Said(400, openai_error(AUTO), Unsupported, "--enable-auto-tool-choice"),
    Said(
        400,
        openai_error(AUTO),
        Unsupported,
        "--enable-auto-tool-choice",
        family="hosted_vllm",
    ),
    Said(400, openai_error("x is not a multimodal model"), Unsupported),
    Said(400, openai_error("At most 0 image(s) may be provided"), Unsupported),
    Said(
        404,
        {"error": "model 'qwen3:8b' not found"},
        ModelGone,
        "ollama pull qwen3:8b",
        family="ollama_chat",
    ),
    Said(
        404,
        {"error": 'model "qwen3" not found, try pulling it first'},
        ModelGone,
        "ollama pull qwen3",
        family="ollama_chat",
    ),
    # The same server under OpenAI's name.
    Said(
        404,
        openai_error("model 'hf.co/a/b:Q4' not found", "not_found_error"),
        ModelGone,
        "ollama pull hf.co/a/b:Q4",
    ),
    Said(
        500,
        {
            "error": "model requires more system memory (9.1 GiB) than is available "
            "(5.2 GiB)"
        },
        ModelGone,
        "9.1 GiB",
        family="ollama_chat",
    ),
    Said(
        400,
        {"error": 'Failed to load model "x". Error: insufficient system resources.'},
        ModelGone,
        "smaller model",
    ),
    Said(
        500,
        {
            "error": "llama runner process has terminated: cudaMalloc failed: out of "
            "memory"
        },
        ModelGone,
        "smaller model",
        family="ollama_chat",
    ),
]

LOCAL += [
    Said(500, {"error": {"message": "Unsupported param: tools"}}, Unsupported),
    Said(
        500,
        {"error": "error parsing tool call: raw='{\"a', err=unexpected end of JSON"},
        BadAnswer,
        family="ollama_chat",
    ),
    Said(500, llama("Failed to parse input at pos 12: x"), BadAnswer),
    Said(
        404,
        openai_error("No models loaded. Please load a model with `lms load`."),
        ModelGone,
        "lms load",
        family="lm_studio",
    ),
    Said(500, llama("could not load model - all backends returned error"), ModelGone),
    Said(503, llama("Loading model", type="unavailable_error"), Overloaded),
]

QUEUE = {
    "message": "We're experiencing high traffic right now! Please try again soon.",
    "type": "too_many_requests_error",
    "param": "queue",
    "code": "queue_exceeded",
}
FULL = "AiError: Capacity temporarily exceeded, please try again."
CAPACITY = [
    Said(429, QUEUE, Overloaded, family="cerebras"),
    Said(429, {"error": QUEUE}, Overloaded, family="cerebras"),
    Said(
        429,
        {"errors": [{"message": FULL, "code": 3040}], "success": False, "result": {}},
        Overloaded,
        family="cloudflare",
    ),
    Said(
        429,
        {"success": False, "errors": [{"code": "3040", "message": "Try later"}]},
        Overloaded,
    ),
    Said(
        429,
        openai_error("ResourceExhausted: Worker local total request limit reached"),
        Overloaded,
        family="nvidia_nim",
    ),
    Said(429, openai_error("There are no available workers"), Overloaded),
    Said(429, openai_error("The model is currently at capacity"), Overloaded),
    Said(429, openai_error("Insufficient capacity for this model"), Overloaded),
    Said(429, {"error": "Server is busy, please try again later"}, Overloaded),
    Said(
        429,
        openai_error("The engine is currently overloaded", "engine_overloaded_error"),
        Overloaded,
        family="moonshot",
    ),
    # Ours, whatever it says of capacity.
    Said(
        429,
        openai_error("Rate limit reached on requests per min; add capacity"),
        RateLimited,
    ),
    Said(429, openai_error("Quota exceeded for this capacity unit"), RateLimited),
]

WAITS = (
    [
        Said(429, openai_error(text), RateLimited, wait=wait)
        for text, wait in (
            ("Please try again in 7m12s.", 432.0),
            ("Please try again in 7 minutes and 12 seconds.", 432.0),
            ("Please try again in 7 minutes, 12 seconds", 432.0),
            ("Retry after 30 seconds.", 30.0),
            ("Please wait 45s before the next request", 45.0),
            ("Please wait for about 2 hours", 7_200.0),
            ("The limit resets in 3h 5m", 11_100.0),
            ("Quota resets in 2 days", 2 * DAY),
            ("You can retry in 1 hr", 3_600.0),
            ("It will be available again in 90 sec", 90.0),
            ("Try again in approximately 1 minute", 60.0),
            ("Please retry in 7.967587226s.", 7.967587226),
            ("Your limit resets at 2026-04-10T12:10:00Z", 600.0),
            ("Try again at 2026-04-10 12:01 UTC.", 60.0),
            ("The daily allowance renews at midnight UTC", TO_MIDNIGHT_UTC),
            ("Please slow down. Wait 1.5 minutes", 90.0),
            ("Your usage limit will reset in 4 days 3 hours", 356_400.0),
            ("Your quota will be refreshed in 3 hours", 10_800.0),
            ("The next request is allowed in 8 seconds", 8.0),
            ("Try again in an hour", 3_600.0),
            ("Resets in: 00:07:12", 432.0),
            ("Retry-After: 30", 30.0),
            ("Current limit: 3 per 10 seconds, try again in 4 s", 4.0),
            ("Limit resets on 2026-04-10 at 18:00 UTC", 21_600.0),
            ("No number here", None),
            ("You have 3 days to try again and 5 minutes for coffee", None),
        )
    ]
    + [
        Said(429, body, RateLimited, wait=wait)
        for body, wait in (
            ({"error": {"message": "slow"}, "retry_after": 17}, 17.0),
            ({"error": {"message": "slow", "retry_after_ms": 2_500}}, 2.5),
            ({"error": {"message": "slow", "retryAfterMs": "2500"}}, 2.5),
            ({"error": {"message": "slow", "retry_after_ms": 7_200_000}}, 7_200.0),
            ({"error": {"message": "slow", "retryDelay": "47s"}}, 47.0),
            ({"error": {"details": [{"retryDelay": {"seconds": 47}}]}}, 47.0),
            ({"error": {"metadata": {"retry_after_seconds": 61.5}}}, 61.5),
            ({"error": {"metadata": {"headers": {"Retry-After": "120"}}}}, 120.0),
            ({"detail": {"retry_after": "7m12s"}}, 432.0),
            (
                {"error": {"details": [{"metadata": {"quotaResetDelay": "3h1m"}}]}},
                10_860.0,
            ),
            ({"error": {"resets_at": "2026-04-10T13:00:00Z"}}, 3_600.0),
            ({"error": {"reset_at": NOW + 30}}, 30.0),
            ([{"error": {"message": "slow", "resets_in_seconds": 9}}], 9.0),
            ({"error": {"message": "slow"}, "retry_after": True}, None),
            # Part of the request, which may say anything.
            ({"error": {"message": "slow", "input": {"retry_after": 99}}}, None),
        )
    ]
    + [
        Said(429, "{}", RateLimited, headers=headers, wait=wait)
        for headers, wait in (
            ({"x-ratelimit-reset-tokens-day": "33011"}, 33_011.0),
            (
                {
                    "x-ratelimit-limit-tokens-day": "1000000",
                    "x-ratelimit-remaining-tokens-day": "0",
                    "x-ratelimit-reset-tokens-day": "33011.38",
                    "x-ratelimit-remaining-requests-minute": "29",
                    "x-ratelimit-reset-requests-minute": "12",
                },
                33_011.38,
            ),
            (
                {
                    "retry-after": "60",
                    "x-ratelimit-remaining-tokens-day": "0",
                    "x-ratelimit-reset-tokens-day": "33011",
                },
                33_011.0,
            ),
            (
                {
                    "x-ratelimit-remaining-tokens-day": "400",
                    "x-ratelimit-reset-tokens-day": "33011",
                },
                None,
            ),
            ({"x-ratelimit-reset-requests-hour": "1800"}, 1_800.0),
            ({"ratelimit-reset": "41"}, 41.0),
            ({"x-ms-retry-after-ms": "1500"}, 1.5),
            ({"retry-after-ms": "7200000"}, 7_200.0),
            ({"x-ratelimit-retry-after": "2m"}, 120.0),
            ({"x-ratelimit-reset": str(int(NOW) + 77)}, 77.0),
            ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "77"}, None),
            ({"retry-after": "999999999"}, None),
        )
    ]
)

OTHER_WAITS = [
    Said(503, {"error": "Model x is loading", "estimated_time": 20.0}, Overloaded),
    Said(503, openai_error("Busy. Try again in 20 seconds"), Overloaded),
]
ALL = [
    *FRONT,
    *COUNTRY,
    *SETTINGS,
    *SHUT,
    *MONEY,
    *TOO_LONG,
    *SLIP,
    *LOCAL,
    *CAPACITY,
    *WAITS,
]


@pytest.mark.parametrize("said", ALL, ids=str)
def test_an_answer_is_what_it_says(said: Said) -> None:
    error = said.error()

    assert type(error) is said.kind
    assert said.reason in error.reason
    assert error.retry_after == pytest.approx(said.wait)
    if isinstance(error, ContextTooLong):
        assert error.window == said.window
    if isinstance(error, Blocked):
        assert error.costs_nothing


@pytest.mark.parametrize("said", OTHER_WAITS, ids=str)
def test_a_provider_without_room_is_believed_too(said: Said) -> None:
    assert said.error().retry_after == 20.0


REACHES = [
    (COUNTRY[0], "provider"),
    (SETTINGS[0], "class"),
    (SETTINGS[3], "provider"),
    (
        Said(403, openai_error("This model is not available in your region"), Blocked),
        "deployment",
    ),
]


@pytest.mark.parametrize(("said", "reach"), REACHES, ids=str)
def test_how_far_a_block_reaches(said: Said, reach: str) -> None:
    error = said.error()

    assert isinstance(error, Blocked)
    assert error.reach == reach


# What becomes of them in a run.


class Bench:
    def __init__(self, chain: list[Deployment], tmp_path: Path) -> None:
        self.clock = ManualClock()
        self.lines: list[str] = []
        self.store = MemoryStore(self.clock)
        made = settings(chain, tmp_path, max_wait=1.0)
        self.guard = QuotaGuard(made, self.store, self.clock, self.lines.append)

    def fail(self, said: Said) -> None:
        """Let the first deployment that is open answer so."""
        attempts = self.guard.begin(ASK)
        attempts.failed(attempts.acquire(), said.error())

    def serves(self) -> str:
        try:
            lease = self.guard.begin(ASK).acquire()
        except QuotaExceeded as closed:
            return str(closed)
        lease.settle(input_tokens=1, output_tokens=1)
        return lease.deployment.name


@pytest.fixture
def router_bench(tmp_path: Path) -> Bench:
    by = provider("openrouter", classes={"free": ()})
    chain = [
        deployment(name, by, model=f"openrouter/{name}:free", klass="free")
        for name in ("one", "two", "three")
    ]
    return Bench([*chain, deployment("paid", by, model="openrouter/paid")], tmp_path)


@pytest.mark.parametrize("said", SETTINGS[:3], ids=str)
def test_the_settings_of_an_account_close_the_class_once(
    said: Said, router_bench: Bench
) -> None:
    router_bench.fail(said)

    assert router_bench.serves() == "paid"
    assert len(router_bench.lines) == 1
    assert said.reason in router_bench.lines[0]


@pytest.mark.parametrize(
    "said", [one for one in (*FRONT, *COUNTRY, *SHUT) if one.kind is Blocked], ids=str
)
def test_what_no_key_mends_closes_the_provider_and_blames_no_key(
    said: Said, tmp_path: Path
) -> None:
    by = provider("one")
    bench = Bench([deployment("a", by), deployment("b", by)], tmp_path)

    bench.fail(said)

    ended = bench.serves()
    assert "a, b: " in ended
    assert said.reason in ended
    assert "ONE_API_KEY" not in ended + "".join(bench.lines)
    assert len(bench.lines) == 1


@pytest.mark.parametrize(
    "said", [one for one in CAPACITY if one.kind is Overloaded], ids=str
)
def test_a_provider_without_room_does_not_slow_our_pool(
    said: Said, tmp_path: Path
) -> None:
    by = provider("one", "30 requests/minute")
    bench = Bench([deployment("a", by), deployment("b", by)], tmp_path)

    bench.fail(said)

    assert bench.serves() == "b"
    assert {pool.throttle for pool in bench.guard.status()} == {None}


@pytest.mark.parametrize(
    ("said", "says"),
    [(LOCAL[6], "run: ollama pull qwen3:8b"), (LOCAL[9], "it needs 9.1 GiB of memory")],
    ids=["pull", "memory"],
)
def test_a_model_that_is_not_to_be_had_is_out_for_this_run(
    said: Said, says: str, tmp_path: Path
) -> None:
    by = provider("ollama")
    bench = Bench([deployment("a", by, model="ollama_chat/a")], tmp_path)

    bench.fail(said)
    bench.clock.advance(3_600)

    assert says in bench.serves()
    assert says in bench.lines[0]


@pytest.mark.parametrize("said", LOCAL[:3], ids=str)
def test_what_a_server_was_started_without_is_reported_once(
    said: Said, tmp_path: Path
) -> None:
    bench = Bench([deployment("a", provider("own"))], tmp_path)

    bench.fail(said)
    bench.clock.advance(3_600)

    assert said.reason in bench.serves()
    assert len(bench.lines) == 1
    assert said.reason in bench.lines[0]


@pytest.mark.parametrize(
    ("limits", "headers", "seconds"),
    [
        (("60 requests/minute",), {"x-ratelimit-reset-tokens-day": "33011"}, 33_011),
        (("60 requests/minute",), {"retry-after": "432"}, 432),
        # Nobody knows a window of a week there.
        (("60 requests/minute",), {"retry-after": "604800"}, 86_400),
        (("1M tokens/month",), {"retry-after": "604800"}, 604_800),
        ((), {"retry-after": "2000000"}, 86_400),
    ],
)
def test_a_wait_is_believed_up_to_the_longest_window(
    limits: tuple[str, ...], headers: dict[str, str], seconds: float, tmp_path: Path
) -> None:
    bench = Bench([deployment("a", provider("one", *limits))], tmp_path)
    began = bench.clock.now()

    bench.fail(Said(429, "{}", RateLimited, headers=headers))

    until = max(pool.cooldown_until or 0.0 for pool in bench.guard.status())
    assert until - began == pytest.approx(seconds)
