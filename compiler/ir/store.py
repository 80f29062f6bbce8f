"""The weights of a module, by symbol; text holds only the symbol and the digest."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from compiler.errors import Diagnostic, UnreadableInput


class WeightStore(Mapping[str, "NDArray[Any]"]):
    """Read-only arrays by symbol; a pass adds new symbols and never changes an old one in place."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}
        self._digests: dict[str, str] = {}

    def __getitem__(self, symbol: str) -> NDArray[Any]:
        if symbol not in self._arrays:
            raise UnreadableInput(Diagnostic("no-weights", f"no weights are stored for '{symbol}'"))
        return self._arrays[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __setitem__(self, symbol: str, array: NDArray[Any]) -> None:
        """Keep a read-only copy of the array under the symbol, in place of what was there."""
        kept = np.array(array, order="C")
        kept.flags.writeable = False
        self._arrays[symbol] = kept
        self._digests.pop(symbol, None)

    def __delitem__(self, symbol: str) -> None:
        del self._arrays[symbol]
        self._digests.pop(symbol, None)

    def add(self, symbol: str, array: NDArray[Any]) -> str:
        """Store under the symbol, or under `symbol_1`, ... if it holds other numbers; give the name."""
        name, count = symbol, 0
        while name in self._arrays and not _same(self._arrays[name], array):
            count += 1
            name = f"{symbol}_{count}"
        if name not in self._arrays:
            self[name] = array
        return name

    def digest(self, symbol: str) -> str:
        """The first 16 hex digits of the sha256 over type, shape and bytes."""
        if symbol not in self._digests:
            array = self[symbol]
            header = f"{array.dtype.str} {array.shape} ".encode()
            self._digests[symbol] = hashlib.sha256(header + array.tobytes()).hexdigest()[:16]
        return self._digests[symbol]

    def table_digest(self, symbol: str, names: Iterable[str]) -> str:
        """The digests of a table's columns `<symbol>.<name>`, four digits of each: text changes with any of them."""
        return "".join(self.digest(f"{symbol}.{name}")[:4] for name in names)

    def copy(self) -> WeightStore:
        """Another store of the same arrays."""
        other = WeightStore()
        other._arrays, other._digests = dict(self._arrays), dict(self._digests)
        return other

    def save(self, path: Path | str | IO[bytes]) -> None:
        """Write an `.npz` whose bytes depend on the arrays alone, in the order of the symbols."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for symbol in sorted(self._arrays):
                entry = zipfile.ZipInfo(f"{symbol}.npy", (1980, 1, 1, 0, 0, 0))
                with archive.open(entry, "w", force_zip64=True) as stream:
                    np.lib.format.write_array(stream, self._arrays[symbol], allow_pickle=False)

    @classmethod
    def load(cls, path: Path | str) -> WeightStore:
        """Read what `save`, or `numpy.savez`, wrote."""
        store = cls()
        try:
            with np.load(path, allow_pickle=False) as archive:
                for symbol in archive.files:
                    store[symbol] = archive[symbol]
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UnreadableInput(Diagnostic("weights-file", f"cannot read weights: {error}", str(path))) from error
        return store


def _same(old: NDArray[Any], new: NDArray[Any]) -> bool:
    return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == np.ascontiguousarray(new).tobytes()
