"""Which distribution brings which import, for those known well enough to be installed unasked.

Data only. A name that is not here needs a person: a typing error away from a popular name somebody
else's code may wait. Where a distribution's import has its own name, it is only listed in `_SAME`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

_OTHER = {
    "absl": "absl-py",
    "attr": "attrs",
    "azure.core": "azure-core",
    "azure.cosmos": "azure-cosmos",
    "azure.eventhub": "azure-eventhub",
    "azure.identity": "azure-identity",
    "azure.keyvault.secrets": "azure-keyvault-secrets",
    "azure.servicebus": "azure-servicebus",
    "azure.storage.blob": "azure-storage-blob",
    "azure.storage.filedatalake": "azure-storage-file-datalake",
    "bs4": "beautifulsoup4",
    "confluent_kafka": "confluent-kafka",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "cx_Oracle": "cx-oracle",
    "Cython": "cython",
    "databricks.sdk": "databricks-sdk",
    "databricks.sql": "databricks-sql-connector",
    "databricks.vector_search": "databricks-vectorsearch",
    "dateutil": "python-dateutil",
    "delta": "delta-spark",
    "dns": "dnspython",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.api_core": "google-api-core",
    "google.auth": "google-auth",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.pubsub": "google-cloud-pubsub",
    "google.cloud.secretmanager": "google-cloud-secret-manager",
    "google.cloud.storage": "google-cloud-storage",
    "google.protobuf": "protobuf",
    "googleapiclient": "google-api-python-client",
    "great_expectations": "great-expectations",
    "grpc": "grpcio",
    "hdbcli": "hdbcli",
    "ibis": "ibis-framework",
    "imblearn": "imbalanced-learn",
    "IPython": "ipython",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "kafka": "kafka-python",
    "ldap3": "ldap3",
    "Levenshtein": "levenshtein",
    "magic": "python-magic",
    "markdown_it": "markdown-it-py",
    "more_itertools": "more-itertools",
    "mpl_toolkits": "matplotlib",
    "msgpack": "msgpack",
    "mysql.connector": "mysql-connector-python",
    "MySQLdb": "mysqlclient",
    "nacl": "pynacl",
    "openlineage": "openlineage-python",
    "OpenSSL": "pyopenssl",
    "opentelemetry": "opentelemetry-api",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "paho": "paho-mqtt",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "prestodb": "presto-python-client",
    "prometheus_client": "prometheus-client",
    "psycopg2": "psycopg2-binary",
    "pydantic_settings": "pydantic-settings",
    "PyPDF2": "pypdf2",
    "pythonjsonlogger": "python-json-logger",
    "rapidjson": "python-rapidjson",
    "rest_framework": "djangorestframework",
    "ruamel": "ruamel.yaml",
    "ruamel.yaml": "ruamel.yaml",
    "sentence_transformers": "sentence-transformers",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "slack_sdk": "slack-sdk",
    "slugify": "python-slugify",
    "snowflake.connector": "snowflake-connector-python",
    "snowflake.snowpark": "snowflake-snowpark-python",
    "snowflake.sqlalchemy": "snowflake-sqlalchemy",
    "socks": "pysocks",
    "soda": "soda-core",
    "sparknlp": "spark-nlp",
    "sshtunnel": "sshtunnel",
    "tables": "tables",
    "telegram": "python-telegram-bot",
    "typing_extensions": "typing-extensions",
    "umap": "umap-learn",
    "unidecode": "unidecode",
    "usaddress": "usaddress",
    "websocket": "websocket-client",
    "win32api": "pywin32",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}

_SAME = """
adlfs aiobotocore aiofiles aiohttp alembic altair anthropic anyio apscheduler arrow asyncpg avro
awswrangler babel backoff black bleach bokeh boto3 botocore cachetools cattrs catboost celery
certifi cffi chardet charset-normalizer chispa clickhouse-connect click cloudpickle colorama
coloredlogs cryptography dagster dash dask datasets db-dtypes deepdiff deltalake dill
distributed django docker duckdb dynaconf elasticsearch emoji et-xmlfile evidently fastapi
fastavro fastparquet feedparser filelock fiona flask fsspec ftfy fuzzywuzzy gcsfs gensim
geopandas geopy graphframes gspread gunicorn h3 h5py holidays html5lib httpx huggingface-hub
humanize hyperopt hypothesis idna importlib-metadata imageio inflection ipykernel jinja2
jmespath joblib jsonpath-ng jsonschema kazoo keras koalas langchain lightgbm loguru lxml lz4
mako markdown markupsafe marshmallow matplotlib mlflow mypy nbconvert nbformat networkx nltk
numba numpy oauthlib oci openai openpyxl oracledb orjson packaging pandas pandera pandavro
paramiko parsedatetime patsy pendulum pexpect pip pluggy plotly polars prefect prophet psutil
psycopg pyarrow pyathena pycountry pydantic pydeequ pyhive pymongo pymssql pymysql pyodbc
pyparsing pypdf pyproj pysftp pyspark pytest pytz pyxlsb rapidfuzz ray redis redshift-connector
referencing regex requests requests-oauthlib responses rich rtree s3fs s3transfer scipy scrapy
seaborn selenium sentry-sdk setuptools shap shapely simplejson six smart-open snowballstemmer
sortedcontainers spacy sqlalchemy sqlglot sqlparse starlette statsmodels streamlit structlog
stumpy sympy tabulate tenacity tensorflow thefuzz thrift tiktoken toml tomli tomlkit toolz torch
torchvision tornado tqdm transformers trino typer tzdata tzlocal ujson urllib3 uvicorn
validators vertica-python virtualenv watchdog werkzeug wheel wordcloud wrapt xarray xgboost xlrd
xlsxwriter xlwt xmltodict xxhash yarl zeep zipp zstandard
""".split()  # noqa: SIM905 - one name a line would be 200 lines

# Imports whose distribution only differs in dash and underscore, or that need no entry at all.
_DASHED = {name.replace("-", "_"): name for name in _SAME}


def normal(name: str) -> str:
    """Return a distribution's name as PyPI compares it: `Ruamel.YAML` is `ruamel-yaml`.

    Source: https://peps.python.org/pep-0503/#normalized-names
    """
    return re.sub(r"[-_.]+", "-", name).lower()


IMPORTS: Mapping[str, str] = MappingProxyType({**_DASHED, **_OTHER})
"""Import name (dotted where a namespace is shared) to distribution name, PyPI's normal form."""

_NO_IMPORT = ("dbt-core", "dbt-databricks", "dbt-duckdb", "dbt-snowflake", "databricks-cli")
KNOWN: frozenset[str] = frozenset(normal(name) for name in (*IMPORTS.values(), *_NO_IMPORT))
"""Distributions that may be added without asking, in PyPI's normal form."""
