"""The command backend: a program in its own environment, and everything that such a program can do wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from studies import lungeval, write_protocol

from lungeval.backends import command_results
from lungeval.backends.base import Context, Made
from lungeval.backends.command import CommandBackend
from lungeval.backends.command_settings import OPTIONS, faults_of
from lungeval.errors import LungevalError, LungevalErrors
from lungeval.protocol import Cell, Generator, Makes

CELL = Cell(modality="xray", condition="no_finding")
COMMAND = ["{python}", "-S", "gen.py", "--requests", "{requests}", "--out", "{out}"]
HEAD = """
import json, os, random, struct, sys, time, zlib
from pathlib import Path
place = dict(zip(sys.argv[1::2], sys.argv[2::2]))
out = Path(place["--out"])
asked = [json.loads(line) for line in Path(place["--requests"]).read_text().splitlines()]
table = (out / "results.jsonl").open("a")

def pgm(name, seed):
    png(name, 8, random.Random(seed).randbytes(64))

def png(name, side, levels):
    rows = b"".join(bytes(1) + levels[n : n + side] for n in range(0, side * side, side))
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    (out / name).write_bytes(bytes.fromhex("89504e470d0a1a0a") + body)

def tell(key, **facts):
    table.write(json.dumps({"key": key, **facts}) + chr(10))
    table.flush()

def make(request, name=None, **facts):
    name = name or request["key"][:16] + ".png"
    pgm(name, request["seed32"])
    tell(request["key"], status="made", file=name, **facts)
"""
GOOD = "for request in asked:\n    make(request)\n"


def write(folder: Path, body: str = GOOD) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gen.py").write_text(HEAD + textwrap.dedent(body))
    return folder


def backend(folder: Path, *, store: Path | None = None, seed: int = 7, **changes: Any) -> CommandBackend:
    options = {"command": COMMAND, **changes.pop("options", {})}
    arm = Generator(
        name="prog", backend="command", options=options,
        makes=changes.pop("makes", [Makes(modality="xray", condition="no_finding")]), **changes,
    )  # fmt: skip
    return CommandBackend(Context(name="prog", arm=arm, folder=folder, seed=seed, where="prog.yaml", store=store))


def made(program: CommandBackend, count: int = 4) -> list[Made]:
    return list(program.make(program.offer(CELL, count)))


def outcomes(results: list[Made]) -> list[str]:
    return [result.outcome for result in results]


def test_every_request_becomes_an_image(tmp_path: Path) -> None:
    program = backend(write(tmp_path))
    items = program.offer(CELL, 4)
    results = list(program.make(items))
    assert [result.item.key for result in results] == [item.key for item in items]
    assert outcomes(results) == ["made"] * 4
    assert all(result.pixels is not None and result.pixels.shape == (1, 8, 8) for result in results)
    again = list(program.make(items))
    assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(results, again, strict=True))  # type: ignore[arg-type]
    assert list(program.make([])) == []


def test_offers_are_prefixes_of_one_another_and_name_no_path(tmp_path: Path) -> None:
    here, there = backend(write(tmp_path / "a")), backend(write(tmp_path / "b" / "c"))
    assert here.offer(CELL, 3) == here.offer(CELL, 9)[:3] == there.offer(CELL, 3)
    assert len({item.key for item in here.offer(CELL, 9)}) == len({item.cluster for item in here.offer(CELL, 9)}) == 9
    assert backend(tmp_path / "a", seed=8).offer(CELL, 1)[0].key != here.offer(CELL, 1)[0].key
    versioned = backend(tmp_path / "a", options={"model_version": "2"})
    assert versioned.offer(CELL, 1)[0].key != here.offer(CELL, 1)[0].key
    (tmp_path / "a" / "gen.py").write_text("other")
    assert backend(tmp_path / "a").offer(CELL, 1)[0].key != here.offer(CELL, 1)[0].key
    assert backend(tmp_path / "a", options={"timeout_s": 3, "batch": 2}).offer(CELL, 1) == backend(
        tmp_path / "a"
    ).offer(CELL, 1)


def test_the_program_is_told_its_own_words_prompts_and_seeds(tmp_path: Path) -> None:
    write(tmp_path, "for r in asked:\n    make(r)\n(out / 'asked.json').write_text(json.dumps(asked))\n")
    store = tmp_path / "store"
    makes = [Makes(modality="xray", condition={"healthy": "no_finding", "clear": "no_finding"})]
    prompts = {"xray/healthy": ["healthy {view}", "no finding"], "xray/clear": "clear {view}"}
    program = backend(tmp_path, store=store, makes=makes, prompts=prompts, options={"slots": {"view": ["PA", "AP"]}})
    assert program.conditions() == {"xray": {"no_finding"}}
    items = program.offer(CELL, 6)
    assert [item.payload["condition"] for item in items] == ["healthy", "clear"] * 3
    assert [item.prompt for item in items] == [
        "healthy PA", "clear PA", "no finding", "clear AP", "healthy AP", "clear PA",
    ]  # fmt: skip
    stream = program.make(items)
    next(iter(stream))  # the attempt's folder stays while its images are taken
    asked = json.loads(next(store.rglob("asked.json")).read_text())
    assert list(asked[0]) == ["key", "modality", "condition", "prompt", "seed", "seed32", "sample_index"]
    assert asked[3]["sample_index"] == 3
    assert [request["seed"] for request in asked] == [item.seed for item in items]
    assert all(0 <= r["seed32"] < 2**32 and 0 <= r["seed"] < 2**63 for r in asked)
    assert items[0].cluster == f"healthy PA:{items[0].seed}"


def test_outcomes_of_the_program_are_kept(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        make(asked[0], licence="CC0", bits=12)
        tell(asked[1]["key"], status="refused", reason="policy\\nwith \\x1b[31m a second line" + "x" * 500)
        tell(asked[2]["key"], status="failed")
        """,
    )
    results = made(backend(tmp_path, licence="of the arm"))
    assert outcomes(results) == ["made", "refused", "failed", "failed"]
    assert (results[0].bits, results[0].item.licence) == (12, "CC0")
    assert results[1].item.licence == "of the arm"
    assert results[1].reason.startswith("policy with")
    assert results[1].reason.isprintable()
    assert len(results[1].reason) <= 300
    assert results[2].reason == "failed by the program, without a reason"
    assert results[3].reason == "the program gave no result for it"


