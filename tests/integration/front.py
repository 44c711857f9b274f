"""nginx in front of a system's own."""

import os
import shutil
import socket
import subprocess
import tempfile

from crash import until
from system import free_port

# What an operator writes who has never heard of event streams: proxy_buffering is on, as it is where nothing is said.
FRONT = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	gzip on;
	proxy_buffering on;
	server {{
		listen 127.0.0.1:{port} backlog=1024;
		include /etc/nginx/mime.types;
		{static}
		location {path} {{
			proxy_pass http://127.0.0.1:{behind}{path_behind};
			{host}
			proxy_set_header X-Forwarded-For $remote_addr;
		}}
	}}
}}
"""


class Front:
    """A second nginx in front of a system; with a path like /runner/ the system is below it. static: a path and
    the folder of the files that lie there, so that a page of somebody else's is on the same host."""

    def __init__(self, system, path="/", static=None):
        self.folder = tempfile.mkdtemp(prefix="fnr-front-")
        self.port = free_port()
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as file:
            file.write(FRONT.format(folder=self.folder, port=self.port, behind=system.port, path=path, path_behind="/" if path != "/" else "",
                                    static=f"location {static[0]} {{ alias {static[1]}/; }}" if static else "",
                                    host="proxy_set_header Host $http_host;" if path != "/" or static else ""))
        self.process = subprocess.Popen(["nginx", "-p", self.folder, "-c", conf, "-e", "stderr"])
        until(self.listens, "the nginx in front does not start")

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)
