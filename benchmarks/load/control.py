"""The control service with certificates from a file: ``python -m benchmarks.load.control FILE``."""

import sys
from pathlib import Path

from tests.support.signed_tokens import KEY_ID
from worker.bootstrap import build_services
from worker.entrypoints.control_app import create_control_app
from worker.entrypoints.serving import serve_app
from worker.logs import configure_logging
from worker.oidc import Certificates
from worker.settings import load_settings


def main(file: Path) -> None:
    settings = load_settings()
    configure_logging(settings.log_style)
    certificates = Certificates({KEY_ID: file.read_text()}, 3600.0)
    app = create_control_app(build_services(settings), fetch=lambda _: certificates)
    serve_app(app, settings)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
