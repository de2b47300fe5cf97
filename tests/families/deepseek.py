"""Captured answers of DeepSeek."""

from crew.errors import ContentRefused, ModelGone, OutOfMoney, RateLimited
from families.captured import THINKING, Case, openai_error

REFUSALS: tuple[Case, ...] = (
    Case(
        "no balance",
        "deepseek",
        402,
        openai_error("Insufficient Balance", "unknown_error", "invalid_request_error"),
        OutOfMoney,
    ),
    Case(
        "too many at once",
        "deepseek",
        429,
        openai_error("Rate limit reached: concurrent requests"),
        RateLimited,
    ),
    Case(
        "risk",
        "deepseek",
        400,
        openai_error("Content Exists Risk", "invalid_request_error"),
        ContentRefused,
    ),
    Case(
        "no such model",
        "deepseek",
        400,
        openai_error("Model Not Exist", "invalid_request_error"),
        ModelGone,
    ),
)

UNSUPPORTED = (
    ("deepseek", 400, f"{THINKING}"),
    ("deepseek", 422, "messages[0]: unknown variant `image_url`, expected `text`"),
)
