"""Posts the dashboards to a Grafana: `python -m dashboards.upload [--config billing.yml]`.

Its address and token come from GRAFANA_URL and GRAFANA_TOKEN or GRAFANA_TOKEN_FILE. What is there
under the same uids is replaced; nothing else is touched.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from dashboards.build import FOLDER_TITLE, FOLDER_UID, models, payload
from exporter.catalogue.currencies import DECIMALS
from exporter.catalogue.labels import RESOURCE_TYPE
from exporter.endpoint import Endpoint, EndpointFault
from exporter.settings import Config, SettingsError, load_grafana, read_config

_NOT_FOUND = 404
_MAY_WRITE = "set GRAFANA_TOKEN to the token of a service account with the role Editor"


class Grafana(Endpoint):
    """One Grafana, as one who writes."""

    kind: ClassVar[str] = "Grafana"
    remedies: ClassVar[Mapping[int, str]] = {
        400: "a dashboard that is provisioned there can't be posted, and needn't be",
        401: _MAY_WRITE,
        403: _MAY_WRITE,
        404: "is GRAFANA_URL its address, with the path that it is served at?",
    }


def upload(server: Grafana, config: Config) -> Iterator[str]:
    """Post the folder if it isn't there, then every dashboard; the address of each, once it is
    there. Raises EndpointFault.
    """
    _see_to_folder(server)
    for model in models(config):
        answer = server.ask_json("POST", "/api/dashboards/db", payload(model))
        if not isinstance(answer, dict) or answer.get("uid") != model["uid"]:
            raise server.fault(f"took {model['uid']} and does not say so: is it a Grafana?")
        yield f"{server.address.rstrip('/')}/d/{model['uid']}"


def _see_to_folder(server: Grafana) -> None:
    try:
        server.ask("GET", f"/api/folders/{FOLDER_UID}")
    except EndpointFault as fault:
        if fault.status != _NOT_FOUND:
            raise
        server.ask_json("POST", "/api/folders", {"uid": FOLDER_UID, "title": FOLDER_TITLE})


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all are there, 1 with the reason on stderr when not."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.upload", description=__doc__)
    parser.add_argument("--config", type=Path, help="a deployment's billing.yml")
    options = parser.parse_args(arguments)
    try:
        config = Config()
        if options.config:
            config = read_config(options.config, DECIMALS, RESOURCE_TYPE.values)
        login = load_grafana()
        for address in upload(Grafana(login.url, bearer=login.token.reveal()), config):
            print(address)
    except (SettingsError, EndpointFault) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
