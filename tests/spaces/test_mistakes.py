"""Mistakes in a space file: each is reported at its place, says what is wrong and what would be right."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import NascompileError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from tests.strategies import small_spaces

BASE = """\
space: s
input: {channels: 4, height: 8, width: 8}
choices:
  M: [1, 2, 3]
  W: {options: [2, 4], shared: true}
network:
  - conv: {filters: M}
    repeat: 2
  - conv: {filters: W}
"""

FILE = [
    ("space: s\n", "", ["1:1 missing-key: the key `space` is missing; add `space:`"]),
    ("space: s\n", "space: 1s\n", ['1:8 wrong-type: `space`: string should match pattern \'^[A-Za-z][A-Za-z0-9_]*$\', not "1s"']),
    ("space: s\n", "space: s\nchoises: {}\n", ["2:1 unknown-key: unknown key `choises`; did you mean `choices`?"]),
    ("space: s\n", "space: s\ndtype: float64\n", ['2:8 wrong-value: `dtype` must be \'float32\', \'float16\', \'int16\' or \'int8\', not "float64"']),
    ("space: s\n", "space: s\nbias: yes\n", ['2:7 wrong-type: `bias`: input should be a valid boolean, not "yes"']),
    ("space: s\n", "space: s\nconstraints: M[1] > 2\n", ['2:14 wrong-type: `constraints`: input should be a valid list, not "M[1] > 2"']),
    ("space: s\n", "space: s\nconstraints: [3]\n", ["2:15 wrong-type: `constraints.0`: input should be a valid string, not 3"]),
    ("height: 8", "hight: 8", ["2:22 unknown-key: unknown key `hight`; did you mean `height`?"]),
    ("channels: 4", "channels: 0", ["2:19 wrong-type: `input.channels`: input should be greater than or equal to 1, not 0"]),
    ("height: 8, width: 8", "height: 8", ["2:1 missing-key: the key `input.width` is missing; add `width:`"]),
    ("height: 8, width: 8", "length: 8, width: 8", ["2:8 bad-input: give `length` (a series) or `height` and `width` (an image)"]),
    ("height: 8", "height: 8.5", ["2:30 wrong-type: `input.height`: input should be a valid integer, not 8.5"]),
    ("input: {channels: 4, height: 8, width: 8}\n", "input: 3\n", ["2:8 wrong-type: `input`: input should be a valid dictionary or instance of InputKeys, not 3"]),
    ("input: {channels: 4, height: 8, width: 8}\n", "", ["1:1 missing-key: the key `input` is missing; add `input:`"]),
]  # fmt: skip

CHOICES = [
    ("[1, 2, 3]", "[]", ["4:6 empty-choice: `M` has no options; list at least one"]),
    ("[1, 2, 3]", "{start: 1, stop: 9, step: 0}", ["4:32 bad-step: the step is 0; a step is greater than 0"]),
    ("[1, 2, 3]", "{start: 1, stop: 9, step: -1}", ["4:32 bad-step: the step is -1; a step is greater than 0"]),
    ("[1, 2, 3]", "{start: 9, stop: 1}", ["4:23 bad-range: the range stops at 1, before its start 9; a range is inclusive and goes up"]),
    ("[1, 2, 3]", "{start: -1, stop: 1}", ["4:14 bad-range: the range starts at -1; start at 0 or above"]),
    ("[1, 2, 3]", "{start: 1}", ["4:3 missing-key: the range `M` has no `stop`; add `stop:`"]),
    ("[1, 2, 3]", "{start: 1, stop: 9, stepp: 2}", ["4:26 unknown-key: unknown key `stepp`; did you mean `step` or `stop`?"]),
    ("[1, 2, 3]", "{start: a, stop: 9}", ["4:14 wrong-type: `start` must be a number"]),
    ("[1, 2, 3]", "{start: 1, stop: 1000000}", ["4:6 bad-range: the range has more than 10,000 options; use a larger step"]),
    ("[1, 2, 3]", "[1, 2, 1.0]", ["4:13 duplicate-option: the option 1 is given twice"]),
    ("[1, 2, 3]", "[1, -2]", ["4:10 bad-option: an option is a number from 0 up, a word, true/false, or a list of these"]),
    ("[1, 2, 3]", "[1, a-b]", ["4:10 bad-option: the option `a-b` is not a word; use letters, digits, `_` and `.`"]),
    ("[1, 2, 3]", "[[1, [2]]]", ["4:7 bad-option: an option is a number from 0 up, a word, true/false, or a list of these"]),
    ("[1, 2, 3]", "[null]", ["4:7 bad-option: an option is a number from 0 up, a word, true/false, or a list of these"]),
    ("[1, 2, 3]", "{options: [1], start: 1}", ["4:3 bad-choice: `M` has both `options` and a range; keep one of the two"]),
    ("[1, 2, 3]", "{options: [1], shared: maybe}", ["4:29 wrong-value: `shared` must be true, false or `group`"]),
    ("[1, 2, 3]", "{shared: true}", ["4:3 missing-key: the range `M` has no `start`; add `start:`", "4:3 missing-key: the range `M` has no `stop`; add `stop:`"]),
    ("  M: [1, 2, 3]\n", "  M: [1, 2, 3]\n  rom: [1]\n", ["5:3 reserved-name: `rom` has a meaning of its own; choose another name"]),
    ("  M: [1, 2, 3]\n", "  M: [1, 2, 3]\n  entropy: [1]\n", ["5:3 reserved-name: `entropy` has a meaning of its own; choose another name"]),
    ("  M: [1, 2, 3]\n", "  M: [1, 2, 3]\n  a-b: [1]\n", ["5:3 bad-name: `a-b` is not a name; use letters, digits and `_`"]),
    ("  M: [1, 2, 3]\n", "  M: [1, 2, 3]\n  Q: [1]\n", ["5:3 unused-choice: the choice `Q` is never used; use it in the network, or remove it"]),
    ("  M: [1, 2, 3]\n", "  M: {options: [1, 2, 3], shared: group}\n", ["7:21 not-in-group: `M` is shared by a group, but no group is here; add a group"]),
]  # fmt: skip

NETWORK = [
    ("- conv: {filters: W}", "- cnv: {filters: W}", ["9:5 unknown-block: unknown block `cnv`; did you mean `conv` or `conv1d` or `ds_conv`?"]),
    ("- conv: {filters: W}", "- {}", ["9:5 one-block: 0 blocks in one entry; start each block with a `-` of its own"]),
    ("- conv: {filters: W}", "- 3", ["9:5 wrong-type: a block is a name with parameters; for example `- linear: {units: 10}`"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    pool: 3", ["10:5 unknown-key: unknown key `pool` beside `conv`; known: batch_norm, bias, dtype, numbered, repeat"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    flatten:", ["9:5 one-block: 2 blocks in one entry; start each block with a `-` of its own"]),
    ("- conv: {filters: W}", "- conv: W", ["9:11 wrong-type: `conv` takes parameters by name; write `conv: {filters: ...}`"]),
    ("- conv: {filters: W}", "- conv", ["9:5 missing-key: `conv` needs `filters`; add `filters:`"]),
    ("- conv: {filters: W}", "- flatten: {axis: W}", ["9:15 unknown-key: `flatten` has no parameter `axis`; `flatten` has no parameters"]),
    ("- conv: {filters: W}", "- conv: {filter: W}", ["9:12 unknown-key: `conv` has no parameter `filter`; did you mean `filters`?"]),
    ("- conv: {filters: W}", "- conv: {filters: W, kernel: 2.5}", ["9:32 wrong-type: `kernel` must be a positive whole number, two of them as [rows, columns], or an expression"]),
    ("- conv: {filters: W}", "- conv: {filters: W, kernel: [1, 2, 3]}", ["9:32 wrong-type: `kernel` must be a positive whole number, two of them as [rows, columns], or an expression"]),
    ("- conv: {filters: W}", "- conv: {filters: W, kernel: 0}", ["9:32 bad-value: `kernel`: 0 is not positive"]),
    ("- conv: {filters: W}", "- conv: {filters: W, padding: smae}", ["9:33 unknown-name: unknown name `smae` in `smae`; did you mean `same`?"]),
    ("- conv: {filters: W}", "- conv: {filters: W, padding: -1}", ["9:33 bad-value: `padding`: a padding of -1 is negative"]),
    ("- conv: {filters: W}", "- conv: {filters: W, activation: 3}", ["9:36 wrong-type: `activation` must be `relu` or `relu6` or `hard_swish` or `none`"]),
    ("- conv: {filters: W}", "- conv: {filters: W, kernel: [1, Q]}", ["9:36 unknown-name: unknown name `Q` in `Q`; known: M, W"]),
    ("- conv: {filters: W}", "- conv: {filters: V}", ["9:21 unknown-name: unknown name `V` in `V`; known: M, W"]),
    ("- conv: {filters: W}", "- conv: {filters: W.real}", ["9:21 not-allowed: the attribute `.real` is not allowed; expressions have numbers, names and M[i]"]),
    ("- conv: {filters: W}", "- conv: {filters: open(W)}", ["9:21 unknown-function: `open` is not a function of the language; known: abs, ceil, first, floor, last, max, min, round_to, sum"]),
    ("- conv: {filters: W}", "- conv: {filters: 2**W}", ["9:21 not-allowed: the power operator `**` is not allowed; write the product out"]),
    ("- conv: {filters: W}", "- conv: {filters: 'W[1]'}", ["9:21 index-in-network: `W[1]` has an index, which only constraints have; write `W`; each layer that uses it decides anew"]),
    ("- conv: {filters: W}", "- conv: {filters: W // 0}", ["9:21 division-by-zero: a division by zero; exclude the zero from the options"]),
    ("- conv: {filters: W}", "- conv: {filters: 8 // 0}", ["9:21 division-by-zero: a division by zero; exclude the zero from the options"]),
    ("- conv: {filters: W}", "- conv: {filters: W + 0.5}", ["9:21 wrong-type: `W + 0.5` gives 2.5 for W = 2, but `filters` must be a positive whole number or an expression; use `//`, `floor` or `round_to(x, 8)`"]),
    ("- conv: {filters: W}", '- conv: {filters: \'"a" * 9\'}', ['9:21 wrong-type: cannot compute `"a" * 9` from values of these types; a tuple has `first(x)` and `last(x)`; text only compares']),
    ("- conv: {filters: W}", "- conv: {filters: W, activation: W}", ["9:36 wrong-type: `W` gives 2 for W = 2, but `activation` must be `relu` or `relu6` or `hard_swish` or `none`"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    dtype: int7", ["10:12 wrong-value: `dtype` must be one of float32, float16, int16, int8, or a choice of them"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    dtype: M", ["10:12 wrong-value: `dtype` must be one of float32, float16, int16, int8, or a choice of them"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    dtype: [1]", ["10:12 wrong-value: `dtype` must be one of float32, float16, int16, int8, or a choice of them"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    numbered: 1", ["10:15 wrong-type: `numbered` must be `true` or `false`"]),
    ("repeat: 2", "repeat: 0", ["8:13 bad-repeat: a repeat of 0; a repeat is a whole number from 1 to 1000; leave the block out for 0"]),
    ("repeat: 2", "repeat: 1.5", ["8:13 bad-repeat: a repeat of 1.5; a repeat is a whole number from 1 to 1000; leave the block out for 0"]),
    ("repeat: 2", "repeat: [1, 0]", ["8:13 bad-repeat: a repeat of 0; a repeat is a whole number from 1 to 1000; leave the block out for 0"]),
    ("repeat: 2", "repeat: []", ["8:13 empty-choice: `repeat` has no options; list at least one"]),
    ("repeat: 2", "repeat: M", ["8:13 not-shared: `repeat` depends on `M`, which is not shared; add `shared: true` to the choice `M`"]),
    ("repeat: 2", "repeat: W - 2", ["8:13 bad-repeat: `W - 2` gives a repeat of 0 for W = 2; a repeat is a whole number from 1 to 1000"]),
    ("repeat: 2", "repeat: W / 4", ["8:13 bad-repeat: `W / 4` gives a repeat of 0.5 for W = 2; a repeat is a whole number from 1 to 1000"]),
    ("repeat: 2", "repeat: Q", ["8:13 unknown-name: unknown name `Q` in `Q`; known: M, W"]),
    ("repeat: 2", "repeat: {start: 1, stop: 20000}", ["8:13 bad-range: the range has more than 10,000 options; use a larger step"]),
    ("repeat: 2", "repeat:", ["8:5 bad-repeat: `repeat` has no value; for example `repeat: 3` or `repeat: [4, 5, 6]`"]),
    ("- conv: {filters: W}", "- group: g", ["9:5 empty-network: a list of blocks belongs here; for example `- linear: {units: 10}`"]),
    ("- conv: {filters: W}", "- group: g\n    block: []", ["10:5 unknown-key: unknown key `block` in a group; did you mean `blocks`?", "9:5 empty-network: a list of blocks belongs here; for example `- linear: {units: 10}`"]),
    ("- conv: {filters: W}", "- group: g\n    blocks: []", ["10:13 empty-network: a list of blocks belongs here; for example `- linear: {units: 10}`"]),
    ("- conv: {filters: W}", "- conv: {filters: W, kernel: 9, padding: valid}", ["9:5 impossible-space: no network of `s` can exist: the height vanishes: a window of 9 on 8; lower the strides, kernels or repeats"]),
    ("- conv: {filters: W}", "- conv: {filters: W, groups: 3}", ["9:5 impossible-space: no network of `s` can exist: 3 groups do not divide 3 input and 4 output channels; lower the strides, kernels or repeats"]),
    ("- conv: {filters: W}", "- conv: {filters: W - 4 + W - 4}", ["9:5 impossible-space: no network of `s` can exist: 0 is not positive; lower the strides, kernels or repeats"]),
    ("- conv: {filters: W}", "- linear: {units: W}\n  - conv: {filters: W}", ["10:5 wrong-rank: `conv` takes an image, but its input is a vector (2x1x1); vectors go into `linear`"]),
    ("- conv: {filters: W}", "- conv1d: {filters: W}", ["9:5 wrong-rank: `conv1d` takes a series, but its input is an image (1x8x8); take `conv`"]),
    ("height: 8, width: 8", "length: 8", ["7:5 wrong-rank: `conv` takes an image, but its input is a series (4x1x8); take `conv1d`"]),
    ("- conv: {filters: W}", "- batch_norm", ["9:5 one-block: `batch_norm` is no block; each convolution has its own already; `batch_norm: false` beside a block leaves it out, and the block `norm` is one that follows no convolution"]),
    ("- conv: {filters: W}", "- repeat: 3", ["9:5 one-block: `repeat` is no block; it stands beside one, in the same entry: `- linear: {units: 10}`, below it `repeat: ...`"]),
    ("- conv: {filters: W}", "- conv: {filters: W, bias: false}", ["9:24 unknown-key: `conv` has no parameter `bias`; it stands beside the block, in the same entry: below `- conv: ...` `bias: ...`"]),
    ("- conv: {filters: W}", '- inverted_residual: {filters: W, expansion: "88/24"}', ["9:48 wrong-type: `expansion` must be a positive whole number or an expression, not 11/3; use `//`, `floor` or `ceil`"]),
    ("options: [2, 4]", 'options: ["2", "4"]', ["9:21 wrong-type: `W` gives 2 for W = 2, but `filters` must be a positive whole number or an expression; the options are text: write numbers without quotes"]),
    ("[1, 2, 3]", '{start: "1", stop: 3}', ["4:14 wrong-type: `start` must be a number; write it without quotes"]),
    ("repeat: 2", "repeat: [1, 1000]", ["9:5 too-many-layers: a network of more than 1,000 layers; lower the repeats"]),
    ("- conv: {filters: W}", "- conv: {filters: W}\n    repeat: 999", ["10:13 too-many-layers: a network of more than 1,000 layers; lower the repeats"]),
    ("- conv: {filters: W}", "- conv: {filters: W * 1000000000000}", ["9:5 too-large: a layer `conv` on 1x8x8 costs more than 2^52; use smaller sizes"]),
    ("- conv: {filters: W}", "- max_pool: {padding: 100000000000}\n  - linear: {units: W}", ["9:5 too-large: a layer `max_pool` on 1x8x8 costs more than 2^52; use smaller sizes"]),
]  # fmt: skip

CONSTRAINTS = [
    ("M >= 3", ["no-index: `M` in `M >= 3` stands for many decisions; write M[1], M[i] or sum(M)"]),
    ("height <= 4", ["no-index: `height` in `height <= 4` stands for many layers; write height[1], height[i] or max(height)"]),
    ("M[1] + height >= 2", ["no-index: `height` in `M[1] + height >= 2` stands for many layers; write height[1], height[i] or max(height)"]),
    ("rom[1] <= 3", ["index-on-value: `rom` in `rom[1] <= 3` is one value of the whole network; write `rom` without an index"]),
    ("W[1] >= 1", ["index-on-value: `W` in `W[1] >= 1` is one value of the whole network; write `W` without an index"]),
    ("depth[1] > 1", ["index-on-value: `depth` in `depth[1] > 1` is one value of the whole network; write `depth` without an index"]),
    ("M[1] + 2", ["not-a-condition: `M[1] + 2` is a value, not a condition; a constraint compares: `M[i] >= M[i+1]`, `sum(M) <= 1024`"]),
    ("M[1] and M[2] > 1", ["not-a-condition: `M[1] and M[2] > 1` is a value, not a condition; a constraint compares: `M[i] >= M[i+1]`, `sum(M) <= 1024`"]),
    ("not W", ["not-a-condition: `not W` is a value, not a condition; a constraint compares: `M[i] >= M[i+1]`, `sum(M) <= 1024`"]),
    ("latency <= 50 ms", ["no-latency-profile: `latency <= 50 ms` needs a latency profile, and there is none for this target; name one (`nascompile latency list`), or fit one to your measurements (`nascompile latency fit`)"]),
    ('M[1] == "two"', ["unknown-option: `M` has no option `two`; known: 1, 2, 3"]),
    ("latency[1] <= 50 ms", ["index-on-value: `latency` in `latency[1] <= 50 ms` is one value of the whole network; write `latency` without an index"]),
    ("ram <= 200 KB", ["unit-ambiguous: `200 KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others; write `200 KiB` (204,800 B) or `200 kB` (200,000 B)"]),
    ("macs <= 10 M", ["unit-unknown: `10 M` is not a quantity; write `10M`; a product needs a `*`"]),
    ("M[M[1]] >= 1", ["bad-index: `M` in the index of `M` differs from network to network; an index has numbers, `i`, `depth` and what `repeat` depends on"]),
    ("M[W] >= 1", ["bad-index: `W` in the index of `M` differs from network to network; an index has numbers, `i`, `depth` and what `repeat` depends on"]),
    ("M[rom] >= 1", ["bad-index: `rom` in the index of `M` differs from network to network; an index has numbers, `i`, `depth` and what `repeat` depends on"]),
    ("M[Q] >= 1", ["unknown-name: unknown name `Q` in `M[Q] >= 1`; known: M, W, channels, depth, energy, entropy, flops, height, i, latency, macs, params, ram, rom, width"]),
    ("M[1//0] >= 1", ["division-by-zero: a division by zero; exclude the zero from the options"]),
    ("1 // 0 >= 1", ["division-by-zero: a division by zero; exclude the zero from the options"]),
    ("M[1] // 0 >= 1", ["division-by-zero: a division by zero; exclude the zero from the options"]),
    ("abs(M) >= 1", ["no-index: `M` in `abs(M) >= 1` stands for many decisions; write M[1], M[i] or sum(M)"]),
    ("V[1] >= 1", ["unknown-name: unknown name `V` in `V[1] >= 1`; known: M, W, channels, depth, energy, entropy, flops, height, i, latency, macs, params, ram, rom, width"]),
    ("romm <= 3", ["unknown-name: unknown name `romm` in `romm <= 3`; did you mean `rom`?"]),
    ("rom <= V + Q", ["unknown-name: unknown name `V` in `rom <= V + Q`; known: M, W, channels, depth, energy, entropy, flops, height, i, latency, macs, params, ram, rom, width", "unknown-name: unknown name `Q` in `rom <= V + Q`; known: M, W, channels, depth, energy, entropy, flops, height, i, latency, macs, params, ram, rom, width"]),
    ("i <= 2", ["free-position: `i` in `i <= 2` stands for a position, but no index uses it; write for example `M[i] >= M[i+1]`"]),
    ("M['a'] >= 1", ["bad-index: the index of `M` is not a whole number; write `M[1]` or `M[i+1]`"]),
    ("M[1/2] >= 1", ["bad-index: the index of `M` is not a whole number; write `M[1]` or `M[i+1]`"]),
    ("M[9] >= 1", ["no-such-index: `M[9] >= 1` applies to no network of the space; its indices are outside every variant"]),
    ("M[0] >= 1", ["no-such-index: `M[0] >= 1` applies to no network of the space; its indices are outside every variant"]),
    ("W > 'a'", ['wrong-type: `W` is a choice of numbers, and `"a"` is a word; compare numbers with numbers, and words with words']),
    ('M[1] == "3"', ['wrong-type: `M` is a choice of numbers, and `"3"` is a word; write `M[1] == 3`']),
    ('not "2" == W', ['wrong-type: `W` is a choice of numbers, and `"2"` is a word; write `2 == W`']),
    ('M[i] in [1, "2", "3"]', ['wrong-type: `M` is a choice of numbers, and `"2"` is a word; write `M[i] == 2`', 'wrong-type: `M` is a choice of numbers, and `"3"` is a word; write `M[i] == 3`']),
    ('M[-1] < "3"', ['wrong-type: `M` is a choice of numbers, and `"3"` is a word; compare numbers with numbers, and words with words']),
    ('rom == "3"', ['wrong-type: `rom` is a number, and `"3"` is a word; compare numbers with numbers, and words with words']),
    ('channels[1] + 1 <= "relu"', ['wrong-type: `channels[1] + 1` is a number, and `"relu"` is a word; compare numbers with numbers, and words with words']),
    ("M[1:2] >= 3", ["no-index: `M[1:2]` in `M[1:2] >= 3` stands for many decisions; write sum(M[1:2]), min(M[1:2]) or max(M[1:2])"]),
    ("abs(height[2:]) >= 3", ["no-index: `height[2:]` in `abs(height[2:]) >= 3` stands for many layers; write sum(height[2:]), min(height[2:]) or max(height[2:])"]),
    ("sum(W[1:2]) >= 3", ["index-on-value: `W` in `sum(W[1:2]) >= 3` is one value of the whole network; write `W` without an index"]),
    ("sum(M[1:M[1]]) >= 3", ["bad-index: `M` in the index of `M` differs from network to network; an index has numbers, `i`, `depth` and what `repeat` depends on"]),
    ("sum(M[1:entropy]) >= 3", ["bad-index: `entropy` in the index of `M` differs from network to network; an index has numbers, `i`, `depth` and what `repeat` depends on"]),
    ("sum(M[1:2.5]) >= 3", ["bad-index: the index of `M` is not a whole number; write `M[1]` or `M[i+1]`"]),
    ("sum(M[2:1]) >= 3", ["no-such-index: `sum(M[2:1]) >= 3` applies to no network of the space; its indices are outside every variant"]),
    ("entropy >= macs", ["entropy-alone: `entropy >= macs` does more with the entropy than to compare it with a number; write `entropy >= 100` as a constraint of its own; <, <=, > and == do as well"]),
    ("entropy >= 10 or M[1] == 3", ["entropy-alone: `entropy >= 10 or M[1] == 3` does more with the entropy than to compare it with a number; write `entropy >= 100` as a constraint of its own; <, <=, > and == do as well"]),
    ("entropy != 10", ["entropy-alone: `entropy != 10` does more with the entropy than to compare it with a number; write `entropy >= 100` as a constraint of its own; <, <=, > and == do as well"]),
    ("entropy[1] >= 10", ["index-on-value: `entropy` in `entropy[1] >= 10` is one value of the whole network; write `entropy` without an index"]),
    ("rom * 1000000000000000000 <= M[1]", ["too-large: `rom * 1000000000000000000 <= M[1]` reaches numbers above 2^62; divide both sides, or use smaller sizes"]),
    ("M[1].bit > 2", ["not-allowed: the attribute `.bit` is not allowed; expressions have numbers, names and M[i]"]),
    ("M[1]**2 > 2", ["not-allowed: the power operator `**` is not allowed; write the product out"]),
    ("W == relu", ["unknown-name: unknown name `relu` in `W == relu`; known: M, W, channels, depth, energy, entropy, flops, height, i, latency, macs, params, ram, rom, width"]),
    ("height[4] > 1", ["no-such-index: `height[4] > 1` applies to no network of the space; its indices are outside every variant"]),
]  # fmt: skip


def complaints(text: str) -> list[str]:
    """`line:column code: message; hint` of everything that is wrong."""
    with pytest.raises(NascompileError) as caught:
        compile_space(read_space(text, "x.yaml"))
    found = []
    for d in caught.value.diagnostics:
        assert d.span
        found.append(f"{d.span.line}:{d.span.column} {d.code}: {d.message}" + (f"; {d.hint}" if d.hint else ""))
    return found


def test_the_base_is_right() -> None:
    assert compile_space(read_space(BASE)).size == 18


@pytest.mark.parametrize(("old", "new", "expected"), FILE + CHOICES + NETWORK)
def test_mistake(old: str, new: str, expected: list[str]) -> None:
    assert BASE.count(old) == 1
    assert complaints(BASE.replace(old, new)) == expected


WORDS = [
    ("A[1] == 3", ['wrong-type: `A` is a choice of words, and `3` is a number; write `A[1] == "relu"`']),
    ("1 == A[1]", ['wrong-type: `A` is a choice of words, and `1` is a number; write `"relu" == A[1]`']),
    ("A[1] == rom", ['wrong-type: `A` is a choice of words, and `rom` is a number; write `A[1] == "relu"`']),
    ("A[1] == rellu", ['unknown-name: unknown name `rellu` in `A[1] == rellu`; did you mean `"relu"`?']),
    ("A[1] in [relu, none]", ['unknown-name: unknown name `relu` in `A[1] in [relu, none]`; write an option that is a word in quotes: `"relu"`', 'unknown-name: unknown name `none` in `A[1] in [relu, none]`; write an option that is a word in quotes: `"none"`']),
    ('A[1] in ["relu", "non"]', ["unknown-option: `A` has no option `non`; did you mean `none`?"]),
    ('A[1] < "relu"', ["wrong-type: `A` is a choice of words, which have no order; compare with == or !="]),
    ("A[1] == M[1]", ["wrong-type: `A` is a choice of words, and `M[1]` is a number; write `A[1] == \"relu\"`"]),
    ('R[1] == "true"', ['wrong-type: `R` is a choice of true and false, and `"true"` is a word; write `R[1] == true`']),
    ("K[1] == 3", ["wrong-type: `K` is a choice of tuples, and `3` is a number; take first(K[1]) or last(K[1])"]),
    ("K[1] < K[2]", ["wrong-type: `K` is a choice of tuples, which have no order; take first(K[1]) or last(K[1])"]),
    ('X[1] == "3"', ['wrong-type: `X` is a choice of several kinds, and `"3"` is a word; write `X[1] == 3`']),
    ('X[1] == 3 or X[1] == "word" or A[1] == A[2] or R[1] == 1 or first(K[1]) == 3', []),
]  # fmt: skip
WITH_WORDS = """\
space: s
input: {channels: 4, height: 8, width: 8}
choices: {M: [1, 2], A: [relu, none], K: [[3, 1], [3, 2]], R: [true, false], X: [3, word]}
network:
  - conv: {filters: M, kernel: first(K), activation: 'A'}
  - inverted_residual: {filters: 2, residual: R, kernel: "first(K)", activation: A}
  - conv: {filters: "2 + (X == 3)"}
