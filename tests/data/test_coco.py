"""Boxes in COCO's JSON."""

import copy
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from nascompile.data import load_dataset

CATEGORIES = [{"id": 9, "name": "dog"}, {"id": 3, "name": "cat"}, {"id": 5, "name": "unused"}]


def annotations(n, folder="", size=(40, 20)):
    """Image k has k % 3 boxes; of the first category 9, of the second 3."""
    images = [{"id": k, "file_name": f"{folder}{k}.png", "width": size[0], "height": size[1]} for k in range(n)]
    boxes = [
        {"id": 10 * k + b, "image_id": k, "category_id": (9, 3)[b], "bbox": [4 + b, 2, 20, 10], "iscrowd": 0}
        for k in range(n)
        for b in range(k % 3)
    ]
    return {"images": images, "annotations": boxes, "categories": CATEGORIES}


def picture(as_png, k):
    return as_png(np.full((20, 40, 3), k + 1, np.uint8))


def pool(as_png, n=30):
    files = {f"images/{k}.png": picture(as_png, k) for k in range(n)}
    return files | {"annotations.json": json.dumps(annotations(n)).encode()}


def numbers(data, part):
    n = data.prepared["normalisation"]
    return np.rint((part.x[:, 0].mean((1, 2)) * n["deviation"][0] + n["mean"][0]) * 255).astype(int) - 1


@pytest.mark.parametrize("root", ["folder", "a.zip"])
def test_boxes_are_shares_of_the_image(root, tmp_path, write, as_png):
    data = load_dataset(write(tmp_path / root, pool(as_png)), (3, 10, 10), classes=2)
    assert data.task == "detection"
    assert data.classes == ("cat", "dog")
    assert sum(data.prepared["sizes"].values()) == 30
    seen = []
    for part in (data.train, data.valid, data.test):
        assert len(part.y) == len(part.x) == len(part)
        for k, boxes in zip(numbers(data, part), part.y, strict=True):
            seen.append(k)
            wanted = [[1, 14 / 40, 7 / 20, 0.5, 0.5], [0, 15 / 40, 7 / 20, 0.5, 0.5]][: k % 3]
            assert boxes.dtype == np.float32
            np.testing.assert_allclose(boxes, np.array(wanted).reshape(-1, 5), rtol=1e-6)
    assert sorted(seen) == list(range(30))
    assert data.prepared["categories without a box"] == ["unused"]
    assert data.prepared["class counts"]["train"] == {"cat": 7, "dog": 14}
    assert data.anchors == ((0.5, 0.5),) * 3
    assert data.prepared["anchors"] == [[0.5, 0.5]] * 3
    assert json.loads(json.dumps(data.prepared)) == data.prepared


def test_boxes_are_cut_and_dropped(tmp_path, write, as_png):
    content = annotations(30)
    content["annotations"] += [
        {"id": 900, "image_id": 0, "category_id": 3, "bbox": [-10, 10, 30, 100]},
        {"id": 901, "image_id": 0, "category_id": 3, "bbox": [50, 2, 3, 3]},
        {"id": 902, "image_id": 0, "category_id": 3, "bbox": [5, 5, 0, 3]},
        {"id": 903, "image_id": 0, "category_id": 3, "bbox": [5, 5, 3, 3], "iscrowd": 1},
    ]
    path = write(tmp_path / "a", pool(as_png) | {"annotations.json": json.dumps(content).encode()})
    data = load_dataset(path, (3, 10, 10))
    assert data.prepared["boxes left out"] == {"without area": 2, "crowds": 1}
    (boxes,) = [
        b for p in (data.train, data.valid, data.test) for k, b in zip(numbers(data, p), p.y, strict=True) if k == 0
    ]
    np.testing.assert_allclose(boxes, [[0, 10 / 40, 15 / 20, 20 / 40, 10 / 20]])


def test_the_layout_of_coco(tmp_path, write, as_png):
    files = {
        f"{part}2017/{k}.png": picture(as_png, k + s) for part, s in (("train", 0), ("val", 100)) for k in range(20)
    }
    for part in ("train", "val"):
        files[f"annotations/instances_{part}2017.json"] = json.dumps(annotations(20)).encode()
    path = write(tmp_path / "a", files)
    data = load_dataset(path, (3, 10, 10))
    assert sorted(numbers(data, data.valid)) == list(range(100, 120))
    assert sorted([*numbers(data, data.train), *numbers(data, data.test)]) == list(range(20))
    alone = load_dataset(path / "annotations" / "instances_val2017.json", (3, 10, 10))
    everything = [k for p in (alone.train, alone.valid, alone.test) for k in numbers(alone, p)]
    assert sorted(everything) == list(range(100, 120))


