"""Redline: sums of value times area by bucket of value, exact, so that no tiling of a map changes a grade.

The bits of a positive float32, read as a whole number, have the order of the value. All values that share their upper
bits (exponent included) lie in one bucket, and there value times area is a product of whole numbers: its sum, kept as
`high * 2**32 + low`, does not depend on the order of adding.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LOW = (1 << 32) - 1


@njit(cache=True, nogil=True, error_model="numpy")
def tally(key, group, area, shift, width, prefix, high, low):
    """Add value * area of each cell to its bucket.

    Parameters
    ----------
    key : (rows, columns) int32
        Bits of float32 values of 0 and more; below 0 is no data.
    group : (rows, columns) int32
        Extent that the cell belongs to, -1 none.
    area : (rows,) int64
        Area of a cell of each row, 0 .. 2**36.
    shift, width : int
        The bucket is made of `width` bits above the lowest `shift`.
    prefix : (groups, wanted) int64
        What the bits above these have to be; -1 takes nothing.
    high, low : (groups, wanted, 2**width) int64, added to
    """
    rows, columns = key.shape
    mask = (1 << width) - 1
    for r in range(rows):
        for c in range(columns):
            bits = np.int64(key[r, c])
            g = group[r, c]
            if bits <= 0 or g < 0:
                continue
            upper = bits >> (shift + width)
            for k in range(prefix.shape[1]):
                if prefix[g, k] == upper:
                    mantissa = bits & 0x7FFFFF
                    if bits >> 23:
                        mantissa |= 0x800000
                    product = mantissa * area[r]
                    bucket = (bits >> shift) & mask
                    high[g, k, bucket] += product >> 32
                    low[g, k, bucket] += product & LOW


@njit(cache=True, nogil=True, error_model="numpy")
def grade(key, group, threshold, out):
    """Grade of each cell: 1 plus the number of thresholds that its value reaches; 0 without data or extent.

    Parameters
    ----------
    key, group : as in `tally`
    threshold : (groups, wanted) int64
        Keys.
    out : (rows, columns) uint8
    """
    rows, columns = key.shape
    for r in range(rows):
        for c in range(columns):
            g = group[r, c]
            if key[r, c] < 0 or g < 0:
                out[r, c] = 0
                continue
            level = 1
            for k in range(threshold.shape[1]):
                if key[r, c] >= threshold[g, k]:
                    level += 1
            out[r, c] = level


@njit(cache=True, nogil=True, error_model="numpy")
def sum_labels(label, area, total):
    """Add the area of each labelled cell to its label.

    Parameters
    ----------
    label : (rows, columns) int32
        -1 none.
    area : (rows,) float64
    total : (labels,) float64, added to
    """
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            if label[r, c] >= 0:
                total[label[r, c]] += area[r]


@njit(cache=True, nogil=True, error_model="numpy")
def touch_labels(label, flag, touched):
    """Mark the labels that hold a flagged cell.

    Parameters
    ----------
    label : (rows, columns) int32
    flag : (rows, columns) bool
    touched : (labels,) bool, set
    """
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            if flag[r, c] and label[r, c] >= 0:
                touched[label[r, c]] = True


@njit(cache=True, nogil=True, error_model="numpy")
def open_labels(label, inside, eight, is_open):
    """Mark the labels that touch the edge of the map or a cell outside the study area: no holes.

    Parameters
    ----------
    label : (rows, columns) int32
    inside : (rows, columns) bool
    eight : bool
        Whether corners count as touching.
    is_open : (labels,) bool, set
    """
    rows, columns = label.shape
    for r in range(rows):
        for c in range(columns):
            mark = label[r, c]
            if mark < 0 or is_open[mark]:
                continue
            for dr in range(-1, 2):
                for dc in range(-1, 2):
                    if not eight and dr != 0 and dc != 0:
                        continue
                    y, x = r + dr, c + dc
                    if y < 0 or x < 0 or y >= rows or x >= columns or not inside[y, x]:
                        is_open[mark] = True


@njit(cache=True, nogil=True, error_model="numpy")
def sum_bits(label, bits, area, total):
    """Area of each label that lies under each criterion.

    Parameters
    ----------
    label : (rows, columns) int32
    bits : (rows, columns) uint32
    area : (rows,) float64
    total : (labels, bits) float64, added to
    """
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            mark = label[r, c]
            if mark < 0:
                continue
            mask = bits[r, c]
            k = 0
            while mask:
                if mask & 1:
                    total[mark, k] += area[r]
                mask >>= 1
                k += 1


@njit(cache=True, nogil=True, error_model="numpy")
def cross_sum(first, second, area, total):
    """Area by two classifications.

    Parameters
    ----------
    first, second : (rows, columns) int
        Below 0 is left out.
    area : (rows,) float64
    total : (A, B) float64, added to
    """
    for r in range(first.shape[0]):
        for c in range(first.shape[1]):
            if first[r, c] >= 0 and second[r, c] >= 0:
                total[first[r, c], second[r, c]] += area[r]


@njit(cache=True, nogil=True, error_model="numpy")
def border_votes(label, category, votes):
    """How many sides of the cells of each label face each category.

    Parameters
    ----------
    label : (rows, columns) int32
    category : (rows, columns) uint8
    votes : (labels, categories) int64, added to
    """
    rows, columns = label.shape
    for r in range(rows):
        for c in range(columns):
            mark = label[r, c]
            if mark < 0:
                continue
            if r > 0:
                votes[mark, category[r - 1, c]] += 1
            if r + 1 < rows:
                votes[mark, category[r + 1, c]] += 1
            if c > 0:
                votes[mark, category[r, c - 1]] += 1
            if c + 1 < columns:
                votes[mark, category[r, c + 1]] += 1


@njit(cache=True, nogil=True, error_model="numpy")
def look_up(label, table, out):
    """Write table[label] where there is a label; other cells of `out` stay as they are.

    Fancy indexing would widen all labels to 64 bits first, which a national map has no room for.

    Parameters
    ----------
    label : (rows, columns) int32
    table : (labels,) array
    out : (rows, columns) array of the table's type
    """
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            if label[r, c] >= 0:
                out[r, c] = table[label[r, c]]


@njit(cache=True, nogil=True, error_model="numpy")
def first_cells(label, classes, first, kind):
    """The first cell of each label in row-major order, and its class.

    Parameters
    ----------
    label : (rows, columns) int32
    classes : (rows, columns) int32
    first : (labels,) int64, -1 at the start
    kind : (labels,) int32
    """
    for r in range(label.shape[0]):
        for c in range(label.shape[1]):
            mark = label[r, c]
            if mark >= 0 and first[mark] < 0:
                first[mark] = r * label.shape[1] + c
                kind[mark] = classes[r, c]
