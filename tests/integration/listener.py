"""HTTP servers of a test, on loopback, and their certificates."""
import http.server
import ssl
import subprocess
import threading


class Listener:
    """A server in a thread. `answer(request)` answers, with `reply()`: the handler of http.server, with all of the body in `body`.
    `tls`: files of its certificate and key."""

    def __init__(self, answer, port=0, tls=None, address="127.0.0.1"):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def reply(request, code, body=b"", **headers):
    """Headers as keywords: Content_Type."""
    request.send_response(code)
    for name, value in {"Content_Length": len(body), **headers}.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    request.wfile.write(body)


def certificate(folder, name, subject="", authority=None):
    """(certificate, key), as files: signed by `authority`, such a pair too, or by itself. `subject`: "DNS:localhost"; "": an authority."""
    key, made = folder / f"{name}.key", folder / f"{name}.crt"
    extension = ["-addext", f"subjectAltName={subject}"] if subject else []
    signer = ["-CA", authority[0], "-CAkey", authority[1]] if authority else []
    request = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", f"/CN={name}"]
    if not authority:
        subprocess.run([*request, "-x509", "-days", "2", "-out", made, *extension], check=True, capture_output=True)
        return made, key
    csr, names = folder / f"{name}.csr", folder / f"{name}.ext"
    names.write_text(f"subjectAltName={subject}\n")
    subprocess.run([*request, "-out", csr], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", csr, *signer, "-CAcreateserial", "-days", "2", "-extfile", names, "-out", made],
                   check=True, capture_output=True)
    return made, key