def test_annotations_beside_the_images_of_each_part(tmp_path, write, as_png):
    files = {}
    for part, start in (("train", 0), ("valid", 100), ("test", 200)):
        files |= {f"{part}/{k}.png": picture(as_png, start + k) for k in range(9)}
        files[f"{part}/_annotations.coco.json"] = json.dumps(annotations(9)).encode()
    data = load_dataset(write(tmp_path / "a.zip", files), (1, 10, 10))
    assert sorted(numbers(data, data.test)) == list(range(200, 209))
    assert sorted(numbers(data, data.train)) == list(range(9))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_turn_with_their_picture(orientation, tmp_path, write):
    """Whether the annotations give its size as the file has it or as it is seen."""
    pixels = np.zeros((16, 24), np.uint8)
    pixels[2:6, 3:15] = 255
    exif, files = Image.Exif(), {}
    exif[274] = orientation
    content = annotations(6, "images/", size=(24, 16))
    box = {"category_id": 3, "bbox": [3, 2, 12, 4]}
    content["annotations"] = [{"id": k, "image_id": k, **box} for k in range(6)]
    for k in range(6):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "png", exif=exif)
        files[f"images/{k}.png"] = buffer.getvalue()
    path = write(tmp_path / "a", files | {"boxes.json": json.dumps(content).encode()})
    shape = (1, 16, 24) if orientation < 5 else (1, 24, 16)
    data = load_dataset(path, shape)
    (_, x, y, w, h), (rows, columns) = data.train.y[0][0], np.where(data.train.x[0, 0] > 0)
    seen = [(columns.min(), columns.max() + 1), (rows.min(), rows.max() + 1)]
    wanted = [((x - w / 2) * shape[2], (x + w / 2) * shape[2]), ((y - h / 2) * shape[1], (y + h / 2) * shape[1])]
    np.testing.assert_allclose(seen, wanted, atol=1e-4)
    assert data.prepared.get("turned with their boxes", 0) == (6 if orientation > 1 else 0)
    if orientation > 4:
        content["images"] = [image | {"width": 16, "height": 24} for image in content["images"]]
        (path / "boxes.json").write_text(json.dumps(content))
        box = load_dataset(path, shape).train.y[0][0]
        np.testing.assert_allclose(box, [0, 9 / 16, 4 / 24, 12 / 16, 4 / 24], rtol=1e-6)


def changed(where, number, **values):
    content = copy.deepcopy(annotations(30))
    content[where][number] |= values
    return content


@pytest.mark.parametrize(
    ("content", "code", "text"),
    [
        (changed("annotations", 0, bbox=[1, 2, 3]), "bad-boxes", "annotation 10 .* has the box"),
        (changed("annotations", 0, bbox=[1, 2, 3, float("nan")]), "bad-boxes", "has the box"),
        (changed("annotations", 0, image_id=99), "bad-boxes", "annotation 10 .* not listed"),
        (changed("annotations", 0, category_id=99), "bad-boxes", "annotation 10 .* not listed"),
        (changed("images", 0, width=0), "bad-boxes", "image 0 .* no size"),
        (changed("images", 0, width=None), "bad-boxes", "`width`"),
        (changed("images", 0, width=80), "bad-boxes", "0.png` is 40 x 20, its annotations say 80 x 20"),
        (changed("categories", 0, name="cat"), "bad-boxes", "two categories called `cat`: 3 and 9"),
        (changed("images", 0, id=1), "bad-boxes", "number of another image"),
        (changed("images", 0, file_name="../../x.png"), "bad-boxes", "an image outside"),
        (changed("images", 0, file_name="absent.png"), "bad-boxes", "no image `absent.png`"),
        ({**annotations(30), "annotations": []}, "few-classes", "no boxes"),
        ({**annotations(30), "annotations": [{"image_id": 1}]}, "bad-boxes", "no `id`"),
    ],
)
def test_malformed_annotations(content, code, text, tmp_path, write, as_png, error):
    path = write(tmp_path / "a", pool(as_png) | {"annotations.json": json.dumps(content).encode()})
    found, message = error(load_dataset, path, (3, 10, 10))
    assert found == code
    assert re.search(text, message), message


def test_other_refusals(tmp_path, write, as_png, error):
    path = write(tmp_path / "a", pool(as_png))
    assert error(load_dataset, path, (3, 10, 10), classes=5)[0] == "bad-classes"
    assert error(load_dataset, path, (3, 10, 10), anchors=0)[0] == "bad-option"
    assert error(load_dataset, path, (3, 10, 10), task="classification")[0] == "few-classes"
    (path / "annotations.json").write_text('{"images": []}')
    code, text = error(load_dataset, path / "annotations.json", (3, 10, 10))
    assert code == "no-data"
    assert "annotations.json" in text
    (path / "annotations.json").write_text('{"images": [')
    assert error(load_dataset, path, (3, 10, 10))[0] == "unreadable"


def test_a_class_of_a_single_image_is_learnt_from(tmp_path, write, as_png):
    """Whatever the seed: in another part it could only make the split an error."""
    content = annotations(30)
    content["annotations"].append({"id": 900, "image_id": 0, "category_id": 5, "bbox": [1, 1, 9, 9]})
    path = write(tmp_path / "a", pool(as_png) | {"annotations.json": json.dumps(content).encode()})
    for seed in range(8):
        data = load_dataset(path, (3, 10, 10), seed=seed)
        assert data.prepared["class counts"]["train"]["unused"] == 1
        assert all(data.prepared["sizes"].values())


def test_a_class_of_the_official_test_part_alone(tmp_path, write, as_png, error):
    files = {f"{part}/{k}.png": picture(as_png, k) for part in ("train", "test") for k in range(9)}
    for part in ("train", "test"):
        content = annotations(9)
        if part == "test":
            content["annotations"].append({"id": 900, "image_id": 0, "category_id": 5, "bbox": [1, 1, 9, 9]})
        files[f"{part}/boxes.json"] = json.dumps(content).encode()
    code, text = error(load_dataset, write(tmp_path / "a", files), (3, 10, 10))
    assert code == "few-examples"
    assert "class `unused`" in text
    assert "no boxes in the training part" in text
