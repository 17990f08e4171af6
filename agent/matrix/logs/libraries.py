"""Whose code a frame is in: the user's, a library's, or generated.

Rules kept here: a Python frame is judged by its path (site-packages, the standard library, an
engine's own folders), a Java or Scala frame by its package; what a notebook, job or archive of the
user holds is the user's, wherever it lies.
"""

import re

_PATHS = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\](?:python|pypy)[\d.]+[/\\]|"
    r"(?i:python[^/\\]*\\(?:[^/\\]+\\)?lib\\)|(?i:conda\d?[/\\](?:lib|envs|pkgs)[/\\])|"
    r"/opt/conda/|python\d{2,3}\.zip[/\\]|"
    r"^/databricks/(?:spark|python|\.python|conda|jars|data_science|dbr|init|runtime)|dbruntime/|"
    r"PythonShell(?:Impl)?\.py|db_ipykernel_launcher|"
    r"[/\\]python[/\\](?:lib[/\\])?pyspark|pyspark\.zip|py4j-[\d.]+-src|[/\\]py4j[/\\]|"
    r"/usr/lib/spark/python|/opt/spark/python|/opt/amazon/|/var/runtime/|/var/lang/|"
    r"/var/task/(?:botocore|boto3|urllib3|requests|s3transfer|backoff|tenacity|sqlalchemy|pandas|"
    r"numpy|pyarrow|psycopg2|pymysql|google|azure|oracledb|snowflake|awswrangler)/|"
    r"/azure-functions-host/|[/\\]airflow[/\\](?:src[/\\])?airflow[/\\]|/src/airflow/|"
    r"pip-(?:build-env|install|req-build|standalone-pip|modern-metadata|wheel|ephem)-|"
    r"^(?:/\S*)?/s?bin/[^/.]+$|[/\\](?:\.?v?env|Python[^/\\]*)[/\\](?:bin|Scripts)[/\\]|"
    r"\.exe[/\\]|\.p(?:yx|xi|xd)$|^(?:runpy|importlib|threading|subprocess|json)\.py$|"
    r"^(?:pandas|pyarrow|numpy|lib|cython|stringsource|polars)[./\\]|^<(?!command|ipython-input|stdin>|console>)"
)
_GENERATED = re.compile(r"^<(?:stdin|console)>$|[/\\]command--\d|^<command--\d")
_PACKAGES = re.compile(
    r"(?:javax?|jdk|sun|scala|kotlinx?|py4j|akka|cats|zio|fs2|monix|shapeless|play|shaded\w*|reactor|"
    r"rx|okhttp3|okio|javassist|oracle|jline|junit|groovy|clojure|shadeproguard|grpc_shaded|"
    r"org\.(?:apache|scala_lang|eclipse|json4s|spark_project|sparkproject|spark-project|slf4j|antlr|"
    r"codehaus|springframework|hibernate|postgresql|mongodb|elasticsearch|opensearch|xerial|rocksdb|"
    r"joda|yaml|objenesis|jboss|glassfish|junit|scalatest|mariadb|neo4j|gradle|conscrypt|bouncycastle|"
    r"mlflow|rogach|locationtech|roaringbitmap|threeten|wildfly|w3c|xml|iq80|tukaani|jets3t)|"
    r"com\.(?:databricks|sun|fasterxml|google|amazonaws|amazon|azure|microsoft|mysql|oracle|ibm|"
    r"typesafe|esotericsoftware|twitter|univocity|github\.luben|facebook|mongodb|datastax|zaxxer|"
    r"clickhouse|cloudera|hortonworks|squareup|crealytics|simba|teradata|sap\.db|ververica|thoughtworks|"
    r"codahale|ning|jcraft|nimbusds|starburstdata|vertica|couchbase|snowflake|lihaoyi|intellij|uber)|"
    r"io\.(?:delta|netty|grpc|confluent|trino|prestosql|airlift|fabric8|micrometer|opentelemetry|"
    r"opentracing|unitycatalog|debezium|undertow|dropwizard|openlineage|projectglow)|"
    r"net\.(?:snowflake|jpountz|razorvine|sf|sourceforge|bytebuddy|minidev|ttddyy)|"
    r"software\.amazon|ch\.qos|jakarta)\."
)


def is_library(path: str) -> bool:
    """Say whether a Python file is a library's, the standard library's, or generated."""
    return bool(_PATHS.search(path))


def is_generated(path: str) -> bool:
    """Say whether a place is a prompt's or a launcher's: the user's only where nothing else is."""
    return bool(_GENERATED.search(path))


def is_library_class(name: str) -> bool:
    """Say whether a qualified Java or Scala class belongs to the platform or a known library."""
    return bool(_PACKAGES.match(name))
