"""A CrewAI development crew that keeps working when limits hit."""

import os

# Before crewai and litellm are imported: nothing goes over the network by itself.
os.environ.setdefault("CREWAI_DISABLE_TELEMETRY", "true")
os.environ.setdefault("CREWAI_TRACING_ENABLED", "false")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
