"""Every error `prompts` raises on purpose.

PromptError
├── BriefError          the brief asks for something that cannot be written
│   └── LanguageError   the engine was not trained on the asked language
├── TemplateError       a template is missing, malformed or renders wrongly
├── SlotError           a fact slot or merge tag that cannot be resolved
├── LengthError         copy that would be longer than its medium takes
├── EngineTooSmall      the engine writes copy and can do nothing else
├── OutputError         an engine's answer that is not the channel's JSON
└── EngineError         the engine did not answer
    ├── EngineUnavailable   it is down or unreachable
    ├── EngineOverloaded    it refuses more work for now
    └── EngineTimeout       it did not answer in time

Messages quote the bad value and say what to do next; they never hold a traceback.
"""


class PromptError(Exception):
    """Base of every deliberate error of this package."""


class BriefError(PromptError):
    """The brief asks for something that cannot be written."""


class LanguageError(BriefError):
    """The engine was not trained on the language the brief asks for."""


class TemplateError(PromptError):
    """A template is missing, malformed or renders wrongly."""


class SlotError(PromptError):
    """A fact slot or merge tag cannot be resolved."""


class LengthError(PromptError):
    """Copy would be longer than its medium takes."""


class EngineTooSmall(PromptError):
    """The engine was made to write copy; what is asked takes an instruct model."""


class OutputError(PromptError):
    """An engine's answer is not the channel's JSON."""


class EngineError(PromptError):
    """The engine did not answer."""


class EngineUnavailable(EngineError):
    """The engine is down or unreachable."""


class EngineOverloaded(EngineError):
    """The engine refuses more work for now."""


class EngineTimeout(EngineError):
    """The engine did not answer in time."""
