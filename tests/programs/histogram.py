"""Reads the histograms of `load_test --json` by HdrHistogram's description of its version 2, with nothing of Rust's in
it, and prints what is in each as JSON: how many values, the quantiles and the largest, in nanoseconds."""

import base64
import json
import math
import struct
import sys
import zlib


def counts(text):
    """The counts of all places, and the number of places in half a bucket, and how far values were shifted."""
    data = base64.b64decode(text)
    cookie, length = struct.unpack(">ii", data[:8])
    assert cookie == 0x1C849304 | 0x10, hex(cookie)
    data = zlib.decompress(data[8 : 8 + length])
    cookie, length, offset, digits, lowest, _highest, ratio = struct.unpack(">iiiiqqd", data[:40])
    assert cookie == 0x1C849303 | 0x10 and offset == 0 and ratio == 1.0, (hex(cookie), offset, ratio)
    data, found, at = data[40 : 40 + length], [], 0
    while at < len(data):
        # Seven bits a byte, the least first; the ninth byte has eight. Then zigzag: 0, -1, 1, -2, 2 …
        number = shift = 0
        while True:
            byte, at = data[at], at + 1
            if shift == 56:
                number |= byte << shift
                break
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        number = number >> 1 ^ -(number & 1)
        # A negative number stands for so many zeros.
        found += [0] * -number if number < 0 else [number]
    half = 2 ** math.ceil(math.log2(2 * 10**digits)) // 2
    return found, half, int(math.log2(lowest))


def summary(text):
    found, half, unit = counts(text)

    def highest(place):
        """The largest value that is counted at this place."""
        bucket, within = max(place // half - 1, 0), place % half + (half if place >= half else 0)
        return ((within + 1) << (bucket + unit)) - 1

    total = sum(found)

    def quantile(part):
        wanted, seen = max(math.ceil(part * total), 1), 0
        for place, count in enumerate(found):
            seen += count
            if seen >= wanted:
                return highest(place)

    names = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {"count": total} | {name: quantile(part) for name, part in names.items()}


run = json.load(open(sys.argv[1], encoding="utf-8"))
print(json.dumps([summary(target["histogram"]) for target in run["targets"]]))
