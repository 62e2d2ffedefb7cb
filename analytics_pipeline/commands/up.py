"""`up`: Dagster's UI and daemon, dbt docs and the report site, until Ctrl-C."""

import functools
import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from analytics_pipeline.commands.run import prepare_dagster_home
from analytics_pipeline.commands.terminal import say
from analytics_pipeline.errors import AnalyticsError
from analytics_pipeline.modelling.dbt import prepare_manifest
from analytics_pipeline.settings import Settings
from analytics_pipeline.warehouse.connection import open_warehouse


def up(settings: Settings, port: int, site_port: int) -> None:
    """Serve until interrupted; what was started is stopped again.

    Args:
        settings: of the home.
        port: of the Dagster UI, on this machine only.
        site_port: of the report site with dbt docs, on this machine only.

    Raises:
        AnalyticsError: a port is taken, or a process ended by itself.
    """
    prepare_manifest(settings)
    with open_warehouse(settings, lambda text: say(f"  {text}")) as warehouse:
        environment = {
            **os.environ,
            **warehouse.environment(),
            "ANALYTICS_HOME": str(settings.home),
            "DAGSTER_HOME": str(prepare_dagster_home(settings)),
        }
        site = _serve_site(settings, site_port)
        processes = [
            _start(command, environment, settings.home / "dagster" / f"{name}.log") for name, command in _commands(port)
        ]
        say(f"  Dagster   http://127.0.0.1:{port}")
        say(f"  Reports   http://127.0.0.1:{site_port}/")
        say(f"  dbt docs  http://127.0.0.1:{site_port}/docs/")
        say("  Ctrl-C stops them.")
        signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
        try:
            while all(process.poll() is None for process in processes):
                time.sleep(0.5)
            raise AnalyticsError(f"a process ended by itself; its output is in {settings.home / 'dagster'}")
        except KeyboardInterrupt:
            say("\n  stopping")
        finally:
            site.shutdown()
            for process in processes:
                process.send_signal(signal.SIGINT)
            for process in processes:
                process.wait(timeout=60)


def _commands(port: int) -> list[tuple[str, list[str]]]:
    beside = Path(sys.executable).parent
    module = ["-m", "analytics_pipeline.definitions"]
    return [
        ("webserver", [str(beside / "dagster-webserver"), *module, "-h", "127.0.0.1", "-p", str(port)]),
        ("daemon", [str(beside / "dagster-daemon"), "run", *module]),
    ]


def _start(command: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are nobody's news."""


def _serve_site(settings: Settings, port: int) -> http.server.ThreadingHTTPServer:
    from analytics_pipeline.reports.site import write_site

    settings.report_dir.mkdir(parents=True, exist_ok=True)
    write_site(settings.report_dir)
    docs = settings.dbt_target / "static_index.html"
    if docs.exists():
        (settings.report_dir / "docs").mkdir(exist_ok=True)
        shutil.copyfile(docs, settings.report_dir / "docs" / "index.html")
    handler = functools.partial(_QuietHandler, directory=str(settings.report_dir))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise AnalyticsError(f"port {port} can't be used ({error.strerror}): choose another with --site-port") from None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
