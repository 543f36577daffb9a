"""PNG, JPEG and WebP taken apart without decoding: their parts in order, and what those declare.

Every function takes the file's bytes and returns facts by name; parts that are cut short end the walk.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

Facts = dict[str, Any]

PNG_MARK = b"\x89PNG\r\n\x1a\n"
PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGB+alpha"}
FRAMES_OF_JPEG = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
VALUED = ("gAMA", "cHRM", "sRGB", "sBIT", "bKGD")
"""PNG chunks that are told with a hash of their value; those of other chunks are facts of their own, or each file's."""
ANNEX_K = frozenset({"2f66814c", "a6283a08", "602f734c", "13f90e3c"})
"""JPEG's example Huffman tables (ITU-T T.81 K.3), by hash: an encoder that optimises has tables of its own."""
TOLD = ("Source", "Comment", "Description", "Title")
"""Keywords whose values are compared too, by their hash: they may name a patient. `Software` is told as it is."""


def png_facts(data: bytes) -> Facts:
    """Chunks in order (repetitions once), text keywords, depth, colour type and interlacing of a PNG file.

    Source: PNG Specification (Third Edition), sections 5 and 11.
    """
    chunks: list[str] = []
    texts: list[str] = []
    facts: Facts = {"progressive": "none"}
    at = len(PNG_MARK)
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        name = kind.decode("latin-1")
        part = f"{name}#{digest(body)}" if name in VALUED else name
        if name == "IHDR" and len(body) == 13:
            cols, rows, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            facts |= {"rows": rows, "cols": cols, "bit_depth": str(depth)}
            facts |= {
                "colour_type": PNG_COLOURS.get(colour, str(colour)),
                "progressive": "interlaced" if interlace else "none",
            }
        if name in ("tEXt", "zTXt", "iTXt"):
            texts.append(_told(name, body))
        if not chunks or chunks[-1] != part:
            chunks.append(part)
        at += 12 + length
        if name == "IEND":
            break
    if at < len(data):
        chunks.append("+trailing")
    return facts | {"chunks": " ".join(chunks), "text_chunks": _listed(texts)}


def _told(name: str, body: bytes) -> str:
    keyword, _, value = body.partition(b"\0")
    word = keyword.decode("latin-1")[:79]
    if name == "tEXt" and word == "Software":
        return f"{word}={value.decode('latin-1')[:40]}"
    return f"{word} #{digest(value)}" if word in TOLD else word


def jpeg_facts(data: bytes) -> Facts:
    """Segments in order up to the first scan, comments, depth, components, tables, subsampling of a JPEG file.

    Source: ITU-T T.81 Annex B; JFIF 1.02; Adobe Technical Note 5116 (APP14).
    """
    segments: list[str] = []
    texts: list[str] = []
    tables: dict[int, bytes] = {}
    facts: Facts = {}
    adobe: int | None = None
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # padding before a marker
            at += 1
            continue
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        body = data[at + 4 : at + 2 + length]
        segments.append(_segment(marker, body))
        if marker == 0xDB:
            tables |= _tables(body)
        elif marker in FRAMES_OF_JPEG and len(body) >= 6:
            facts |= _frame(marker, body)
        elif marker == 0xFE:
            texts.append(f"COM #{digest(body)}")
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        at += 2 + length
        if marker == 0xDA:
            break
    facts["colour_type"] = _jpeg_colours(facts.pop("components", 0), adobe)
    facts["quantisation"] = digest(b"".join(bytes([n]) + tables[n] for n in sorted(tables))) if tables else "none"
    return facts | {"chunks": " ".join(segments), "text_chunks": _listed(texts)}


def _segment(marker: int, body: bytes) -> str:
    if 0xE0 <= marker <= 0xEF:
        label = body.split(b"\0", 1)[0][:12].decode("latin-1")
        return f"APP{marker - 0xE0}:{label if label.isprintable() else '?'}"
    if marker == 0xC4:
        return "DHT" if _huffman(body) <= ANNEX_K else "DHT:own"
    names = {0xDB: "DQT", 0xDA: "SOS", 0xDD: "DRI", 0xFE: "COM"}
    return f"SOF{marker - 0xC0}" if marker in FRAMES_OF_JPEG else names.get(marker, f"{marker:02X}")


def _tables(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        size = 128 if body[at] >> 4 else 64
        found[body[at] & 15] = body[at + 1 : at + 1 + size]
        at += 1 + size
    return found


def _huffman(body: bytes) -> set[str]:
    """Hashes of the tables of one segment, each of 16 counts and as many symbols as they say."""
    found: set[str] = set()
    at = 0
    while at + 17 <= len(body):
        end = at + 17 + sum(body[at + 1 : at + 17])
        found.add(digest(body[at + 1 : end]))
        at = end
    return found


def _frame(marker: int, body: bytes) -> Facts:
    depth, rows, cols, components = struct.unpack(">BHHB", body[:6])
    factors = [body[7 + 3 * i] for i in range(components) if 7 + 3 * i < len(body)]
    sampling = "none"
    if len(factors) >= 3:
        (h, v), (ch, cv) = (divmod(factor, 16) for factor in factors[:2])
        names = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1"}
        ratio = (h // max(1, ch), v // max(1, cv))
        sampling = names.get(ratio, "x".join(f"{factor:02x}" for factor in factors))
    return {
        "bit_depth": str(depth), "rows": rows, "cols": cols, "components": components, "chroma_subsampling": sampling,
        "progressive": "progressive" if marker in (0xC2, 0xC6, 0xCA, 0xCE) else "none",
    }  # fmt: skip


def _jpeg_colours(components: int, adobe: int | None) -> str:
    if components == 1:
        return "grey"
    if components == 3:
        return "RGB" if adobe == 0 else "YCbCr"
    return {4: "CMYK" if adobe in (None, 0) else "YCCK"}.get(components, "none")


def webp_facts(data: bytes) -> Facts:
    """Chunks in order, compression and alpha of a WebP file.

    Source: RFC 9649, section 2.
    """
    chunks: list[str] = []
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        name = kind.decode("latin-1").strip()
        if not chunks or chunks[-1] != name:
            chunks.append(name)
        at += 8 + length + (length & 1)
    lossless = "VP8L" in chunks
    syntax = "WebP lossless" if lossless else "WebP lossy"
    return {"chunks": " ".join(chunks), "transfer_syntax": syntax, "bit_depth": "8"}


def _listed(texts: list[str]) -> str:
    return " | ".join(sorted(texts)) or "none"


def digest(data: bytes) -> str:
    """The first eight digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:8]
