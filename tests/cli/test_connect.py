"""How commands speak."""

import structlog

from cli.connect import speak
from cli.settings import Settings


def test_log_lines_never_mix_with_an_answer(fraud, capsys):
    fraud("rules", "schema")
    structlog.get_logger().warning("void")

    said = capsys.readouterr()

    assert "void" not in said.out
    assert "void" in said.err


def test_log_lines_in_a_file_have_no_colours(fraud, capsys):
    speak(Settings())
    structlog.get_logger().info("policy_read", policy="17618f0cf571")

    line = capsys.readouterr().err

    assert "policy_read" in line
    assert "\x1b" not in line
