"""Random numbers that belong to an image, not to the moment they are drawn.

A stateful generator gives an image other numbers when the batch size changes, when workers share the work or when
something else was drawn before. Here every number is a hash of (key, image, draw, position): SplitMix64's finaliser
over a counter (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014). The integers are the same
on every device; it is as fast as torch's own generator on a CPU and needs no state on a GPU.
"""

import copy
import functools
import hashlib
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from robust.values.numbers import is_whole, plain

_WORDS_AT_A_TIME = 1 << 18  # 2 MiB of int64: stays in the cache while some twenty element-wise passes go over it
_MANY = 64  # drawn one after the other up to so many; from there it is faster to put all in a random order


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_STEP = _signed(0x9E3779B97F4A7C15)
_STAGES = ((30, _signed(0xBF58476D1CE4E5B9)), (27, _signed(0x94D049BB133111EB)), (31, 1))


def key(*parts: float | str) -> int:
    """A 64-bit key from what identifies a draw, such as `key("test", seed, trial)`; the same in every process, and for
    a number of any type."""
    digest = hashlib.blake2b(repr(tuple(map(plain, parts))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def _shift_right(words: Tensor, bits: int, out: Tensor | None = None) -> Tensor:
    return torch.bitwise_right_shift(words, bits, out=out).bitwise_and_((1 << (64 - bits)) - 1)


def _mix_(words: Tensor) -> Tensor:
    """Scrambles int64 `words` in place; every output bit depends on every input bit."""
    shifted = torch.empty_like(words)
    for bits, factor in _STAGES:
        words ^= _shift_right(words, bits, out=shifted)
        if factor != 1:
            words *= factor
    return words


class ImageRandom:
    """Draws for a batch: row i depends on the key, on `indices[i]` and on which draw it is, on nothing else.

    `indices` are whole numbers of shape (batch,): what identifies each image, usually its place in the data set. Values
    are float32 (or int64) of shape (batch, *shape) on the indices' device. Raises ValueError for other indices, or a
    key that is no whole number.
    """

    def __init__(self, key: int, indices: Tensor):
        if not is_whole(key):
            raise ValueError(f"`key` must be a whole number, such as `robust.perturb.key('test', seed)`; got {key!r}.")
        if indices.dim() != 1 or indices.is_floating_point() or indices.dtype == torch.bool:
            raise ValueError(
                "`indices` must be whole numbers of shape (batch,), one for each image; got "
                f"{indices.dtype} of shape {tuple(indices.shape)}."
            )
        self.key = plain(key)
        self.indices = indices.long()
        self._images = _mix_(_mix_(self.indices * _STEP + _signed(self.key % (1 << 64))) + _STEP)
        self._draws = 0

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def device(self) -> torch.device:
        return self.indices.device

    def split(self, many: int) -> Iterator["ImageRandom"]:
        """The same for so many images after the other, at least one; each draws as all would together."""
        draws = self._draws
        for start in range(0, max(1, len(self)), many):
            part = copy.copy(self)
            part.indices, part._images, part._draws = self.indices[start:][:many], self._images[start:][:many], draws
            yield part
            self._draws = part._draws

    def shared(self) -> "ImageRandom":
        """One row of draws that belongs to no image: what is the same in all of them, as a sensor's faults are."""
        return ImageRandom(key("shared", self.key), torch.zeros(1, dtype=torch.int64, device=self.device))

    def uniform(self, *shape: int) -> Tensor:
        """Values in [0, 1), multiples of 2**-24."""
        size = math.prod(shape)
        values = torch.empty(len(self), size, device=self.device)
        for rows, words in self._words_of_rows(size):
            torch.mul(_shift_right(words, 40), 2**-24, out=values[rows])
        return values.view(len(self), *shape)

    def bernoulli(self, share: Tensor, *shape: int) -> Tensor:
        """True with a probability of each image's `share`, shape (batch,), to a multiple of 2**-16: boolean."""
        size = math.prod(shape)
        words = torch.cat([words for _, words in self._parts_of_rows(size, torch.int16)])
        bound = (share.clamp(0, 1) * 2**16).round().int() - 2**15
        return (words < bound[:, None]).view(len(self), *shape)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), for `high` up to 2**31."""
        size = math.prod(shape)
        values = torch.empty(len(self), size, dtype=torch.int64, device=self.device)
        for rows, words in self._words_of_rows(size):
            torch.bitwise_right_shift(_shift_right(words, 33).mul_(high), 31, out=values[rows])
        return values.view(len(self), *shape)

    def words(self, *shape: int) -> Tensor:
        """Random bits: int32, every value as likely."""
        size = math.prod(shape)
        words = torch.empty(len(self), size, dtype=torch.int32, device=self.device)
        for rows, found in self._parts_of_rows(size, torch.int32):
            words[rows] = found
        return words.view(len(self), *shape)

    def small_integers(self, high: int, *shape: int) -> Tensor:
        """Integers in [0, high), for `high` up to 256: int16. Several of each random word, four, or eight where `high`
        is a power of two, so that they are drawn in a fourth or an eighth of the time."""
        size = math.prod(shape)
        part = torch.int16 if high & (high - 1) else torch.uint8
        values = torch.empty(len(self), size, dtype=torch.int16, device=self.device)
        for rows, words in self._parts_of_rows(size, part):
            if part == torch.uint8:
                torch.bitwise_and(words, high - 1, out=values[rows])
            else:
                values[rows] = words.int().add_(2**15).mul_(high).bitwise_right_shift_(16)
        return values.view(len(self), *shape)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal values, by the Box-Muller transform of 24-bit uniforms."""
        size = math.prod(shape)
        pairs = (size + 1) // 2
        images, counter = self._next_draw(pairs)
        out = torch.empty(len(self), 2 * pairs, device=self.device)
        rows = max(1, _WORDS_AT_A_TIME // max(1, pairs)) if self.device.type == "cpu" else max(1, len(self))
        for start in range(0, len(self), rows):
            words = _mix_(images[start : start + rows, None] + counter)
            radius = _shift_right(words, 40).float().add_(1).mul_(2**-24).log_().mul_(-2).sqrt_()
            angle = words.bitwise_and_((1 << 24) - 1).float().mul_(math.tau * 2**-24)
            chunk = out[start : start + rows]
            torch.mul(radius, angle.cos(), out=chunk[:, :pairs])
            torch.mul(radius, angle.sin_(), out=chunk[:, pairs:])
        return out[:, :size].reshape(len(self), *shape)

    def quick_normal(self, *shape: int) -> Tensor:
        """The same in less than half the time, of 16 random bits each: values of a table, two and two turned by 45
        degrees, which keeps them independent. Values beyond 5 are too rare, and none is beyond 6.2."""
        size = math.prod(shape)
        pairs = (size + 1) // 2
        table = _sixteen_bits(self.device)
        values = torch.empty(len(self), 2 * pairs, device=self.device)
        for rows, words in self._parts_of_rows(2 * pairs, torch.int16):
            places = words.int().add_(2**15)
            found = table.index_select(0, places.flatten()).view(places.shape)
            torch.add(found[:, :pairs], found[:, pairs:], out=values[rows, :pairs])
            torch.sub(found[:, :pairs], found[:, pairs:], out=values[rows, pairs:])
        return values[:, :size].reshape(len(self), *shape)

    def distinct(self, high: int, count: int) -> Tensor:
        """`count` different integers in [0, high) for each image, every set equally likely."""
        if not 0 <= count <= high:
            raise ValueError(f"`count` must be from 0 to {high}, the number there are; got {count}.")
        if count > _MANY:  # else Floyd's algorithm
            return self.uniform(high).argsort(stable=True)[:, :count]
        chosen = torch.empty(len(self), count, dtype=torch.int64, device=self.device)
        for place in range(count):
            last = high - count + place
            candidate = self.integers(last + 1, 1)
            taken = (chosen[:, :place] == candidate).any(1, keepdim=True)
            chosen[:, place : place + 1] = torch.where(taken, last, candidate)
        return chosen

    def _next_draw(self, size: int) -> tuple[Tensor, Tensor]:
        """The images' keys for this draw, and the counter to add to them."""
        self._draws += 1
        images = _mix_(self._images + _signed(self._draws * 0xD1342543DE82EF95 % (1 << 64)))
        return images, torch.arange(1, size + 1, device=self.device) * _STEP

    def _parts_of_rows(self, size: int, part: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
        """So many random numbers of this smaller type for each of some images, several of a word, and which images
        these are."""
        for rows, words in self._words_of_rows(math.ceil(size * part.itemsize / 8)):
            parts = words.flatten().view(part)  # rows of no images cannot be viewed as another type
            yield rows, parts.view(len(words), words.shape[1] * 8 // part.itemsize)[:, :size]

    def _words_of_rows(self, size: int) -> Iterator[tuple[slice, Tensor]]:
        """So many random words for each of some images, and which images these are; on a CPU as many as its cache
        holds."""
        images, counter = self._next_draw(size)
        many = max(1, _WORDS_AT_A_TIME // max(1, size)) if self.device.type == "cpu" else max(1, len(self))
        for start in range(0, max(1, len(self)), many):
            rows = slice(start, start + many)
            yield rows, _mix_(images[rows, None] + counter)


@functools.lru_cache(maxsize=4)
@torch.inference_mode(mode=False)
def _sixteen_bits(device: torch.device) -> Tensor:
    """The medians of 2**16 equally likely ranges of a normal variable, scaled to a variance of 1/2: float32."""
    values = torch.special.ndtri((torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16)
    return (values / values.square().mean().mul(2).sqrt()).to(device, torch.float32)
