"""Cells over the API: filters, pages, pictures of what was seen."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from service.cells.schemas import CellPage

Finished = tuple[TestClient, str]


def listed(finished: Finished, **query: Any) -> list[dict[str, Any]]:
    client, address = finished
    answer = client.get(f"{address}/cells", params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    cells: list[dict[str, Any]] = answer.json()["cells"]
    return cells


def test_every_cell_is_listed_once_in_pages(finished: Finished) -> None:
    client, address = finished
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = client.get(f"{address}/cells", params={"limit": 5, **cursor}).json()
        seen += [cell["id"] for cell in page["cells"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) == 18
    assert seen == [cell["id"] for cell in listed(finished)]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"run": "control"}, 6),
        ({"run": "kk"}, 12),
        ({"run": ["kk", "control"]}, 18),
        ({"epoch": 8}, 6),
        ({"epoch": [4, 8], "scenario": "hug"}, 6),
        ({"scenario": "solo", "seed": [7, 13]}, 6),
        ({"state": "pending"}, 0),
        ({"check": "fusion"}, 9),
        ({"seed": 12345}, 0),
        ({"character": "Kei"}, 0),
    ],
)
def test_filters_narrow_the_list(finished: Finished, query: dict[str, Any], count: int) -> None:
    assert len(listed(finished, **query)) == count


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"run": "nobody"}, "has no run 'nobody'; it has control, kk"),
        ({"run": ["kk", "nobody"]}, "has no run 'nobody'"),
        ({"epoch": 5}, "has no epoch 5; it has 4, 8"),
        ({"scenario": "nothing"}, "has no scenario 'nothing'; it has hug, solo"),
        ({"check": "zz"}, "has no check 'zz'; it has ahoge_bleed, cast, fusion"),
        ({"character": "Kay", "state": "fails"}, "has no character 'Kay'; it has Kei, Kana"),
        ({"checkpoint": "5f0c"}, "has no checkpoint '5f0c'; it has "),
    ],
)
def test_a_filter_for_what_is_not_there_says_what_is(finished: Finished, query: dict[str, Any], told: str) -> None:
    client, address = finished
    answer = client.get(f"{address}/cells", params=query)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_states_divide_the_cells_and_agree_with_what_is_shown(finished: Finished) -> None:
    states = ("fails", "minor", "holds", "not_measurable", "invalid", "pending")
    for narrowed in ({}, {"check": "cast"}):
        found = {state: listed(finished, state=state, **narrowed) for state in states}
        assert sum(map(len, found.values())) == 18
        assert all(cell["state"] == state for state, cells in found.items() for cell in cells)
        assert found["fails"]
        assert found["holds"]
    assert len(listed(finished, state=["fails", "holds"])) == 18
    assert listed(finished, severity="clear") == listed(finished, state="fails")
    assert listed(finished, severity="lost") == []


def test_one_cell_has_everything_behind_it(finished: Finished) -> None:
    client, address = finished
    brief = listed(finished, run="kk", epoch=8, scenario="hug", seed=13)[0]
    cell = client.get(f"{address}/cells/{brief['id']}").json()
    assert brief == {key: cell[key] for key in brief}
    assert cell["prompt"] == "2girls, keichan, kanachan, hug"
    assert {finding["detector"] for finding in cell["evidence"]} == {"brightness"}
    control = client.get(f"{address}/cells/{cell['control']}").json()
    assert (control["run"], control["scenario"], control["seed"]) == ("control", "hug", 13)
    whole = client.get(f"{address}/cells", params={"detail": "whole", "limit": 1000}).json()["cells"]
    assert next(each for each in whole if each["id"] == cell["id"])["evidence"] == cell["evidence"]
    assert client.get(cell["image_url"]).content.startswith(b"\x89PNG")


def test_an_overlay_is_kept_for_ever_under_its_own_address(finished: Finished) -> None:
    client, address = finished
    cell = client.get(f"{address}/cells/{listed(finished)[0]['id']}").json()
    first = client.get(cell["overlay_url"])
    assert first.headers["content-type"] == "image/png"
    assert "immutable" in first.headers["cache-control"]
    again = client.get(cell["overlay_url"], headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    loose = client.get(cell["overlay_url"].partition("?")[0])
    assert loose.headers["cache-control"] == "private, no-cache"
    alone = client.get(cell["overlay_url"], params={"transparent": "true", "layers": "hands"})
    assert Image.open(BytesIO(alone.content)).mode == "RGBA"
    assert alone.headers["etag"] != first.headers["etag"]


def test_a_crop_is_that_piece_enlarged(finished: Finished) -> None:
    client, address = finished
    cell = client.get(f"{address}/cells/{listed(finished)[0]['id']}").json()
    whole = np.asarray(Image.open(BytesIO(client.get(cell["image_url"]).content)))
    piece = client.get(f"{cell['image_url']}/crop", params={"box": "8,16,40,48", "size": 32})
    assert np.array_equal(np.asarray(Image.open(BytesIO(piece.content))), whole[16:48, 8:40])
    assert "immutable" in piece.headers["cache-control"]
    large = client.get(f"{cell['image_url']}/crop", params={"box": "8,16,40,32", "size": 256})
    assert Image.open(BytesIO(large.content)).size == (256, 128)
    small = client.get(f"{cell['image_url']}/thumbnail", params={"size": 32})
    assert Image.open(BytesIO(small.content)).size == (32, 32)
    again = client.get(f"{cell['image_url']}/thumbnail?size=32", headers={"if-none-match": small.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("{evaluation}/cells/999999", 404),
        ("{evaluation}/cells/0", 422),
        ("{evaluation}/cells/x", 422),
        ("{evaluation}/cells?cursor=???", 422),
        ("{evaluation}/cells?cursor=YQ", 422),
        ("{evaluation}/cells?limit=1001", 422),
        ("{evaluation}/cells?state=great", 422),
        ("{evaluation}/cells?seed=99999999999999999999", 422),
        ("{evaluation}/cells/999999/overlay", 404),
        ("{cell}/overlay?layers=tattoos", 422),
        ("/v1/evaluations/nothing/cells", 404),
        ("/v1/evaluations/nothing/cells/1", 404),
        ("{image}/crop?box=1,2,3", 422),
        ("{image}/crop?box=500,500,600,600", 422),
        ("{image}/crop?box=9,9,9,9", 422),
        ("{image}/crop?box=1,1,9,9&size=5000", 422),
        ("/v1/images/" + "0" * 64 + "/crop?box=1,1,9,9", 404),
        ("/v1/images/x/thumbnail", 404),
    ],
)
def test_what_cannot_be_shown_is_a_problem(finished: Finished, address: str, status: int) -> None:
    client, evaluation = finished
    cell = listed(finished)[0]
    places = {
        "evaluation": evaluation,
        "cell": f"{evaluation}/cells/{cell['id']}",
        "image": f"/v1/images/{cell['image']}",
    }
    answer = client.get(address.format(**places))
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_short_list_is_written_as_its_schema_says(finished: Finished) -> None:
    """It is put together without the schema's help, so that a page of five hundred cells is quick."""
    client, address = finished
    text = client.get(f"{address}/cells", params={"limit": 7}).text
    page = CellPage.model_validate_json(text, strict=True)
    assert json.loads(text) == page.model_dump(mode="json")
    assert page.next is not None
