"""Every error `service` raises on purpose.

ServiceError
├── SettingsError           a setting is unknown or its value cannot be used
├── InvalidInput            a value sent by a caller cannot be used
│   ├── TooLarge                more bytes or rows than one request may hold
│   ├── TooSlow                 a body that does not arrive
│   ├── RangeNotSatisfiable     a part of a file that the file does not have
│   ├── NotUnderstood           a description of an audience that names nothing known
│   ├── PromptNotValid          a prompt that its checks refuse
│   ├── BackupNotValid          a backup that is damaged, cut off, or no backup
│   └── PreconditionMissing     a change to a versioned thing without If-Match
├── NotFound                no such workspace, item, profile, segment, draft or key
│   └── Gone                    it was there, and has been erased or has expired
├── Conflict                the request meets a state that forbids it
│   ├── BuildRunning            another builder holds the lease
│   ├── PreconditionFailed      If-Match names another version than the stored one
│   ├── RequestInProgress       the same idempotency key is being worked on
│   └── KeyReused               an idempotency key came back with another payload
├── Unauthenticated         no key, or one that is malformed, unknown, revoked or expired
├── Forbidden               the key lacks the scope
├── Overloaded              the service refuses more work for now
│   └── RateLimited             the key has sent its share of requests
│       └── BudgetSpent             or has asked all the private counts it may today
└── DependencyError         something this service needs is not there
    ├── ExtraMissing            an optional package is not installed
    ├── TraitsLocked            encrypted traits, and not their key
    ├── PortInUse               another program listens where `serve` should
    ├── DatabaseUnavailable     the database is down, locked, full or unreachable
    └── DatabaseTooNew          its schema is newer than this program

Messages quote the bad value and say what to do next; they never hold a secret or a traceback.
`service/problems.py` alone turns them into HTTP problems, `service/cli.py` into exit codes.
"""

from service.validation import FieldProblem


class ServiceError(Exception):
    """Base of every deliberate error of this package."""


class SettingsError(ServiceError):
    """A setting is unknown or its value cannot be used."""


class InvalidInput(ServiceError):
    """A value sent by a caller cannot be used."""


class TooLarge(InvalidInput):
    """More bytes or rows than one request may hold."""


class TooSlow(InvalidInput):
    """A body did not arrive in time."""


class RangeNotSatisfiable(InvalidInput):
    """A part of a file was asked for that the file does not have."""


class NotUnderstood(InvalidInput):
    """A description of an audience says nothing that a rule could say."""


class PromptNotValid(InvalidInput):
    """A prompt that its checks refuse, with every problem."""

    def __init__(self, message: str, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join([message, *(f"{each.path}, {each.reason}" for each in problems)]))
        self.problems = problems


class BackupNotValid(InvalidInput):
    """A backup is damaged or cut off, or an archive holds what no backup does."""


class PreconditionMissing(InvalidInput):
    """A change to a versioned thing came without If-Match."""


class NotFound(ServiceError):
    """No such workspace, item, profile, segment, draft or key."""


class Gone(NotFound):
    """It was there, and has been erased or has expired."""


class Conflict(ServiceError):
    """The request meets a state that forbids it."""


class BuildRunning(Conflict):
    """Another builder holds the lease."""


class PreconditionFailed(Conflict):
    """If-Match names another version than the stored one."""


class RequestInProgress(Conflict):
    """The same idempotency key is being worked on."""


class KeyReused(Conflict):
    """An idempotency key came back with another payload."""


class Unauthenticated(ServiceError):
    """No key was sent, or one that is malformed, unknown, revoked or expired."""


class Forbidden(ServiceError):
    """The key lacks the scope."""


class Overloaded(ServiceError):
    """The service refuses more work for now."""


class RateLimited(Overloaded):
    """The key has sent its share of requests; with the headers that say when the next one is taken."""

    def __init__(self, message: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.headers = headers


class BudgetSpent(RateLimited):
    """The key has spent its privacy budget of the day."""


class DependencyError(ServiceError):
    """Something this service needs is not there."""


class ExtraMissing(DependencyError):
    """An optional package is not installed; the message holds the exact install command."""


class TraitsLocked(DependencyError):
    """Traits are encrypted with a key that the settings lack, or do not open with theirs."""


class PortInUse(DependencyError):
    """Another program listens where `serve` should."""


class DatabaseUnavailable(DependencyError):
    """The database is down, locked, full or unreachable."""


class DatabaseTooNew(DependencyError):
    """The database's schema is newer than this program."""
