"""The `fnet` command: light to start, one clear line for a user's mistake."""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fnet_cli.main import COMMANDS, main
from fnet_cli.parser import declare, make_parser
from fnet_cli.reader import until_unread
from fnet_cli.stopping import stoppable
from fnet_registry.presets.checkpoint import read_checkpoint
from tests.programs import run_program


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([name, "--help"])
    assert f"usage: fnet {name}" in capsys.readouterr().out


def whole_parser(name: str) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The parser of all commands, and that of one, with its arguments."""
    parser, subparsers = make_parser()
    declare(COMMANDS[name], subparsers[name])
    return parser, subparsers[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example_that_it_takes(name: str) -> None:
    parser, subparser = whole_parser(name)
    assert f"example:\n  fnet {name} " in subparser.format_help()
    for line in COMMANDS[name].example.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "fnet"
        assert parser.parse_args(arguments).command == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_explained(name: str) -> None:
    _, subparser = whole_parser(name)
    assert [action.dest for action in subparser._actions if not action.help] == []


def test_the_arguments_of_all_commands_are_known_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys; from fnet_cli.main import COMMANDS, main\n"
        "for name in COMMANDS:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit: pass\n"
        "print(sorted({'keras', 'torch', 'ray', 'mlflow', 'pyarrow'} & sys.modules.keys()))"
    )
    assert run_program(program).splitlines()[-1] == "[]"


def test_what_is_imported_for_seconds_is_named_before() -> None:
    code = "import sys; from fnet_cli.main import main; sys.exit(main(['verify', 'nowhere']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    first, *_, last = done.stderr.splitlines()
    assert first == "fnet: loading mlflow, torch, then nowhere"
    assert last.startswith("fnet: error: ")
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["inspect"]])
def test_wrong_arguments_exit_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from fnet_cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(sorted({'keras', 'torch', 'ray', 'mlflow'} & sys.modules.keys()))"
    )
    assert run_program(program).splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", ["inspect", "convert"])
def test_a_preset_that_is_none_gives_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = [str(tmp_path / "out")] if command == "convert" else []
    assert main([command, str(tmp_path), *target]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fnet: error: A preset folder must hold `config.json`")
    assert error.count("\n") == 1


def test_inspect_shows_what_a_preset_is(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(data_folder / "kerashub")]) == 0
    printed = capsys.readouterr().out
    for fact in (
        "KerasHub",
        "44,992",
        "keras 3.15.1, keras_hub 0.32.0",
        "hidden_dim",
        "not stated",
    ):
        assert fact in printed


def test_inspect_prints_json_for_programs(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(data_folder / "transformers_bin"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["format"] == "Transformers"
    assert shown["config"]["num_layers"] == 2
    assert len(shown["sha256"]["config.json"]) == 64


def test_inspect_reads_the_licence_of_the_model_card(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_bytes((data_folder / "kerashub/config.json").read_bytes())
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\nA small FNet.\n")
    main(["inspect", str(tmp_path), "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert (shown["license"], shown["model_card"]) == ("apache-2.0", "A small FNet.")


@pytest.mark.parametrize("preset", ["transformers_base", "old_nlp082_keras215"])
def test_convert_writes_a_kerashub_folder(
    preset: str, data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", str(data_folder / preset), str(tmp_path / "out")]) == 0
    assert "44,992 parameters" in capsys.readouterr().out
    assert read_checkpoint(tmp_path / "out").config == read_checkpoint(data_folder / preset).config


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_can_complete_commands_options_and_choices(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in [*COMMANDS, "--long-text", "truncate", "--held-out"])


def test_bash_completes_what_was_begun(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["completion", "bash"])
    (tmp_path / "fnet.bash").write_text(capsys.readouterr().out)
    (tmp_path / "corpus.parquet").touch()
    program = (
        "source fnet.bash; COMP_WORDS=({}); COMP_CWORD={}; _shtab_fnet; echo ${{COMPREPLY[@]}}"
    )
    for words, completed in {
        "fnet em": "embed",
        "fnet embed --lo": "--long-text",
        "fnet embed m --long-text s": "split",
        "fnet embed m cor": "corpus.parquet",
    }.items():
        line = program.format(words, len(words.split()) - 1)
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == completed


def test_nothing_is_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    main(["presets"])
    main(["inspect", "nowhere"])
    told = capsys.readouterr()
    assert "\x1b" not in told.out + told.err


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["at the end", "at once"])
@pytest.mark.parametrize("arguments", [["presets"], ["inspect", "--help"]], ids=" ".join)
def test_a_reader_that_has_read_enough_ends_a_command_without_a_word(
    arguments: list[str], unbuffered: str
) -> None:
    reader, output = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [Path(sys.executable).with_name("fnet"), *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=output,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(output)
    assert done.returncode in (141, 0)  # argparse itself takes no notice of it
    assert done.stderr == b""


def test_another_broken_pipe_is_told() -> None:
    def run() -> int:
        raise BrokenPipeError("of a server")

    with pytest.raises(BrokenPipeError, match="of a server"):
        until_unread(run)


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal there is no file")
def test_a_terminal_that_wants_no_colour_gets_none(tmp_path: Path, preset_folder: Path) -> None:
    import pty

    terminal, end = pty.openpty()
    command = [Path(sys.executable).with_name("fnet"), "register", preset_folder]
    environment = {
        **os.environ,
        "NO_COLOR": "1",
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/m.db",
    }
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, stdout=end, stderr=end)
    os.close(end)
    told = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "models:/kerashub/1 registered" in told
    assert "database tables" not in told
    assert "\x1b" not in told


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(("resumes", "then"), [(True, "goes on from here"), (False, "starts anew")])
def test_a_stopped_command_says_what_the_same_command_does(
    number: int, status: int, resumes: bool, then: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def run() -> int:
        os.kill(os.getpid(), number)
        time.sleep(60)
        return 0

    assert stoppable(run, resumes=resumes) == status
    assert capsys.readouterr().err == f"fnet: stopped; the same command {then}\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no alarm")
def test_a_command_that_is_told_to_end_takes_its_time_whatever_alarm_ray_has_set() -> None:
    def run() -> int:
        signal.alarm(60)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
        return 0

    assert stoppable(run, resumes=True) == 143
    assert signal.alarm(0) == 0


def test_what_can_be_stopped_and_goes_on() -> None:
    assert [name for name, command in COMMANDS.items() if command.resumes] == ["tune", "embed"]
