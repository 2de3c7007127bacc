"""Messages of a call over HTTP: pages, samples of a stream."""

from tests.support.loom_instance import LoomInstance
from tests.support.mirror import thing


async def test_few_messages_are_all_there(api: LoomInstance) -> None:
    call = await api.call("Say", thing(text="a"), thing(text="b"))
    _, answer = await api.get(f"/api/calls/{call}/samples")
    _, page = await api.get(f"/api/calls/{call}/messages")
    assert answer["total"] == page["total"] == len(answer["samples"]) > 2
    assert answer["samples"] == [
        [row["index"], row["time_us"], int(row["direction"] == "response"), row["size"]]
        for row in page["messages"]
    ]


async def test_many_messages_are_sampled_from_the_first_to_the_last(api: LoomInstance) -> None:
    call = await api.call("Say", *[thing(text=str(number)) for number in range(150)])
    _, answer = await api.get(f"/api/calls/{call}/samples?points=10")
    indices = [sample[0] for sample in answer["samples"]]
    assert answer["total"] > 150
    assert (len(indices), indices[0], indices[-1]) == (10, 0, answer["total"] - 1)
    assert indices == sorted(set(indices))
