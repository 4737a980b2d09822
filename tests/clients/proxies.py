"""Real proxies that compress, each with the least configuration that makes it do so."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from local.processes import with_parent
from tests.browser.servers import find_port

READY_SECONDS = 120
# Where Debian keeps servers; a person's PATH may not have it.
SEARCHED = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"

CADDY = """{{
    admin off
    auto_https off
    persist_config off
}}
http://127.0.0.1:{port} {{
    encode {{
        zstd
        gzip
        minimum_length 1
    }}
    reverse_proxy 127.0.0.1:{web}
}}
"""
NGINX = """daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    gzip on;
    gzip_proxied any;
    gzip_min_length 1;
    gzip_types application/json;
    proxy_read_timeout 600s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{web};
            proxy_set_header Host $host:$server_port;
        }}
    }}
}}
"""
APACHE = """ServerRoot {folder}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
ServerName localhost
Listen 127.0.0.1:{port}
Timeout 600
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule filter_module {modules}/mod_filter.so
LoadModule deflate_module {modules}/mod_deflate.so
LoadModule brotli_module {modules}/mod_brotli.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
{user}
SetOutputFilter BROTLI_COMPRESS;DEFLATE
ProxyPreserveHost On
ProxyPass / http://127.0.0.1:{web}/
"""


def find_program(name):
    """The proxy's program, or None."""
    return shutil.which(name, path=SEARCHED)


class Proxy:
    """One proxy in front of the product; its address is ``http://127.0.0.1:{port}``."""

    def __init__(self, name, web, folder):
        self.port, self.log = find_port(), folder / "output.log"
        config = folder / "proxy.conf"
        template = {"caddy": CADDY, "nginx": NGINX, "apache2": APACHE}[name]
        user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        config.write_text(
            template.format(port=self.port, web=web, folder=folder, modules="/usr/lib/apache2/modules", user=user)
        )
        arguments = {
            "caddy": ("run", "--adapter", "caddyfile", "--config", config),
            "nginx": ("-e", folder / "error.log", "-c", config),
            "apache2": ("-f", config, "-DFOREGROUND"),
        }[name]
        self.command = [find_program(name), *map(str, arguments)]
        self.environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        self.process = None

    def __enter__(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=with_parent(),
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        self.__exit__()
        raise AssertionError(f"{self.command[0]} did not start: {self.log.read_text(errors='replace')}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)
