"""Detection of objects as YOLOv5 does it, on one scale: targets, loss, decoding, average precision.

What a network gives is [n, anchors * (5 + classes), rows, columns]: at every place and for every anchor x, y, width and
height of a box, the score of there being an object, and one score per class.
"""
