"""Chooses the engine by the settings: the embedded pocket model, a local folder, or a server."""

from pathlib import Path
from typing import Any

from prompts.engine import Engine
from service.settings import Settings

POCKET_FOLDER = Path(__file__).parent / "pocket" / "model"
POCKET_LANGUAGES = ("en",)
POCKET_NOTE = (
    "A demonstration model, trained from scratch on synthetic copy, English only. "
    "For copy to send, set PITCHWRIGHT_ENGINE_URL to a server with a real instruct model."
)


def load_engine(settings: Settings) -> Engine:
    """Open the engine the settings name; blocks while it reads weights or asks the server for its models.

    Raises `EngineUnavailable` when there is no such model or server.
    """
    if settings.engine_url is not None:
        from service.llm.openai_engine import OpenAIEngine

        return OpenAIEngine.open(
            [url.strip() for url in settings.engine_url.split(",") if url.strip()],
            model=settings.engine_model,
            api_key=settings.engine_api_key,
            dialect=settings.engine_dialect or "full",
            languages=settings.engine_languages,
            timeout_seconds=settings.engine_timeout_seconds,
            concurrency=settings.engine_concurrency,
        )
    embedded = settings.engine_model is None
    folder = POCKET_FOLDER if settings.engine_model is None else Path(settings.engine_model)
    what: dict[str, Any] = {
        "dialect": settings.engine_dialect or ("pocket" if embedded else "full"),
        "languages": settings.engine_languages or (POCKET_LANGUAGES if embedded else None),
        "timeout_seconds": settings.engine_timeout_seconds,
        "note": POCKET_NOTE if embedded else "",
    }
    if settings.engine_runtime == "vllm":
        from service.llm.vllm_engine import VllmEngine

        return VllmEngine.open(folder, **what)
    from service.llm.transformers_engine import TransformersEngine

    return TransformersEngine.open(folder, batch_size=settings.engine_concurrency, **what)
