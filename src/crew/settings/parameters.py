"""The `parameters` of a deployment: which names may be sent with its calls.

A name is one of three kinds. Those that every call sets by itself, or that litellm
keeps for itself, are refused. Those that are written almost as a known one are taken
for a mistake. Any other goes out as it is: providers have names that nobody else knows.
"""

import math
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from crew.settings.document import Document, KeyPath
from crew.settings.wording import shown


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DEPTH = 8
"""How deep lists and mappings may lie in each other."""
_ALMOST = 0.85
"""How much alike two names are of which one is a slip of the other."""

_BY_THE_CALL = "each call sets it by itself"
_BY_THE_GUARD = "the guard alone decides when a call is made again, and where"
_ADDRESS = "use `base_url` of the deployment or of the provider"
_HEADERS = "use `headers` of the provider"
_LENGTH = "use `max_output` of the deployment, or `max_tokens` of the role"
_TIME = "use `timeout`"
_LITELLM = "litellm keeps it for itself"
_OURS: Mapping[str, str] = {
    "model": "use `model` of the deployment",
    "api_key": "use `api_key` of the provider",
    **dict.fromkeys(
        _words(
            "messages stream stream_options tools tool_choice functions function_call "
            "response_format stop n input instructions drop_params client logger_fn "
            "additional_drop_params allowed_openai_params"
        ),
        _BY_THE_CALL,
    ),
    **dict.fromkeys(
        _words("api_base base_url api_version api_type custom_llm_provider"), _ADDRESS
    ),
    **dict.fromkeys(_words("headers extra_headers default_headers"), _HEADERS),
    **dict.fromkeys(
        _words("max_tokens max_completion_tokens max_output_tokens"), _LENGTH
    ),
    **dict.fromkeys(
        _words("timeout request_timeout force_timeout stream_timeout"), _TIME
    ),
    **dict.fromkeys(
        _words(
            "max_retries num_retries retry_policy retry_strategy fallbacks model_list "
            "context_window_fallback_dict max_fallbacks fallback_depth "
            "routing_strategy cooldown_time max_parallel_requests"
        ),
        _BY_THE_GUARD,
    ),
}
_LITELLMS = frozenset(
    _words(
        "acompletion aimg_generation allowed_model_region annotation_cost_per_page "
        "arize_api_key arize_space_id arize_space_key assistant_continue_message "
        "atext_completion attempted_targets azure azure_ad_token_provider "
        "azure_password azure_scope azure_username base_model bedrock_tags bos_token "
        "budget_duration cache cache_key caching caching_groups client_id "
        "client_secret client_side_timeout complete_response "
        "configurable_clientside_auth_params dd_agent_host dd_agent_port dd_api_key "
        "dd_site default_api_key_rpm_limit default_api_key_tpm_limit "
        "deployment_id disable_add_transform_inline_image_block "
        "enable_json_schema_validation enable_prompt_caching enable_tag_filtering "
        "ensure_alternating_roles eos_token fastest_response final_prompt_value "
        "gcs_bucket_name gcs_path_service_account guardrails hf_model_name "
        "humanloop_api_key id input_cost_per_token itpm keepalive_seconds "
        "allow_client_keepalive_override max_agentic_loops max_budget "
        "merge_reasoning_content_in_choices metadata model_config "
        "model_file_id_mapping model_info newrelic_api_key newrelic_region no-log "
        "order organization otpm output_vector_size posthog_api_key posthog_api_url "
        "preset_cache_key prompt_environment prompt_id prompt_label prompt_variables "
        "prompt_version provider_specific_header proxy_server_request region_name "
        "roles rpm rust s3_bucket_name s3_output_bucket_name s3_region_name "
        "search_tool_name secret_fields self shared_session supports_system_message "
        "tags tenant_id text_completion tiered_pricing tpm ttl "
        "turn_off_message_logging use_chat_completions_api use_client "
        "use_in_pass_through use_litellm_proxy use_xai_oauth user_continue_message "
        "verbose wandb_api_key weave_project_id weight aws_batch_role_arn"
    )
)
_LITELLMS_STARTS = (
    "_",
    "adaptive_router_",
    "auto_router_",
    "cache_creation_",
    "cache_read_",
    "complexity_router_",
    "langfuse_",
    "langsmith_",
    "litellm_",
    "mock_",
    "quality_router_",
    "regional_",
)
_LITELLMS_PARTS = ("_cost_per_", "_cost_above_")
_KNOWN = _words(  # OpenAI's, which litellm translates for every family.
    "audio frequency_penalty logit_bias logprobs modalities parallel_tool_calls "
    "prediction presence_penalty prompt_cache_key prompt_cache_retention "
    "reasoning_effort safety_identifier seed service_tier store temperature thinking "
    "top_logprobs top_p user verbosity web_search_options extra_body "
    # Of single families and of local servers.
    "cache_control chat_template_kwargs context_management enable_thinking format "
    "guided_json guided_regex include_reasoning keep_alive min_p mirostat "
    "mirostat_eta mirostat_tau models num_batch num_ctx num_gpu num_keep num_predict "
    "num_thread plugins prompt_mode provider random_seed reasoning reasoning_format "
    "repeat_last_n repeat_penalty repetition_penalty route safe_prompt "
    "safetySettings safety_settings speed tfs_z think top_a top_k transforms "
    "typical_p"
)


def is_known(name: str) -> bool:
    """Whether some provider is known to take a parameter of this name."""
    return name in _KNOWN or name.startswith(("aws_", "vertex_"))


def check_parameters(
    document: Document, path: KeyPath, parameters: Mapping[str, object]
) -> None:
    """Note each name that may not be there. `path` is that of the mapping."""
    inside = parameters.get("extra_body")
    below = inside if isinstance(inside, dict) else {}
    for name in parameters:
        if problem := _problem(name):
            document.reject_key((*path, name), problem)
    for name in below:
        # What is not in the body of a request is no danger there.
        if (reason := _OURS.get(name)) is not None:
            document.reject_key((*path, "extra_body", name), f"not allowed: {reason}")


def _problem(name: str) -> str:
    reason = _OURS.get(name) or (_LITELLM if _is_litellms(name) else None)
    if reason is not None:
        return f"not allowed: {reason}"
    if not name.isprintable() or not name.strip():
        return "no name of a parameter"
    if is_known(name):
        return ""
    known = {_plain(one): one for one in (*_KNOWN, *_OURS)}
    close = get_close_matches(_plain(name), known, n=1, cutoff=_ALMOST)
    return f"unknown parameter; did you mean {known[close[0]]!r}?" if close else ""


def _is_litellms(name: str) -> bool:
    return (
        name in _LITELLMS
        or name.startswith(_LITELLMS_STARTS)
        or any(part in name for part in _LITELLMS_PARTS)
    )


def _plain(name: str) -> str:
    """The name without what is often written otherwise."""
    return name.lower().replace("-", "").replace("_", "")


def plain_value(value: object) -> object:
    """A value that JSON can hold. Raises ValueError."""
    for one in _inside(value, 0):
        if one is None or not isinstance(one, str | int | float | bool):
            raise ValueError(
                f"found {shown(one)}; allowed: a text, a number, true or false, and "
                "lists and mappings of them"
            )
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError(f"found {one}; allowed: a number that is finite")
    return value


def _inside(value: object, depth: int) -> Iterator[object]:
    """The value, or what the lists and mappings in it hold."""
    if depth > _DEPTH:
        raise ValueError(f"lies more than {_DEPTH} levels deep")
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _inside(one, depth + 1)
    else:
        yield value
