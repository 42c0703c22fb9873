"""Price books by their content: each book that a stack rated with is kept in its state directory, to be read again.

A file is named after the version's hash and never changes: a row's `price_book_version` finds the rates that priced it,
whichever genai-prices is installed later. About 60 KB each.
"""

import gzip
import os
import re
import zlib
from pathlib import Path

from schemas.errors import CorruptStateError, InputError
from streams.rating.price_content import content_of, providers_of
from streams.rating.prices import PriceBook

FOLDER = "price-books"
_VERSION = re.compile(r"genai-prices/[0-9A-Za-z.]+:([0-9a-f]{12})(\+rules:[0-9a-f]+)?")


def keep_book(folder: Path, book: PriceBook) -> Path:
    """The book's content is in the folder, under its hash; whole or not at all."""
    path = folder / _name(book.version)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(gzip.compress(content_of(book.providers), mtime=0))
        part.replace(path)
    return path


def kept_book(folder: Path, version: str) -> PriceBook:
    """The book of this version (rules after it are left to the policies).

    Raises: InputError: it is no version, or no such book was kept. CorruptStateError: the file is damaged.
    """
    path = folder / _name(version)
    try:
        return PriceBook(providers=providers_of(gzip.decompress(path.read_bytes())))
    except FileNotFoundError:
        kept = ", ".join(sorted(one.name.split(".")[0] for one in folder.glob("*.json.gz"))) or "none"
        raise InputError(f"price book {version} was not kept in {folder}; kept are: {kept}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise CorruptStateError(f"{path} cannot be read: {error}") from error


def _name(version: str) -> str:
    match = _VERSION.fullmatch(version)
    if match is None:
        raise InputError(f"{version!r} is no version of a price book, like genai-prices/0.2.3:0123456789ab")
    return f"{match[1]}.json.gz"
