"""Scores over HTTP: texts in, an order with reasons out. Nothing is written and nothing is stored."""

from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from service.openapi import route
from service.runtime import Runtime
from service.scoring.actions import score_texts
from service.scoring.examples import ANSWER, REQUEST
from service.scoring.model import ScoreAnswer, ScoreRequest
from service.telemetry import Metrics


@post(
    "/v1/score",
    status_code=200,
    **route(
        ("copy", "batch"),
        tag="drafts",
        summary="Score texts that you bring",
        description="1 to 20 texts, each the channel's fields or some of them, or a plain text. They meet "
        "the same rules and scorers as drafts, with the same reasons and evidence, and come back ordered, "
        "what passed first. Name what they are about (`item_id` or `product`), whom they are for and the "
        "offer, and they are held against those too; what could not be looked at is in `left_out`. `control` "
        "is the text in use today. `judge` asks an instruct model as well, so often; its opinion orders "
        "nothing. `similar` shows so many tested headlines like each text, with what became of them, where "
        "the server has such tests; `similar_missing` says why not. Nothing is stored.",
        request=REQUEST,
        response=ANSWER,
        problems=(404, 409, 413, 422, 429),
    ),
)
async def score(
    data: JSONBody[ScoreRequest],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    metrics: NamedDependency[Metrics],
) -> ScoreAnswer:
    """Score texts."""
    answer = await score_texts(runtime, workspace, data)
    metrics.count_broken([text.copy for text in answer.texts])
    return answer


ROUTES = [score]
