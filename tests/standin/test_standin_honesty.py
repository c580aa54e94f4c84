"""The stand-in hears what is sent to it and nothing else."""

import ast
import asyncio
import os
from pathlib import Path

import jiwer
import numpy as np
import pytest

import e2e
from e2e.standin.recogniser import EnergyRecogniser
from tests.standin.conftest import apoll

PACKAGE = Path(e2e.__file__).parent
MAY_IMPORT = ("e2e.errors", "e2e.protocol", "e2e.audio.codec", "e2e.standin")

SPOKEN = [
    ("slt", "The old man walked to the market in the morning to buy bread and fresh fruit for his family."),
    ("rms", "She wrote a long letter to her brother and told him about the new house near the water."),
    ("awb", "There are seven days in a week and twelve months in a year."),
]
SENT_TEXT = " ".join(text for _, text in SPOKEN)


def words(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha() or c in " '")


async def hear(standin, uid: str, pcm: bytes, *, speech: bool = True) -> str:
    async with standin.listen(uid) as client:
        await client.ready()
        await client.play(pcm)
        if speech:
            await client.heard_until(len(pcm) / 32000 - 1.5)
        await client.quiet(2.0)
        return client.text


async def test_speech_that_nobody_has_prepared_is_recognised(standin, uid, speak):
    pcm = b"".join(speak(text, voice) for voice, text in SPOKEN)
    heard = await hear(standin, uid, pcm)
    assert jiwer.wer(words(SENT_TEXT), words(heard)) < 0.25, heard


@pytest.mark.slow
async def test_the_transcript_follows_the_order_of_the_audio(standin, uid, speak):
    clips = [speak(text, voice) for voice, text in SPOKEN[:2]]
    forward = words(await hear(standin, uid, b"".join(clips)))
    backward = words(await hear(standin, f"{uid}-too", b"".join(clips[::-1])))
    one_way = words(" ".join(text for _, text in SPOKEN[:2]))
    other_way = words(" ".join(text for _, text in SPOKEN[1::-1]))
    assert jiwer.wer(one_way, forward) < 0.4 < jiwer.wer(other_way, forward), forward
    assert jiwer.wer(other_way, backward) < 0.4 < jiwer.wer(one_way, backward), backward


async def test_only_what_was_sent_is_heard(standin, uid, speak):
    pcm = speak(SPOKEN[0][1])
    heard = await hear(standin, uid, pcm[: len(pcm) // 3])
    assert "old man" in heard and "family" not in heard and "fruit" not in heard


async def test_reversed_speech_brings_no_words_back(standin, uid, speak):
    pcm = np.frombuffer(speak(SPOKEN[0][1]), "<i2")[::-1].tobytes()
    heard = set(words(await hear(standin, uid, pcm, speech=False)).split())
    assert not {word for word in words(SPOKEN[0][1]).split() if len(word) > 3} & heard, heard


async def test_what_is_no_speech_gives_no_segment(standin, uid):
    at = np.arange(5 * 16000) / 16000
    sounds = (
        np.zeros(len(at)),
        12000 * np.sin(2 * np.pi * 440 * at),
        np.random.default_rng(1).normal(0, 300, len(at)),
    )
    heard = [hear(standin, f"{uid}-{n}", s.astype("<i2").tobytes(), speech=False) for n, s in enumerate(sounds)]
    assert await asyncio.gather(*heard) == ["", "", ""]


async def test_the_energy_recogniser_hears_speech_and_only_speech(speak, babble):
    at = np.arange(5 * 16000) / 16000
    noise = np.random.default_rng(1).normal(0, 1, len(at))
    for samples in (0 * at, 12000 * np.sin(2 * np.pi * 440 * at), 300 * noise, 3000 * noise):
        assert await _energy(np.concatenate([np.zeros(8000), samples]).astype("<i2").tobytes()) == []
    for voice, text in SPOKEN:
        pcm = speak(text, voice)
        spans = await _energy(pcm)
        assert 0.3 < spans[0][0] < 0.9
        assert len(pcm) / 32000 - 1.0 < spans[-1][1] < len(pcm) / 32000 - 0.2
    assert await _energy(babble)


async def _energy(pcm: bytes) -> list[tuple[float, float]]:
    recogniser, heard = EnergyRecogniser(), {}
    for at in range(0, len(pcm), 3200):
        await recogniser.feed(pcm[at : at + 3200])
        for item in recogniser.take():
            assert item.text == "(speech)"
            heard[item.key] = (item.start, item.end)
    return list(heard.values())


def test_the_room_imports_nothing_that_knows_a_text():
    for path in (PACKAGE / "standin").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                names = [f"{node.module}.{a.name}" for a in node.names]
            for name in names:
                ours = name.split(".")[0] == "e2e"
                assert not ours or name.startswith(MAY_IMPORT), f"{path.name} imports {name}"


AUDIT = """
import os, sys
_log = os.open(os.environ["STANDIN_AUDIT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def _hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        os.write(_log, (os.fsdecode(args[0]) + "\\n").encode())
sys.addaudithook(_hook)
"""


async def test_no_process_opens_a_reference_text(start_standin, uid, speak, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    audit = tmp_path / "opened"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    rig = start_standin(recogniser="sphinx", env={"PYTHONPATH": path, "STANDIN_AUDIT": str(audit)}).start()
    async with rig.listen(uid) as client:
        await client.play(speak("We would like to have some bread and butter."))
        await apoll(lambda: client.updates, "a transcript")
    opened = [Path(line) for line in audit.read_text().splitlines()]
    ours = {one.relative_to(PACKAGE).parts[0] for one in opened if one.is_relative_to(PACKAGE)}
    assert "standin" in ours, "the audit saw nothing"
    # `__pycache__` holds the bytecode of the package's own top: `__init__` and `errors`.
    assert ours <= {"standin", "protocol", "errors.py", "__init__.py", "__pycache__"}
    tops = {one.name.split(".")[0] for one in opened if one.parent == PACKAGE / "__pycache__"}
    assert tops <= {"__init__", "errors"}
