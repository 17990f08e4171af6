"""Calls that reach over the network: by a library that does, or by a method that sounds like it."""

import ast

from agent.effects.found import Found
from agent.effects.harmless import words
from agent.effects.names import Names

LIBRARIES = words(
    """
    requests httpx urllib.request urllib3 http.client http.server socketserver socket ssl
    smtplib ftplib telnetlib imaplib poplib xmlrpc aiohttp boto3 botocore awswrangler azure
    google oci paramiko pysftp websocket websockets grpc kafka confluent_kafka pika redis
    pymongo elasticsearch slack_sdk twilio sendgrid stripe openai anthropic databricks.sdk
    """
)
"""Modules whose calls go over the network; add a library here."""

READING = words("""
    get head options urlopen request Session Client AsyncClient ClientSession client resource
    close raise_for_status json text content iter_content iter_lines read readline decode
    headers status_code ok url cookies mount HTTPAdapter Retry PoolManager
    create_default_context timeout Timeout get_object head_object get_item batch_get_item
    download_file download_fileobj get_paginator paginate list list_objects list_objects_v2
    list_blobs list_tables describe_table get_bucket get_blob download_as_text
    download_as_string download_as_bytes download_to_filename get_blob_client
    get_container_client download_blob readall readinto get_secret get_secret_value
    from_connection_string gethostname getfqdn setdefaulttimeout getaddrinfo fileno setsockopt
    settimeout read_csv read_parquet read_json read_sql_query find find_one count_documents
    aggregate HTTPError URLError RequestException ConnectionError HTTPStatusError RequestError
    exceptions append_header update keys items values
    """)
"""Methods of network libraries that only look."""

SENDS = (
    "post", "put", "patch", "send", "publish", "upload", "produce", "notify", "sendmail",
    "insert_", "bulk_", "upsert", "put_", "delete_", "create_", "enqueue", "charge", "emit",
)  # fmt: skip
"""How methods begin that send or change something elsewhere, on an object that is not known."""


def library(plain: str) -> bool:
    """Return whether a dotted name, without brackets, belongs to one of the libraries."""
    parts = plain.split(".")
    return any(".".join(parts[:end]) in LIBRARIES for end in range(1, len(parts) + 1))


def call(node: ast.Call, dotted: str, names: Names) -> Found:
    """Return what a call of such a library does: it looks, or it sends something."""
    text = ast.unparse(node)[:80]
    what = f"{dotted}({', '.join(map(ast.unparse, node.args))})"
    if _only_reads(node, dotted, names):
        return Found("network_call", what, f"reads from the network: {text}", node.lineno)
    says = f"sends something over the network: {text}"
    return Found("network_call", what, says, node.lineno, again=True)


def _only_reads(node: ast.Call, dotted: str, names: Names) -> bool:
    last = dotted.removesuffix("()").rpartition(".")[2].removesuffix("[]")
    if last not in READING:
        return False
    if last == "request":
        return bool(node.args) and names.strings(node.args[0]) == ("GET",)
    if last in ("urlopen", "Request"):
        return len(node.args) < 2 and not any(k.arg in ("data", "method") for k in node.keywords)
    return True


def unknown(node: ast.Call, dotted: str, method: str) -> Found:
    """Return what a call may do of which only the name is known."""
    text, line = ast.unparse(node)[:80], node.lineno
    if method.startswith(SENDS):
        says = f"may send or change something: {text}"
        return Found("network_call", f"send {dotted}", says, line, again=True)
    if method == "delete":
        return Found(
            "rows_delete", f"{dotted} {text}", f"deletes something: {text}", line, again=True
        )
    says = f"calls something that is not known: {text}"
    return Found("call_unknown", dotted, says, line, again=True)
