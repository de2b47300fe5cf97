"""The protocols that the emulator speaks, and where each provider's door is.

Below the emulator's root each provider has its name as a path of its own, and there
the paths of the real host. A client of litellm is led there by this `api_base`:

    anthropic/     {root}/anthropic             openrouter/   {root}/openrouter/api/v1
    gemini/        {root}/gemini/v1beta         together_ai/  {root}/together_ai/v1
    ollama_chat/   {root}/ollama                groq/         {root}/groq/openai/v1
    openai/        {root}/openai/v1             mistral/      {root}/mistral/v1
                                                deepseek/     {root}/deepseek/beta
"""
