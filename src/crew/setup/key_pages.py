"""Where each provider gives out keys, and how its keys begin."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """The page of one provider. `note` says what the key costs; `prefixes` are how
    its keys begin, where they are told by that."""

    variable: str
    name: str
    address: str
    note: str
    prefixes: tuple[str, ...] = ()


KEY_PAGES = (
    KeyPage(
        variable="GEMINI_API_KEY",
        name="Google Gemini",
        address="https://aistudio.google.com/apikey",
        note="free quota",
        prefixes=("AIza", "AQ."),
    ),
    KeyPage(
        variable="OPENROUTER_API_KEY",
        name="OpenRouter",
        address="https://openrouter.ai/settings/keys",
        note="free models",
        prefixes=("sk-or-",),
    ),
    KeyPage(
        variable="GROQ_API_KEY",
        name="Groq",
        address="https://console.groq.com/keys",
        note="free quota",
        prefixes=("gsk_",),
    ),
    KeyPage(
        variable="MISTRAL_API_KEY",
        name="Mistral",
        address="https://console.mistral.ai/api-keys",
        note="free credit",
    ),
    KeyPage(
        variable="ZAI_API_KEY",
        name="Z.ai",
        address="https://z.ai/manage-apikey/apikey-list",
        note="free models",
    ),
    KeyPage(
        variable="NVIDIA_NIM_API_KEY",
        name="NVIDIA NIM",
        address="https://build.nvidia.com",
        note="free to try models",
        prefixes=("nvapi-",),
    ),
    KeyPage(
        variable="ANTHROPIC_API_KEY",
        name="Anthropic",
        address="https://platform.claude.com",
        note="paid",
        prefixes=("sk-ant-",),
    ),
    KeyPage(
        variable="OPENAI_API_KEY",
        name="OpenAI",
        address="https://platform.openai.com/api-keys",
        note="paid",
        prefixes=("sk-proj-", "sk-svcacct-"),
    ),
    KeyPage(
        variable="TOGETHER_API_KEY",
        name="Together AI",
        address="https://api.together.ai/settings/api-keys",
        note="paid",
    ),
    KeyPage(
        variable="DEEPSEEK_API_KEY",
        name="DeepSeek",
        address="https://platform.deepseek.com/api_keys",
        note="paid",
    ),
)
"""Checked 2026-11-26. The first is the one that `crew init` asks for."""


def page_of(key: str) -> KeyPage:
    """Whose key this is, by how it begins; in doubt the one that was asked for."""
    for page in KEY_PAGES:
        if key.startswith(page.prefixes or ("\0",)):
            return page
    return KEY_PAGES[0]
