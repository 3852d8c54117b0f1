"""`alaya doctor`: does everything work on this machine?"""

import click

from pipelines.commands.options import traceback_option


@click.command("doctor", short_help="Does everything work here?")
@click.option("--json", "as_json", is_flag=True, help="Findings as JSON lines.")
@traceback_option
def command(as_json: bool) -> int:
    """Look over packages, device, codecs, renderer, weights and disk; exit 1 if the main job cannot run."""
    import json
    from dataclasses import asdict

    from pipelines.doctor import FAILURE, examine

    findings = examine()
    for finding in findings:
        line = (
            json.dumps(asdict(finding))
            if as_json
            else f"{finding.state:<8} {finding.what:<12} {finding.text}"
        )
        click.echo(line)
    return int(any(finding.state == FAILURE for finding in findings))
