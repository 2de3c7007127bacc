"""Rules tried on recorded calls."""

from pathlib import Path

from loom.interception import RuleSet, load_rules
from loom.interception.call_rules import Types
from loom.interception.dry_run import DryRun, TriedCall
from loom.model import Call, CallStarted, HalfClosed, MessageSeen, StatusCode
from loom.model.interception import FinalStatus, HalfClose, MessageItem, Point
from tests.support.traffic import DOWN, UP, altered, began, ended, message, recorded

from .conftest import ShopTypes, write_rules


def run(shop: ShopTypes, folder: Path, rules: str, *calls: Call) -> list[TriedCall | None]:
    compiled = RuleSet(load_rules([write_rules(folder, rules)]))
    dry = DryRun(compiled, lambda _: Types(shop, shop.pool))
    return [dry.run(call) for call in calls]


def shop_call(shop: ShopTypes) -> Call:
    at = 5_000
    events = [
        *began(1),
        message(1, UP, shop.item(name="a")),
        HalfClosed(1, at),
        message(1, DOWN, shop.item(name="b", count=1)),
        message(1, DOWN, shop.item(name="c")),
        *ended(1),
    ]
    assert isinstance(events[0], CallStarted)
    assert isinstance(events[2], MessageSeen)
    [call] = recorded(*events)
    return call


EDIT = """
[[rule]]
name = "edit"
match = "method:GetOrder"
when = { point = "response-message", index = 1 }
do = [{ set = "name", to = "z" }]
"""


def test_an_edit_is_shown_and_other_messages_are_not(shop: ShopTypes, tmp_path: Path) -> None:
    [tried] = run(shop, tmp_path, EDIT, shop_call(shop))
    assert tried is not None
    [item] = tried.items
    assert (item.point, item.index) == (Point.RESPONSE_MESSAGE, 1)
    assert item.came == MessageItem(shop.item(name="c"))
    assert item.went == (MessageItem(shop.item(name="z")),)


def test_a_call_that_does_not_match_is_none(shop: ShopTypes, tmp_path: Path) -> None:
    assert run(shop, tmp_path, EDIT.replace("GetOrder", "Other"), shop_call(shop)) == [None]


def test_every_point_is_passed_in_order(shop: ShopTypes, tmp_path: Path) -> None:
    points = ", ".join(f'"{point}"' for point in Point)
    rules = f'[[rule]]\nmatch = ""\nwhen = {{ point = [{points}] }}\ndo = [{{ hold = true }}]'
    [tried] = run(shop, tmp_path, rules, shop_call(shop))
    assert tried is not None
    assert [(item.point, item.index) for item in tried.items] == [
        (Point.START, 0),
        (Point.REQUEST_METADATA, 0),
        (Point.REQUEST_MESSAGE, 0),
        (Point.HALF_CLOSE, 0),
        (Point.RESPONSE_METADATA, 0),
        (Point.RESPONSE_MESSAGE, 0),
        (Point.RESPONSE_MESSAGE, 1),
        (Point.STATUS, 0),
    ]
    assert isinstance(tried.items[3].came, HalfClose)
    assert isinstance(tried.items[-1].came, FinalStatus)


def test_what_follows_the_end_is_not_tried(shop: ShopTypes, tmp_path: Path) -> None:
    rules = '[[fault]]\nmatch = ""\nstatus = "ABORTED"\nat = "message 1"\n'
    [tried] = run(shop, tmp_path, rules + EDIT, shop_call(shop))
    assert tried is not None
    [item] = tried.items
    assert item.end is not None
    assert item.end.status.code == StatusCode.ABORTED


def test_times_count_over_the_session(shop: ShopTypes, tmp_path: Path) -> None:
    rules = EDIT.replace('match = "method:GetOrder"', 'match = "method:GetOrder"\ntimes = "2"')
    tried = run(shop, tmp_path, rules, *[shop_call(shop) for _ in range(3)])
    assert [item is not None for item in tried] == [True, True, False]


def test_rules_get_what_came_of_a_call_that_was_altered(shop: ShopTypes, tmp_path: Path) -> None:
    rules = '[[rule]]\nmatch = ""\nwhen = { point = ["response-message", "status"] }\ndo = [{ hold = true }]'
    [tried] = run(shop, tmp_path, rules, *recorded(*altered(1)))
    assert tried is not None
    came = [item.came for item in tried.items]
    assert came[:2] == [MessageItem(b"came"), MessageItem(b"lost")]
    assert isinstance(came[2], FinalStatus)
    assert came[2].status.code == StatusCode.OK