HOSTILE = {
    "outside": ("tell(k, status='made', file='../secret.png')", "failed", "not named relative"),
    "absolute": ("tell(k, status='made', file=os.path.abspath('secret.png'))", "failed", "not named relative"),
    "link": ("os.symlink(os.path.abspath('secret.png'), out / 'l.png'); tell(k, status='made', file='l.png')",
             "failed", "a link"),
    "hard link": ("os.link('secret.png', out / 'l.png'); tell(k, status='made', file='l.png')", "failed", "a link"),
    "linked folder": ("os.symlink(os.getcwd(), out / 'd'); tell(k, status='made', file='d/secret.png')",
                      "failed", "behind a link"),
    "missing": ("tell(k, status='made', file='none.png')", "failed", "missing"),
    "folder": ("(out / 'd.png').mkdir(); tell(k, status='made', file='d.png')", "failed", "no regular file"),
    "pipe": ("os.mkfifo(out / 'p.png'); tell(k, status='made', file='p.png')", "failed", "no regular file"),
    "giant": ("f = (out / 'g.png').open('wb'); f.truncate(2**40); f.close(); tell(k, status='made', file='g.png')",
              "failed", "too large"),
    "no file": ("tell(k, status='made')", "failed", "named no file"),
    "odd file": ("tell(k, status='made', file=[1])", "failed", "named no file"),
    "NUL": ("tell(k, status='made', file='a\\0b')", "failed", "not named relative"),
    "long name": ("tell(k, status='made', file='a' * 5000)", "failed", "missing"),
    "own table": ("tell(k, status='made', file='results.jsonl')", "rejected", "not an image"),
    "text": ("(out / 't.png').write_text('hello'); tell(k, status='made', file='t.png')", "rejected", "not an image"),
    "empty": ("(out / 't.png').write_text(''); tell(k, status='made', file='t.png')", "rejected", "empty"),
    "one colour": ("png('c.png', 8, bytes(64)); tell(k, status='made', file='c.png')", "rejected", "one colour"),
    "cut short": ("pgm('h.png', 1); b = (out / 'h.png').read_bytes(); (out / 'h.png').write_bytes(b[:60]); "
                  "tell(k, status='made', file='h.png')", "rejected", "damaged"),
    "odd status": ("tell(k, status='done')", "failed", "status 'done'"),
    "no status": ("tell(k)", "failed", "status 'None'"),
    "list status": ("tell(k, status=['made'])", "failed", "status"),
    "odd bits": ("make(asked[0], bits=99)", "failed", "bits: 99"),
    "bits as text": ("make(asked[0], bits='8')", "failed", "bits: 8"),
    "two answers": ("make(asked[0]); tell(k, status='refused')", "failed", "2 different results"),
    "the same answer twice": ("make(asked[0], 'a.png'); make(asked[0], 'a.png')", "made", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_output_is_an_outcome(tmp_path: Path, case: str) -> None:
    act, outcome, reason = HOSTILE[case]
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "secret.png")
    write(tmp_path, f"k = asked[0]['key']\n{act}\nfor request in asked[1:]:\n    make(request)\n")
    results = made(backend(tmp_path))
    assert outcomes(results) == [outcome, "made", "made", "made"]
    assert reason in results[0].reason
    assert results[0].pixels is None or outcome == "made"


@pytest.mark.parametrize(
    "line",
    ["not json", "[1]", "null", '{"key": 5}', '{"key": "nobody", "status": "made"}', "[" * 100_000, "\\xff\\x00"],
)
def test_faulty_lines_are_left_out_and_told(tmp_path: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    from lungeval.progress import Progress

    write(tmp_path, f"table.write({line!r} + chr(10))\n{GOOD}")
    program = backend(tmp_path)
    object.__setattr__(program._context, "progress", Progress())
    assert outcomes(made(program)) == ["made"] * 4
    assert "results.jsonl: line 1 " in capsys.readouterr().err


def test_a_table_or_folder_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write(tmp_path, f"os.rename(out / 'results.jsonl', {str(elsewhere / 'results.jsonl')!r})\n"
          f"os.symlink({str(elsewhere / 'results.jsonl')!r}, out / 'results.jsonl')\n{GOOD}")  # fmt: skip
    with pytest.raises(LungevalError, match=r"wrote no results\.jsonl"):
        made(backend(tmp_path))
    write(tmp_path, f"{GOOD}os.rename(out, {str(elsewhere / 'out')!r})\nos.symlink({str(elsewhere / 'out')!r}, out)\n")
    with pytest.raises(LungevalError, match=r"wrote no results\.jsonl"):
        made(backend(tmp_path))


def test_a_giant_table_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, f"{GOOD}table.truncate(10_000)\n")
    monkeypatch.setattr(command_results, "MAX_RESULTS", 9_000)
    with pytest.raises(LungevalError, match=r"wrote no results\.jsonl"):
        made(backend(tmp_path))


def test_a_program_that_breaks_is_told_with_its_last_lines(tmp_path: Path) -> None:
    write(tmp_path, "make(asked[0])\nraise ValueError('no such checkpoint')\n")
    with pytest.raises(LungevalError, match="3 of 4 images are missing: ValueError: no such checkpoint") as fault:
        made(backend(tmp_path))
    assert (fault.value.code, fault.value.exit) == ("plugin", 6)
    assert "\n" not in str(fault.value)
    assert "exit code 1" in fault.value.what
    (note,) = fault.value.__notes__
    assert "Traceback" in note
    assert "raise ValueError" in note


def test_what_a_broken_off_attempt_made_is_not_asked_again(tmp_path: Path) -> None:
    store = tmp_path / "store" / "prog"
    write(
        tmp_path,
        """
        Path("asked.txt").open("a").write(f"{len(asked)} ")
        make(asked[0])
        tell(asked[1]["key"], status="failed", reason="this time")
        if len(asked) == 4:
            (out / "x.png").write_bytes(b"half")
            tell(asked[2]["key"], status="made", file="x.png")
            sys.exit(3)
        for request in asked[2:]:
            make(request)
        """,
    )
    program = backend(tmp_path, store=store)
    with pytest.raises(LungevalError, match="ended with exit code 3; 1 of 4 images are missing"):
        made(program)
    assert outcomes(made(backend(tmp_path, store=store))) == ["made", "made", "failed", "made"]
    assert (tmp_path / "asked.txt").read_text() == "4 3 ", "the image that was made is kept, the rest asked again"
    assert not list((store / "work").iterdir()), "a whole batch leaves nothing behind"
    assert list((store / "logs").iterdir())


def test_a_bad_exit_code_after_all_results_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path, f"{GOOD}sys.exit(1)\n")
    assert outcomes(made(backend(tmp_path))) == ["made"] * 4