constraints:
"""


@pytest.mark.parametrize(("constraint", "expected"), WORDS)
def test_words_numbers_and_tuples_are_told_apart(constraint: str, expected: list[str]) -> None:
    text = f"{WITH_WORDS}  - {constraint}\n"
    if expected:
        assert complaints(text) == [f"9:5 {line}" for line in expected]
    else:
        assert compile_space(read_space(text)).size


@pytest.mark.parametrize(("constraint", "expected"), CONSTRAINTS)
def test_constraint(constraint: str, expected: list[str]) -> None:
    assert complaints(f"{BASE}constraints:\n  - {constraint}\n") == [f"11:5 {line}" for line in expected]


@pytest.mark.parametrize(
    "constraint",
    [
        "M[i] >= M[i+1]", "M[1] == M[-1]", "sum(M) <= 5", "max(M, W) <= 3", "macs <= 10M", "ram <= 200 KiB", "W != 2",
        "height[3] >= 4", "max(height) >= 4", "not M[1] == 3", "1 <= M[i] <= 3", "M[depth - 1] > 1", "depth == 3",
        "M[i] <= 2 * i", "M[1] % 2 == 1 or W == 4", "sum(channels[i]) > 0",
    ],
)  # fmt: skip
def test_constraints_that_are_right(constraint: str) -> None:
    compile_space(read_space(f"{BASE}constraints:\n  - {constraint}\n"))


def test_all_mistakes_of_a_file_at_once() -> None:
    text = """\
