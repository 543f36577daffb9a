"""Any program in an environment of its own: requests.jsonl in, image files and results.jsonl out.

The program is started once a batch, in a process group of its own, without a shell and with few environment variables
(`command_settings.PASSED`). Nothing that it writes is trusted: only regular files under its own output folder are read,
and what cannot be used becomes an outcome of that image. See docs/command-and-hub.md for the two files.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lungeval.backends.base import Context, Item, Made, native_conditions
from lungeval.backends.command_process import Ended, run_group
from lungeval.backends.command_results import REQUESTS, Answer, collect, lines_of, tail
from lungeval.backends.command_settings import HASHED, PLACE, TIMEOUT_S, environment_of, expanded, faults_of, portable
from lungeval.backends.prompts import PromptBook, filled
from lungeval.errors import LungevalError, raise_all
from lungeval.keys import content_key, seed_of, sha256_file
from lungeval.protocol import Cell


class CommandBackend:
    """A program that makes images.

    The content key knows the program by the words of its command (a file by its SHA-256, never by its path), by
    `options.model_version`, and by what is asked: modality, the arm's own word, prompt, the protocol's seed and the
    image's number. The seed that the program is given is drawn from that key.

    Attributes:
        batch: requests a start of the program (`options.batch`).
        notices: what people should know, said once.

    Raises:
        LungevalError: `protocol` for settings that cannot be; `backend` where the program, its folder or an environment
            variable of `pass_env` is not there.
    """

    stands_in: bool = False
    batch: int = 64

    def __init__(self, context: Context) -> None:
        self._context = context
        self.notices: list[str] = []
        options = context.arm.options
        raise_all(faults_of(context))
        self.batch = options.get("batch", self.batch)
        self._timeout: float = options.get("timeout_s", TIMEOUT_S)
        self._cwd = context.resolve(options["cwd"]) if "cwd" in options else context.folder
        if not self._cwd.is_dir():
            raise LungevalError(
                "backend", f"no folder {self._cwd}", where=context.where, remedy="make it, or correct options.cwd"
            )
        self._environment, self._secrets = environment_of(context)
        self._words = [expanded(word, context) for word in options["command"]]
        self._words[0] = self._program(self._words[0])
        self._book = PromptBook(context.arm, where=context.where) if context.arm.prompts else None
        self._identity = self._identified()

    def conditions(self) -> dict[str, set[str]]:
        """The protocol's conditions that `makes` or the prompts name, by modality."""
        if not self._context.arm.makes and self._book:
            return self._book.conditions()
        found: dict[str, set[str]] = {}
        for entry in self._context.arm.makes:
            words = entry.condition.values() if isinstance(entry.condition, dict) else (entry.condition,)
            found.setdefault(entry.modality, set()).update(words)
        return found

    def offer(self, cell: Cell, count: int) -> list[Item]:
        """Requests 0 .. count - 1 of the cell; several own words of `makes` take turns."""
        words = native_conditions(self._context.arm, cell)
        return [
            self._item(cell, words[index % len(words)], index, len(words)) for index in range(count if words else 0)
        ]

    def make(self, items: Sequence[Item]) -> Iterable[Made]:
        """Start the program once for these items.

        What an attempt that broke off had finished is kept in the store and not asked for again.

        Raises:
            LungevalError: `plugin` where the program cannot be started, ends with another exit code than 0, is over its
                time, or writes no results, and images are missing therefore; its last lines come as the error's note.
        """
        with self._workplace(items) as place:
            answers = self._earlier(place, items)
            missing = [item for item in items if item.key not in answers]
            if missing:
                answers |= self._attempt(place, missing)
            for item in items:
                answer = answers.get(item.key)
                made = answer.made() if answer else Made(item, "failed", reason="the program gave no result for it")
                yield replace(made, reason=self._masked([made.reason])[0])

    # --- what is asked ---

    def _item(self, cell: Cell, word: str, index: int, turns: int) -> Item:
        prompt = self._prompt(cell, word, index // turns)
        key = content_key(
            backend="command", program=self._identity, modality=cell.modality, condition=word, prompt=prompt,
            seed=self._context.seed, sample=index,
        )  # fmt: skip
        seed = seed_of("command", key)
        request = {
            "key": key, "modality": cell.modality, "condition": word, "prompt": prompt, "seed": seed,
            "seed32": seed & 0xFFFFFFFF, "sample_index": index,
        }  # fmt: skip
        arm = self._context.arm
        return Item(
            key=key, cell=cell, cluster=f"{prompt}:{seed}", prompt=prompt, seed=seed, licence=arm.licence,
            source=str(getattr(arm, "model", "")), payload=request,
        )  # fmt: skip

    def _prompt(self, cell: Cell, word: str, turn: int) -> str:
        """The prompt of the own word: its texts in turn, then the slots."""
        if self._book is None:
            return ""
        given = self._context.arm.prompts.get(f"{cell.modality}/{word}", [])
        texts = [given] if isinstance(given, str) else given
        return filled(texts[turn % len(texts)], self._book.slots, turn // len(texts)) if texts else ""

    # --- the program ---

    def _program(self, word: str) -> str:
        """Where the program lies.

        Raises:
            LungevalError: `backend` where it is not there or may not be run.
        """
        if word == "{python}":
            return sys.executable
        path = str(self._cwd / word) if "/" in word else word
        found = shutil.which(path, path=self._environment.get("PATH"))
        if found is None:
            raise LungevalError(
                "backend", f"the program '{word}' is not there, or may not be run", where=self._context.where,
                remedy="install it, or give its path as the first word of options.command",
            )  # fmt: skip
        return found

    def _identified(self) -> dict[str, Any]:
        """What the content key knows of the program.

        Raises:
            LungevalError: `protocol` where that is next to nothing: no file and no version.
        """
        given = self._context.arm.options["command"]
        words: list[Any] = []
        files = 0
        for number, (said, word) in enumerate(zip(given, self._words, strict=True)):
            path = self._cwd / word
            inside = not Path(said).is_absolute() if number == 0 and "/" in said else number > 0
            if inside and not PLACE.search(said) and os.path.isfile(path):  # noqa: PTH113 - False for any odd word
                files += 1
                size = path.stat().st_size
                words.append({"file": sha256_file(path)} if size <= HASHED else {"name": path.name, "size": size})
            else:
                words.append(portable(said))
        version = self._context.arm.options.get("model_version", "")
        if not files and not version:
            raise LungevalError(
                "protocol", "options.model_version is missing: no file of the command says which program this is",
                where=self._context.where, remedy='give the version of the program and its weights, such as "1.2.0"',
            )  # fmt: skip
        env = {name: portable(value) for name, value in self._context.arm.options.get("env", {}).items()}
        return {"command": words, "env": env, "version": version}

    @contextmanager
    def _workplace(self, items: Sequence[Item]) -> Iterator[Path]:
        """A folder for the attempts at a batch: in the store, where it stays until all of it is made."""
        if self._context.store is None:
            with tempfile.TemporaryDirectory(prefix="lungeval-command-") as scratch:
                yield Path(scratch)
            return
        place = self._context.store.resolve() / "work" / content_key(keys=[item.key for item in items])[:16]
        place.mkdir(parents=True, exist_ok=True)
        yield place
        shutil.rmtree(place, ignore_errors=True)

    def _earlier(self, place: Path, items: Sequence[Item]) -> dict[str, Answer]:
        """Images and refusals that broken-off attempts left; failures are asked for again."""
        answers: dict[str, Answer] = {}
        for attempt in sorted(place.iterdir()):
            missing = [item for item in items if item.key not in answers]
            found = collect(attempt / "out", missing, lambda text: None)
            answers |= {key: a for key, a in found.items() if a.made().outcome in ("made", "refused")}
        return answers

    def _attempt(self, place: Path, items: Sequence[Item]) -> dict[str, Answer]:
        attempt = Path(tempfile.mkdtemp(prefix="attempt-", dir=place))
        out, requests = attempt / "out", attempt / REQUESTS
        out.mkdir()
        lines = [json.dumps(item.payload, ensure_ascii=False) + "\n" for item in items]
        requests.write_text("".join(lines), encoding="utf-8")
        places = {"requests": str(requests), "out": str(out), "python": sys.executable}
        words = [PLACE.sub(lambda found: places[found.group(1)], word) for word in self._words]
        log = None
        try:
            ended = run_group(words, self._cwd, self._environment, attempt, self._timeout)
        finally:
            log = self._keep_log(attempt, place)
        answers = collect(out, items, self._say)
        missing = len(items) - len(answers)
        if missing and (ended.fault or lines_of(out) is None):
            raise self._broke(ended, attempt, missing, len(items), log)
        if ended.fault:
            self._say(f"the program {ended.fault}, after results for every image")
        return answers

    def _broke(self, ended: Ended, attempt: Path, missing: int, asked: int, log: Path | None) -> LungevalError:
        what = ended.fault or "ended with exit code 0 and wrote no results.jsonl"
        last = self._masked(tail(attempt / "stderr") or tail(attempt / "stdout"))
        said = f": {last[-1].strip()[:200]}" if last else ""
        what = f"the program of arm '{self._context.name}' {what}; {missing} of {asked} images are missing{said}"
        remedy = f"its log is {log}" if log else "its last lines follow"
        error = LungevalError("plugin", what, where=self._context.where, remedy=remedy)
        if last:
            error.add_note("\n".join(["the program's last lines:", *(f"  {line}" for line in last)]))
        return error

    def _keep_log(self, attempt: Path, place: Path) -> Path | None:
        """What the program said, kept in the store."""
        if self._context.store is None:
            return None
        log = self._context.store / "logs" / f"{place.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as handle:
            for stream in ("stdout", "stderr"):
                text = self._masked([(attempt / stream).read_text(encoding="utf-8", errors="replace")])[0]
                handle.write(f"--- {attempt.name} {stream}\n{text}")
                if self._secrets:  # the attempt may stay in the store
                    (attempt / stream).write_text(text, encoding="utf-8")
        return log

    def _masked(self, lines: list[str]) -> list[str]:
        """The values of `pass_env` by their names."""
        for name, value in self._secrets.items():
            lines = [line.replace(value, f"${name}") for line in lines]
        return lines

    def _say(self, text: str) -> None:
        self._context.progress.say(f"  {self._context.name}: {text}")
