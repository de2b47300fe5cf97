"""The settings of a command that also works for the tiers of one's own project."""

from crew.errors import SettingsError
from crew.settings import Settings
from crew.settings.loader import load_settings, load_tiers
from crew.settings.places import Place


def settings_of(place: Place) -> Settings:
    """The settings. A directory without agents.yaml and tasks.yaml is one for the
    agents of one's own project (`crew.tiers`), and has no roles. Raises
    SettingsError."""
    files = (place.directory / f"{name}.yaml" for name in ("agents", "tasks"))
    roles = any(file.exists() for file in files)
    return (load_settings if roles else load_tiers)(place)


def settings_or_tiers(place: Place) -> Settings:
    """The settings; without roles and tasks where those are wrong, or a project's of
    CrewAI's. Raises SettingsError."""
    try:
        return load_settings(place)
    except SettingsError:
        return load_tiers(place)
