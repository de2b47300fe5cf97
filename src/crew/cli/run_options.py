"""What the command line asks a run for, and what is wrong with it."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from crew.cli.comment import comment_mistakes
from crew.cli.console import argument_error, argument_mistake, resume_command
from crew.cli.place import placed
from crew.errors import Mistake, SettingsError
from crew.settings import Inputs, Settings
from crew.settings.check_commands import with_checks
from crew.settings.check_inputs import check_file, check_inputs
from crew.settings.check_tasks import check_human_input
from crew.settings.environment import is_text
from crew.settings.loader import load_settings
from crew.settings.placeholders import check_placeholders


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The arguments of `crew run`; `config` is the directory given before it."""

    config: str | None
    words: tuple[str, ...]
    repo: tuple[str, ...]
    no_repo: bool
    image: tuple[str, ...]
    input: tuple[str, ...]
    check: tuple[str, ...]
    resume: str | None
    comment: str | None
    post: bool
    as_json: bool
    json_stream: bool
    quiet: bool
    dry_run: bool = False
    yes: bool = False
    view: str | None

    @property
    def request(self) -> str | None:
        """The request, with or without quotes around its words."""
        return " ".join(self.words) if self.words else None

    @property
    def names_work(self) -> bool:
        """Whether an argument says what a request is about."""
        return bool(self.repo or self.no_repo or self.image)

    def inputs(self, values: Mapping[str, str]) -> Inputs | None:
        """What the request works on; None without a request."""
        if self.request is None:
            return None
        return Inputs(
            request=self.request,
            repositories=self.repo,
            here=not self.no_repo,
            images=self.image,
            values=values,
        )

    def resume_command(self, run: str) -> str:
        """The command that goes on with a run of these options."""
        checks = [word for one in self.check for word in ("--check", one)]
        comment = ["--comment", self.comment] if self.comment else []
        post = ["--post"] if self.post else []
        return resume_command(run, self.config, *checks, *comment, *post)


def checked(options: RunOptions) -> tuple[Settings, Inputs | None]:
    """The settings, and what to work on; None is for a run that is resumed. Raises
    SettingsError with everything that is wrong with both."""
    values, mistakes = _values(options.input)
    mistakes += comment_mistakes(options) + _repository_mistakes(options)
    mistakes += _not_text({"REQUEST": options.request or "", **values})
    given = options.inputs(values)
    if given is not None:
        mistakes += check_inputs(given)
    try:
        settings = load_settings(placed(options.config))
    except SettingsError as exc:
        raise SettingsError([*exc.mistakes, *mistakes]) from None
    settings, wrong = _fitted(settings, options)
    mistakes += wrong
    if options.resume is not None:
        if given or options.names_work or options.input:
            raise argument_error(
                "--resume", "a resumed run keeps its request and inputs"
            )
        if mistakes:
            raise SettingsError(mistakes)
        return settings, None
    if given is None:
        if settings.inputs is None or options.names_work:
            raise argument_error(
                "REQUEST", "say what to do: crew run 'REQUEST' --repo PATH"
            )
        given = replace(settings.inputs, values={**settings.inputs.values, **values})
        mistakes += check_file(settings.config_dir / "inputs.yaml", given)
    mistakes += check_placeholders(settings, given)
    if mistakes:
        raise SettingsError(mistakes)
    return settings, given


def _fitted(settings: Settings, options: RunOptions) -> tuple[Settings, list[Mistake]]:
    """The settings with the checks of the arguments, and what does not fit here."""
    settings, mistakes = with_checks(settings, options.check)
    if not sys.stdin.isatty():
        mistakes += check_human_input(settings)
    return settings, mistakes


def _repository_mistakes(options: RunOptions) -> list[Mistake]:
    if options.repo and options.no_repo:
        return [argument_mistake("--no-repo", "--repo names one")]
    return []


def _values(pairs: Sequence[str]) -> tuple[dict[str, str], list[Mistake]]:
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if equals and key:
            values[key] = value
        else:
            message = f"{pair!r} is not of the form K=V"
            mistakes.append(argument_mistake("--input", message))
    return values, mistakes


def _not_text(arguments: Mapping[str, str]) -> list[Mistake]:
    return [
        argument_mistake(name, "not UTF-8")
        for name, text in arguments.items()
        if not is_text(text)
    ]
