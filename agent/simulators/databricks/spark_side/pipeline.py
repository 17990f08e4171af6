"""Run a pipeline with `spark-pipelines`, after the tables that it reads are made known to Spark.

Started as `python pipeline.py ABOUT.json` by an interpreter that has pyspark, 4.1 or newer:

    {"tables": [{"schema": ..., "name": ..., "path": FILE}], "schemas": [...],
     "arguments": ["run", "--spec", FILE]}

Source: https://spark.apache.org/docs/latest/declarative-pipelines-programming-guide.html
"""

import importlib
import json
import os
import socket
import sys
import uuid
from pathlib import Path
from typing import Any

_PLUGIN = "org.apache.spark.sql.connect.SparkConnectPlugin"


def main(about: str) -> None:
    """Prepare the session that `spark-pipelines` then finds, and hand over to it."""
    wanted = json.loads(Path(about).read_text(encoding="utf-8"))
    context, address = _serve()
    try:
        builder = importlib.import_module("pyspark.sql.connect.session").SparkSession.builder
        # spark-pipelines asks for this itself, but finds the session made and cannot change it.
        builder = builder.config("spark.sql.connect.serverStacktrace.enabled", "false")
        spark = builder.remote(address).getOrCreate()
        for schema in wanted["schemas"]:
            spark.sql(f"CREATE DATABASE IF NOT EXISTS `{schema}`")
        for table in wanted["tables"]:
            name = f"`{table['schema']}`.`{table['name']}`"
            spark.sql(f"CREATE TABLE {name} USING parquet LOCATION '{table['path']}'")
        sys.argv = ["spark-pipelines", *wanted["arguments"]]
        importlib.import_module("pyspark.pipelines.cli").main()
    finally:
        context.stop()


def _serve() -> tuple[Any, str]:
    """Start Spark with its Connect server on a port of its own; return the context, the address.

    `SPARK_REMOTE=local` would do, but for its port: it is always the same one, so that two
    pipelines could not run at once.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ["SPARK_CONNECT_AUTHENTICATE_TOKEN"] = str(uuid.uuid4())
    pyspark = importlib.import_module("pyspark")
    settings = {
        "spark.plugins": _PLUGIN,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.artifact.isolation.enabled": "true",
        "spark.sql.artifact.isolation.alwaysApplyClassloader": "true",
    }
    conf = pyspark.SparkConf().setMaster("local[2]").setAppName("pipeline")
    context = pyspark.SparkContext(conf=conf.setAll(list(settings.items())))
    # With these pyspark takes the session that there is, though Spark runs in this process too.
    os.environ |= {"SPARK_LOCAL_REMOTE": "1", "SPARK_CONNECT_MODE_ENABLED": "1"}
    return context, f"sc://localhost:{port}"  # by this name alone pyspark goes without TLS


if __name__ == "__main__":
    main(sys.argv[1])