space: s
input: {channels: 4, height: 8}
choices:
  M: []
  N: {start: 1, stop: 9, step: 0}
  rom: [1, 1]
network:
  - conv: {filters: V, kernel: 2.5, padding: smae}
    repeat: 0
  - cnv: {filters: M}
  - linear: {units: N + R, unit: 3}
constraints:
  - M >= 3
  - sum(
"""
    assert [c.split(": ")[0] for c in complaints(text)] == [
        "2:1 missing-key",
        "4:6 empty-choice",
        "5:32 bad-step",
        "6:3 reserved-name",
        "6:12 duplicate-option",
        "9:13 bad-repeat",
        "8:21 unknown-name",
        "8:32 wrong-type",
        "8:46 unknown-name",
        "10:5 unknown-block",
        "11:21 unknown-name",
        "11:28 unknown-key",
        "13:5 no-index",
        "14:5 expression-syntax",
    ]


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    big = tmp_path / "big.yaml"
    big.write_text("a: " + "x" * 10_000_000)
    (tmp_path / "latin.yaml").write_bytes(b"space: caf\xe9\n")
    (tmp_path / "folder.yaml").mkdir()
    start = perf_counter()
    for name, code in [
        ("big", "file-too-large"),
        ("latin", "not-utf8"),
        ("folder", "unreadable-file"),
        ("none", "unknown-space"),
    ]:
        with pytest.raises(NascompileError) as caught:
            load_space(tmp_path / f"{name}.yaml")
        assert [d.code for d in caught.value.diagnostics] == [code]
    assert perf_counter() - start < 1


def test_render() -> None:
    with pytest.raises(NascompileError) as caught:
        read_space(BASE.replace("filters: W", "filtres: W"), "x.yaml")
    assert str(caught.value) == (
        "x.yaml:9:12: `conv` has no parameter `filtres` [unknown-key]\n"
        "  9 |   - conv: {filtres: W}\n"
        "    |            ^^^^^^^\n"
        "  did you mean `filters`?"
    )


DAMAGE = st.tuples(
    st.integers(0, 10_000), st.integers(0, 6), st.text("[]{}:,-#\"' \n\t*&!|>0123.MWSxy\u00e9", max_size=4)
)


@given(small_spaces(), st.lists(DAMAGE, min_size=1, max_size=3))
def test_a_damaged_file_is_read_or_refused_with_a_place(text: str, damages: list[tuple[int, int, str]]) -> None:
    for at, gone, instead in damages:
        at %= len(text)
        text = text[:at] + instead + text[at + gone :]
    refused: NascompileError | None = None
    try:
        compile_space(read_space(text))
    except NascompileError as error:
        refused = error
    assert refused is None or refused.diagnostics
    assert refused is None or all(d.message and d.code for d in refused.diagnostics)
