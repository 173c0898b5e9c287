"""Turns to write: bounded, fair between workspaces, and given back however a draft ends."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.admission import Admission
from service.errors import Overloaded


async def hold(
    admission: Admission, workspace: str, units: int, begun: list[str], end: asyncio.Event
) -> None:
    async with admission.turn(workspace, units):
        begun.append(workspace)
        await end.wait()


async def start(
    admission: Admission, wanted: str, begun: list[str], end: asyncio.Event
) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(hold(admission, name, 1, begun, end)) for name in wanted]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_a_heap_of_one_workspace_does_not_keep_another_waiting() -> None:
    admission, begun, end = Admission(1, 40), list[str](), asyncio.Event()
    end.set()
    async with admission.turn("c", 1):
        tasks = await start(admission, "aaaaaabbb", begun, end)
        assert (admission.busy, admission.waiting) == (1, 9)
    await asyncio.gather(*tasks)
    assert "".join(begun) == "abababaaa"
    assert (admission.busy, admission.waiting) == (0, 0)


async def test_units_count_not_drafts_and_who_was_idle_does_not_catch_up() -> None:
    admission, begun, end = Admission(4, 100), list[str](), asyncio.Event()
    end.set()
    for _ in range(30):
        async with admission.turn("a", 4):
            pass
    async with admission.turn("c", 4):
        tasks = [
            asyncio.create_task(hold(admission, name, units, begun, end))
            for name, units in (("a", 4), ("a", 4), ("b", 1), ("b", 1), ("b", 1), ("b", 1), ("b", 1))
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert "".join(begun) == "bbbbaba"


async def test_too_much_is_refused_at_once_and_no_workspace_fills_the_queue() -> None:
    admission, begun, end = Admission(2, 8), list[str](), asyncio.Event()
    running = await start(admission, "aa", begun, end)
    waiting = await start(admission, "aaaa", begun, end)
    with pytest.raises(
        Overloaded, match=r"2 variants are being written and 4 wait, 4 of them of this workspace"
    ):
        async with admission.turn("a", 1):
            raise AssertionError("refused before it begins")
    with pytest.raises(Overloaded):
        admission.ask("a", 1)
    admission.ask("b", 4)
    waiting += await start(admission, "bbbb", begun, end)
    with pytest.raises(Overloaded, match="PITCHWRIGHT_ENGINE_QUEUE"):
        async with admission.turn("c", 1):
            raise AssertionError("refused before it begins")
    end.set()
    await asyncio.gather(*running, *waiting)
    async with admission.turn("c", 50):
        admission.ask("d", 1)
        assert admission.busy == 2, "a draft that needs more than all the room takes all of it"
    assert (admission.busy, admission.waiting) == (0, 0)


async def test_a_turn_comes_back_when_its_holder_fails_or_is_cancelled() -> None:
    admission, begun, end = Admission(1, 10), list[str](), asyncio.Event()
    with pytest.raises(ZeroDivisionError):
        async with admission.turn("a", 1):
            raise ZeroDivisionError
    (held,) = await start(admission, "a", begun, end)
    queued = await start(admission, "ab", begun, end)
    queued[0].cancel()
    held.cancel()
    await asyncio.gather(held, queued[0], return_exceptions=True)
    end.set()
    await queued[1]
    assert begun == ["a", "b"]
    assert (admission.busy, admission.waiting) == (0, 0)


async def test_cancelled_at_the_moment_its_turn_comes_it_gives_it_back() -> None:
    admission, begun, end = Admission(1, 10), list[str](), asyncio.Event()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(admission.turn("a", 1))
        (queued,) = await start(admission, "b", begun, end)
        await stack.aclose()
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
    assert begun == []
    assert admission.busy == 0
    async with admission.turn("c", 1):
        assert admission.busy == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 6), st.integers(0, 3), st.booleans()), max_size=40
    ),
    st.integers(1, 6),
)
def test_whatever_comes_and_goes_room_is_kept_and_nothing_is_left(
    drafts: list[tuple[str, int, int, bool]], room: int
) -> None:
    async def play() -> None:
        admission = Admission(room, 30)
        refused = 0

        async def draft(workspace: str, units: int, steps: int) -> None:
            nonlocal refused
            try:
                async with admission.turn(workspace, units):
                    for _ in range(steps):
                        assert 0 < admission.busy <= room
                        await asyncio.sleep(0)
            except Overloaded:
                refused += 1

        tasks: list[asyncio.Task[None]] = []
        for workspace, units, steps, leaves in drafts:
            tasks.append(asyncio.create_task(draft(workspace, units, steps)))
            await asyncio.sleep(0)
            assert admission.waiting <= 30
            if leaves:
                tasks[len(tasks) // 2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (admission.busy, admission.waiting) == (0, 0)
        assert all(task.cancelled() or task.exception() is None for task in tasks)

    asyncio.run(play())
