from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import zoo
from zoo.cli import main
from zoo.terminal import read_number, read_shape

ZOO = Path(sys.executable).with_name("zoo")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def quiet_environment() -> dict[str, str]:
    """The environment without what the tests set to keep TensorFlow silent."""
    return {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}


def at_terminal(*arguments: str, columns: int = 160) -> str:
    """Runs the command at a pseudo terminal of a width; returns what it shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {
        name: value for name, value in quiet_environment().items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "CI")
    }
    process = subprocess.Popen(
        [ZOO, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm-256color"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


class TestList:
    def test_a_pipe_gets_aligned_text(self, run):
        done = run("list", "resunet-v1*")
        head, *rows = done.out.splitlines()
        assert (done.code, done.err) == (0, "")
        assert head.split() == ["name", "params", "MACs", "input", "summary"]
        assert [row.split()[0] for row in rows] == zoo.list_models("resunet-v1*")
        assert rows[0].split()[1:4] == ["32,448,129", "229,227,102,208", "512×512×3"]
        assert {row.index("U-Net with") for row in rows if "U-Net with" in row} == {head.index("summary")}
        assert {re.search(r" [\d,]+(?=  )", row).end() for row in rows} == {head.index("params") + len("params")}
        assert "\x1b" not in done.out
        assert all(line == line.rstrip() for line in done.out.splitlines())

    @pytest.mark.parametrize(
        ("options", "filters"),
        [
            ((), {}),
            (("*-f16",), {"pattern": "*-f16"}),
            (("--family", "resunet-v1", "--3d"), {"family": "resunet-v1", "ndim": 3}),
            (("--2d", "--max-params", "5M"), {"ndim": 2, "max_params": 5_000_000}),
            (("--max-macs", "1.5e10", "--no-weights"), {"max_macs": 15_000_000_000, "has_weights": False}),
            (("--max-params", "506,401"), {"max_params": 506_401}),
        ],
    )
    def test_filters_are_those_of_the_function(self, run, options, filters):
        rows = json.loads(run("list", "--json", *options).out)
        assert [row["name"] for row in rows] == zoo.list_models(**filters) != []

    def test_json_has_the_stored_numbers_as_numbers(self, run):
        (row,) = json.loads(run("list", "resunet-v1", "--json").out)
        assert set(row) == {"name", "family", "ndim", "summary", "weights", "numbers"}
        numbers = row["numbers"]
        assert (numbers["params"], numbers["macs"], numbers["flops"]) == (32_448_129, 229_227_102_208, 458_454_204_416)
        assert numbers["input_shape"] == [512, 512, 3]
        assert set(numbers) == {*zoo.Numbers.__dataclass_fields__, "flops"}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                ("resunt*",),
                r"^none of \d+ entries matches 'resunt\*' \(alone 0\); did you mean '.*'\? Families: attention-resunet",
            ),
            (("--family", "resunet"), r"family='resunet' \(alone 0\); did you mean 'rsunet' or 'resunet-a' or 'resunet-v\d'\? "),
            (("unet*", "--3d"), r"matches 'unet\*' \(alone \d+\), ndim=3 \(alone \d+\)\. Families: "),
            (("--max-params", "10"), r"matches max_params=10 \(alone 0\)\. Families"),
            (("vnet*", "--has-weights"), r"matches 'vnet\*' \(alone 3\), has_weights=True \(alone \d+\)\. Families"),
        ],
    )
    def test_nothing_found_says_which_filter_and_what_there_is(self, run, options, message):
        done = run("list", *options)
        assert (done.code, done.out) == (1, "")
        assert re.search(message, done.err)
        assert done.err.count("\n") == 1
        as_json = run("list", "--json", *options)
        assert (as_json.code, json.loads(as_json.out), as_json.err) == (1, [], done.err)

    def test_a_terminal_gets_a_table_with_colour(self):
        shown = at_terminal("list", "resunet-v1*")
        assert "\x1b[" in shown
        assert "─" in shown
        plain = ESCAPE.sub("", shown)
        for name in zoo.list_models("resunet-v1*"):
            assert f"{zoo.info(name).numbers.params:,}" in re.search(rf"^ *{name} .*$", plain, re.MULTILINE)[0]

    def test_a_narrow_terminal_keeps_the_numbers_whole(self):
        plain = ESCAPE.sub("", at_terminal("list", "resunet-v1", columns=80))
        assert re.search(r"resunet-v1-d5-f64 +32,448,129 +229,227,102,208 +512×512×3", plain)

    def test_a_broken_plugin_is_noted_and_hides_nothing(self, run, add_plugin):
        add_plugin("broken", "raise ValueError('two\\nlines')")
        done = run("list", "unet*")
        assert done.code == 0
        assert len(done.out.splitlines()) == 1 + len(zoo.list_models("unet*"))
        assert done.err == "note: the plug-in broken (broken: broken) could not be loaded: ValueError: two lines\n"

    def test_numbers_that_are_not_stored_are_left_open(self, run, own_registry):
        from test_registry import entry

        zoo.register(entry(analysis_shape=(8, 8, 3)))
        assert run("list", "mine").out.splitlines()[1].split() == ["mine-d2-f4", "-", "-", "-", "Mine."]
        assert json.loads(run("list", "mine", "--json").out)[0]["numbers"] is None
        assert run("list", "mine", "--max-params", "4").code == 0


class TestInfo:
    def test_everything_about_an_entry(self, run):
        out = run("info", "resunet-v1").out
        entry = zoo.info("resunet-v1")
        for text in (
            "resunet-v1-d5-f64: U-Net with", "32,448,129 (32,436,353 trainable)", "229,227,102,208\n",
            "458,454,204,416 (2 × MACs)", "256 MiB in ", "204–220 px", "512×512×3", "Nishank Singla (Medium, 2019)",
            entry.reference.url,
            *entry.reference.deviations,
        ):  # fmt: skip
            assert text in out
        assert re.search(r"^  depth +5$", out, re.MULTILINE)
        assert "ranks" not in out

    def test_json(self, run):
        value = json.loads(run("info", "resunet-v1-3d", "--json").out)
        entry = zoo.info("resunet-v1-3d")
        assert set(value) == {
            "name", "family", "ndim", "summary", "tags", "config", "analysis_shape", "numbers", "reference",
        }  # fmt: skip
        assert value["config"] == {
            "input_shape": [None, None, None, 1], "classes": 1, "head_activation": "auto", "depth": 4, "filters": 16,
            "batch_norm": True, "activation": "relu",
        }  # fmt: skip
        assert value["numbers"]["params"] == entry.numbers.params
        assert value["reference"]["deviations"] == list(entry.reference.deviations)

    @pytest.mark.parametrize("name", zoo.list_models())
    def test_every_entry(self, run, name):
        done = run("info", name)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"{name}: ")
        assert json.loads(run("info", name, "--json").out)["name"] == name

    def test_a_size_that_is_not_listed_is_counted(self, run):
        numbers = json.loads(run("info", "resunet-v1-d2-f3", "--json").out)["numbers"]
        assert numbers["params"] == zoo.get("resunet-v1-d2-f3").count_params()
        assert set(numbers) == {*zoo.Numbers.__dataclass_fields__, "flops"}

    def test_a_terminal_gets_colour(self):
        shown = at_terminal("info", "resunet-v1")
        assert "\x1b[" in shown
        assert "32,448,129 (32,436,353 trainable)" in ESCAPE.sub("", shown)


class TestSummary:
    def test_blocks_layers_and_totals(self, run):
        out = run("summary", "resunet-v1-d2-f2", "--input-shape", "32x48x3").out
        report = zoo.analyze("resunet-v1-d2-f2", input_shape=(32, 48, 3))
        blocks, layers, name, totals = out.split("\n\n")
        assert [line.split()[0] for line in blocks.splitlines()[1:]] == [block.name for block in report.blocks]
        assert [line.split()[0] for line in layers.splitlines()[1:]] == [layer.name for layer in report.per_layer]
        assert name == "resunet-v1-d2-f2"
        assert f"{report.macs:,}" in totals
        assert "Total at 32×48×3, batch 1" in totals

    def test_json_adds_up(self, run):
        value = json.loads(run("summary", "resunet-v1-d2-f2", "--json").out)
        assert set(value) == {"name", "numbers", "unsupported", "blocks", "layers"}
        for part in ("blocks", "layers"):
            assert sum(row["macs"] for row in value[part]) == value["numbers"]["macs"]
            assert sum(row["params"] for row in value[part]) == value["numbers"]["params"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--input-shape", "256x"), r"^error: `--input-shape` is whole numbers without the batch, .* Received: '256x'$"),
            (("--input-shape", "250,250,3"), r"^error: height 250 is not a multiple of 16; use 240 or 256; width"),
            (("--input-shape", "256,256"), r"^error: .*one spatial axis \(1D\)"),
            (("--input-shape", "64,64,64,1"), r"^error: .*2D.*3D"),
        ],
    )
    def test_a_shape_that_does_not_fit(self, run, options, message):
        done = run("summary", "resunet-v1", *options)
        assert (done.code, done.out) == (2, "")
        assert re.search(message, done.err.strip())


class TestPlot:
    @pytest.mark.parametrize(
        ("kind", "ending", "start"), [("u", "svg", b"<"), ("graph", "svg", b"<"), ("graph", "dot", b"digraph")]
    )
    def test_a_picture_is_written(self, run, tmp_path, kind, ending, start):
        out = tmp_path / f"picture.{ending}"
        done = run("plot", "resunet-v1-d2-f2", str(out), "--kind", kind)
        assert (done.code, done.out, done.err) == (0, f"{out}\n", "")
        assert out.read_bytes().lstrip().startswith(start)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("resunet-v1-d2-f2", "x.jpg"), r"^error: .*\.svg.*Received: path='x\.jpg'"),
            (("resunet-v1-d2-f2", "no-such-folder/x.svg"), r"^error: .*no-such-folder"),
            (("resunet-v1-d2-f2", "/dev/full/x.svg"), r"^error: .*/dev/full"),
            (("resunt", "x.svg"), r"^error: Unknown model: 'resunt'"),
        ],
    )
    def test_a_mistake_is_one_line(self, run, tmp_path, monkeypatch, arguments, message):
        monkeypatch.chdir(tmp_path)
        done = run("plot", *arguments)
        assert (done.code, done.out) == (2, "")
        assert re.search(message, done.err)
        assert done.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("info", "resunt-v1"), r"^error: Unknown model: 'resunt-v1'; did you mean 'resunet-v1'"),
            (("info", "resunet-v1-d99"), r"^error: `depth` must be a whole number from 2 to 10"),
            (("summary", "UNet"), r"^error: Ill-formed model name: 'UNet'"),
            (
                ("list", "--max-params", "few"),
                r"^error: `--max-params` is a number from 0 on, such as 5e6, 5M or 2\.5B\. Received: 'few'",
            ),
        ],
    )
    def test_a_mistake_is_one_line_and_status_2(self, run, arguments, message):
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert re.search(message, done.err)
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("lits",), r"No such command 'lits'"),
            (("info",), r"Missing argument 'NAME'"),
            (("plot", "unet", "x.svg", "--kind", "v"), r"'v' is not one of 'u', 'graph'"),
            (("list", "--famly", "unet"), r"No such option: --famly"),
        ],
    )
    def test_a_wrong_call_shows_the_usage(self, run, arguments, message):
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "Usage: zoo" in done.err
        assert re.search(message, done.err)

    def test_a_defect_is_not_swallowed(self, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["zoo", "info", "unet"])
        monkeypatch.setattr(zoo, "info", lambda name: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            main()

    def test_a_closed_pipe_is_no_traceback(self):
        for arguments in (["list"], ["list", "--json"], ["info", "resunet-v1"]):
            process = subprocess.Popen([ZOO, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            process.stdout.close()
            assert process.stderr.read() == ""
            process.wait()
        shell = f"{ZOO} list | head -1"
        done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=True)
        assert (done.stdout.split()[0], done.stderr) == ("name", "")

    def test_a_terminal_without_the_letters_gets_others(self):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run([ZOO, "list", "unet"], capture_output=True, text=True, check=True, env=environment)
        assert "256?256?3" in done.stdout

    def test_a_backend_says_nothing(self):
        done = subprocess.run([ZOO, "info", "unet-d2-f2"], capture_output=True, text=True, check=True, env=quiet_environment())
        assert done.stderr == ""


class TestHelp:
    def test_version(self, run):
        assert run("--version").out == f"zoo {zoo.__version__}\n"

    def test_help_names_every_command(self, run):
        out = run("--help").out
        assert all(re.search(rf"^ +{command} +\w", out, re.MULTILINE) for command in ("list", "info", "plot", "summary"))
        for command in ("list", "info", "plot", "summary"):
            assert f"Usage: zoo {command}" in run(command, "--help").out

    def test_names_are_completed(self):
        environment = {**os.environ, "_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": "zoo info resunet-v1-3d", "COMP_CWORD": "2"}
        done = subprocess.run([ZOO], capture_output=True, text=True, check=False, env=environment)
        assert done.stdout.split() == zoo.list_models("resunet-v1-3d*")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("5", 5), ("5e6", 5e6), ("5E+6", 5e6), ("5M", 5e6), ("5m", 5e6), ("2.5B", 2.5e9), ("2.5G", 2.5e9), ("1T", 1e12),
        ("10k", 1e4), ("5_000_000", 5e6), ("5,000,000", 5e6), (" 7 ", 7), (None, None),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text, number):
    assert read_number("--max-params", text) == number


@pytest.mark.parametrize("text", ["", "-5", "M", "5 M", "5MM", "1e999", "nan", "inf", "five", "0x10", "5.", ".5", "٣"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(zoo.ConfigError, match=r"^`--max-params` is a number from 0 on, .* Received: "):
        read_number("--max-params", text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("256,256,3", (256, 256, 3)), ("256x128x3", (256, 128, 3)), ("(64, 64, 64, 1)", (64, 64, 64, 1)), ("5", (5,)), (None, None)],
)
def test_shapes_are_read_as_people_write_them(text, shape):
    assert read_shape("--input-shape", text) == shape


@pytest.mark.parametrize("text", ["", "256,", ",3", "256;256;3", "None,None,3", "-1,2,3", "2.5,2,3", "a"])
def test_what_is_no_shape_is_refused(text):
    with pytest.raises(zoo.ConfigError, match=r"^`--input-shape` is whole numbers without the batch, .* Received: "):
        read_shape("--input-shape", text)


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "zoo", "list", "unet"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1].startswith("unet-d5-f64 ")


class TestDiff:
    def test_a_pipe_gets_the_text_of_the_comparison(self, run):
        done = run("diff", "resunet-v1-d3-f4", "resunet-v1-d2-f4", "--input-shape", "32,48,3")
        assert (done.code, done.err) == (0, "")
        expected = str(zoo.diff("resunet-v1-d3-f4", "resunet-v1-d2-f4", (32, 48, 3)))
        assert done.out.rstrip("\n") == expected
        assert "enc1         removed" in done.out

    def test_nothing_differs(self, run):
        out = run("diff", "resunet-v1-d2-f4", "resunet-v1-d2-f4", "--input-shape", "8x8x3").out
        assert out.endswith("\nAll blocks, layers and skips are the same.\n")
        assert "Layers that differ" not in out

    def test_json_is_the_comparison_with_its_differences(self, run):
        value = json.loads(run("diff", "resunet-v1-d3-f8", "vnet-2d-f4", "--json").out)
        a, b = (zoo.analyze(name) for name in ("resunet-v1-d3-f8", "vnet-2d-f4"))
        assert set(value) == {"a", "b", "same_input", "totals", "blocks", "skips"}
        assert value["totals"]["macs"] == {"a": a.macs, "b": b.macs, "delta": b.macs - a.macs, "ratio": b.macs / a.macs}
        assert (value["a"]["input_shape"], value["b"]["input_shape"]) == ([256, 256, 3], [256, 256, 1])
        assert sum(block["params"]["delta"] for block in value["blocks"]) == b.params - a.params

    def test_a_narrow_terminal_keeps_every_column(self):
        plain = ESCAPE.sub("", at_terminal("diff", "resunet-v1-d3-f4", "resunet-v1-d2-f4", columns=70))
        assert re.search(r"enc1 +dec1 +concat +removed", plain)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("resunt-v1", "unet"), r"^error: Unknown model: 'resunt-v1'; did you mean"),
            (("unet", "resunt-v1"), r"^error: Unknown model: 'resunt-v1'; did you mean"),
            (("unet", "vnet-2d", "--input-shape", "250,256,1"), r"^error: height 250 is not a multiple of 16"),
            (("unet", "vnet", "--input-shape", "64,64,3"), r"^error: 'vnet-f16' is a 3D network"),
            (("unet", "vnet-2d", "--input-shape", "64"), r"^error: .*no spatial axis"),
        ],
    )
    def test_a_mistake_is_one_line(self, run, arguments, message):
        done = run("diff", *arguments)
        assert (done.code, done.out) == (2, "")
        assert re.search(message, done.err)
        assert done.err.count("\n") == 1