def test_no_results_at_all_is_an_error_even_with_exit_code_0(tmp_path: Path) -> None:
    write(tmp_path, "os.remove(out / 'results.jsonl')\n")
    with pytest.raises(LungevalError, match=r"exit code 0 and wrote no results\.jsonl; 4 of 4"):
        made(backend(tmp_path))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


CHILD = """
import signal, subprocess
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-S", "-c", code])
make(asked[0])
Path("pids").write_text(f"{os.getpid()} {child.pid}")
"""


def _ended(folder: Path) -> bool:
    pids = [int(word) for word in (folder / "pids").read_text().split()]
    until = time.monotonic() + 5
    while any(map(_alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return len(pids) == 2 and not any(map(_alive, pids))


def test_the_time_limit_ends_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lungeval.backends.command_process.GRACE_S", 0.2)
    write(tmp_path, f"{CHILD}time.sleep(60)\n")
    with pytest.raises(LungevalError, match=r"took longer than 1\.5 s and was ended; 3 of 4 images are missing"):
        made(backend(tmp_path, options={"timeout_s": 1.5}))
    assert _ended(tmp_path)


def test_children_left_running_are_ended_with_the_program(tmp_path: Path) -> None:
    write(tmp_path, f"{CHILD}for request in asked[1:]:\n    make(request)\n")
    assert outcomes(made(backend(tmp_path))) == ["made"] * 4
    assert _ended(tmp_path)


def test_an_interrupt_ends_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lungeval.backends.command_process.GRACE_S", 0.2)
    write(tmp_path, f"{CHILD}time.sleep(60)\n")

    def interrupt() -> None:
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        made(backend(tmp_path))
    assert _ended(tmp_path)


def test_endless_talk_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lungeval.backends.command_process.MAX_TALK", 2**20)
    write(tmp_path, "while True:\n    print('x' * 10_000)\n")
    with pytest.raises(LungevalError, match="MiB to stdout and stderr and was ended"):
        made(backend(tmp_path))


def test_a_killed_program_is_told_by_its_signal(tmp_path: Path) -> None:
    write(tmp_path, "os.kill(os.getpid(), 9)\n")
    with pytest.raises(LungevalError, match="was ended by SIGKILL"):
        made(backend(tmp_path))


def test_only_named_variables_are_passed_and_secrets_are_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-passed")
    monkeypatch.setenv("MY_TOKEN", "very-secret-token")
    write(
        tmp_path,
        """
        Path("seen.json").write_text(json.dumps(dict(os.environ)))
        print(os.environ["MY_TOKEN"], file=sys.stderr)
        sys.exit("cannot log in with " + os.environ["MY_TOKEN"])
        """,
    )
    store = tmp_path / "store"
    program = backend(tmp_path, store=store, options={"env": {"MODE": "fast"}, "pass_env": ["MY_TOKEN"]})
    with pytest.raises(LungevalError, match=r"cannot log in with \$MY_TOKEN") as fault:
        made(program)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert (seen["MODE"], seen["MY_TOKEN"]) == ("fast", "very-secret-token")
    assert not {"PYTHONPATH", "OPENAI_API_KEY"} & set(seen)
    assert "very-secret-token" not in fault.value.__notes__[0]
    written = [path for path in store.rglob("*") if path.is_file()]
    assert {"stderr", "requests.jsonl"} <= {path.name for path in written}
    assert all("very-secret-token" not in path.read_text() for path in written)
    write(tmp_path, 'for r in asked:\n    tell(r["key"], status="refused", reason="no " + os.environ["MY_TOKEN"])')
    assert {m.reason for m in made(backend(tmp_path, options={"pass_env": ["MY_TOKEN"]}))} == {"no $MY_TOKEN"}
    monkeypatch.delenv("MY_TOKEN")
    with pytest.raises(LungevalError, match="MY_TOKEN is not set") as absent:
        backend(tmp_path, options={"pass_env": ["MY_TOKEN"]})
    assert absent.value.exit == 6


def test_no_shell_reads_the_words(tmp_path: Path) -> None:
    write(tmp_path, f"Path('words.json').write_text(json.dumps(sys.argv))\n{GOOD}")
    odd = ["; touch pwned", "$(touch pwned)", "*", "{"]
    assert outcomes(made(backend(tmp_path, options={"command": [*COMMAND, *odd]}))) == ["made"] * 4
    assert json.loads((tmp_path / "words.json").read_text())[-4:] == odd
    assert not (tmp_path / "pwned").exists()


def test_an_absent_program_is_named_with_a_remedy(tmp_path: Path) -> None:
    write(tmp_path)
    for word in ("no-such-program", "./no-such-program", "gen.py/x"):
        with pytest.raises(LungevalError, match="is not there, or may not be run; install it") as fault:
            backend(tmp_path, options={"command": [word, *COMMAND[1:]]})
        assert (fault.value.code, fault.value.exit) == ("backend", 6)
    with pytest.raises(LungevalError, match="no folder"):
        backend(tmp_path, options={"cwd": "elsewhere"})
    (tmp_path / "bad").write_text("not a program")
    (tmp_path / "bad").chmod(0o755)
    with pytest.raises(LungevalError, match="cannot be started"):
        made(backend(tmp_path, options={"command": ["./bad", "{requests}", "{out}"]}))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"command": "python gen.py"}, "as a list of texts"),
        ({"command": []}, "as a list of texts"),
        ({"command": ["python", 3]}, "as a list of texts"),
        ({"command": ["python", "gen.py"]}, "{requests} is missing"),
        ({"command": [*COMMAND, "{outt}"]}, "did you mean 'out'"),
        ({"comand": 1}, "did you mean 'command'"),
        ({"batch": 0}, "options.batch"),
        ({"batch": True}, "options.batch"),
        ({"batch": 2.5}, "options.batch"),
        ({"timeout_s": 0}, "options.timeout_s"),
        ({"timeout_s": float("nan")}, "options.timeout_s"),
        ({"timeout_s": "1"}, "options.timeout_s"),
        ({"env": {"A": 1}}, "options.env"),
        ({"env": {"A=B": "1"}}, "cannot name"),
        ({"pass_env": "HF_TOKEN"}, "options.pass_env"),
        ({"model_version": 1.1}, "options.model_version"),
        ({"cwd": 3}, "options.cwd"),
    ],
)
def test_faulty_settings_are_refused(tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises((LungevalError, LungevalErrors)) as fault:
        backend(write(tmp_path), options=options)
    assert text in str(fault.value)
    assert fault.value.exit == 3


def test_makes_and_a_version_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(LungevalError, match="makes: the command backend needs it"):
        backend(write(tmp_path), makes=[])
    bare = {"command": ["echo", "{requests}", "{out}"]}
    with pytest.raises(LungevalError, match=r"options\.model_version is missing"):
        backend(tmp_path, options=bare)
    assert backend(tmp_path, options={**bare, "model_version": "1"}).offer(CELL, 1)
    assert backend(tmp_path, options={**bare, "model_version": "1"}).offer(Cell(modality="ct", condition="x"), 5) == []


def test_the_program_of_the_guide_works(tmp_path: Path) -> None:
    guide = (Path(__file__).parent.parent / "docs" / "command-and-hub.md").read_text(encoding="utf-8")
    assert len(guide.splitlines()) <= 100
    (tmp_path / "gen.py").write_text(re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0])
    assert outcomes(made(backend(tmp_path, options={"command": ["{python}", *COMMAND[2:]]}))) == ["made"] * 4
    named = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)[0])
    assert not faults_of(Context(name="x", arm=Generator.model_validate(named), folder=tmp_path, seed=0))
    shown = json.loads(re.findall(r"```json\n(.*?)\n```", guide, re.DOTALL)[0])
    assert list(shown) == list(backend(tmp_path).offer(CELL, 1)[0].payload)
    assert all(f"| `{name}` |" in guide for name in OPTIONS)


@pytest.mark.slow
def test_a_whole_study_with_a_program_as_an_arm(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "generators",
        """
        for request in asked:
            png(request["key"] + ".png", 64, random.Random(request["seed"]).randbytes(64 * 64))
            tell(request["key"], status="made", file=request["key"] + ".png")
        """,
    )
    (folder / "prog.yaml").write_text(
        "version: 1\nname: prog\nbackend: command\nmakes: [{modality: xray, condition: {well: no_finding}}]\n"
        f"options: {{command: {json.dumps(COMMAND)}, batch: 4}}\n"
    )
    protocol = write_protocol(tmp_path, generators=["prog"])
    done = lungeval("run", protocol, "--quiet")
    assert done.returncode == 0, done.stderr
    (run,) = [path for path in (tmp_path / "reports").iterdir() if path.name.startswith("small-")]
    rows = (run / "0-images" / "manifest.csv").read_text().splitlines()
    assert sum(",prog," in row for row in rows) == 6
    assert (run / "report.html").is_file()
    (folder / "gen.py").write_text("import sys\nsys.exit('the licence server is away')\n")
    broken = lungeval("run", protocol, "--quiet", "--new")
    assert broken.returncode == 6
    first, *rest = [line for line in broken.stderr.splitlines() if not line.startswith("warning")]
    assert first.startswith("lungeval: plugin: ")
    assert "the licence server is away" in first
    assert rest[0].strip() == "the program's last lines:"
