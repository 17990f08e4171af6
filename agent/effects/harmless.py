"""Names of calls that only compute, look or return: data for `python`.

Not here = not known to be harmless, which asks. `METHODS` are names of methods, whatever the
object; a method that writes or destroys somewhere (`rename` of a path, `write` of a table) is
judged before these are looked at.
"""


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


METHODS = words("""
T a abs absolute acquire add addHandler add_argument add_mutually_exclusive_group add_prefix
add_row add_subparsers add_suffix adjusted agg aggregate alias align all anchor any appName
append appendleft apply arange argmax argmin argsort array arrow as_completed as_integer_ratio
as_posix as_tuple as_unit as_uri asc asc_nulls_last asfreq asm8 asof asof_locs assign astimezone
astype at at_time attrib attrs autocorr awaitTermination axes begin between between_time bfill
bit_count bit_length boxplot builder cache canonical capitalize case_when casefold cast cat ceil
center choice clear clip close close_all closed coalesce collect collect_schema columns combine
combine_first commit compare compare_signal compare_total compare_total_mag config conjugate
connect contains convert_dtypes copy copy_abs copy_negate copy_sign corr corrwith count cov
createDataFrame createOrReplaceGlobalTempView createOrReplaceTempView createTempView critical
crossJoin csv ctime cube cumcount cummax cummin cumprod cumsum cursor cwd databaseExists date
day day_name day_of_week day_of_year dayofweek dayofyear days days_in_month daysinmonth debug
decode default_factory default_rng denominator desc desc_nulls_last describe df diff difference
difference_update digest discard div divide divmod done dot drive drop droplevel dst dt dtype
dtypes duplicated elements empty encode encoding end endpos endswith eq equals error errors ewm
exception exclusions exists exp expand expanding expandtabs expanduser explode extend extendleft
extract extractall factorize fetch_arrow_table fetch_df fetchall fetchdf fetchmany fetchnumpy
fetchone ffill fieldnames figure fill fill_nan fill_null fillna find findall finditer
first_valid_index fit fit_transform flags floor floordiv flush fma fold format format_map freq
from_arrow from_bytes from_dict from_float from_records fromhex fromisocalendar fromisoformat
fromkeys fromordinal fromtimestamp fullmatch ge get getField getItem getLogger getOrCreate
get_dummies get_group get_indexer get_indexer_for get_indexer_non_unique get_level_values
get_loc get_nowait get_option get_params get_slice_bound get_text getbuffer getroot getvalue
glob group groupBy group_by groupby groupdict groupindex groups gt has_duplicates hasnans height
hex hexdigest hist home hour hours iat identical idxmax idxmin iloc imag index indices
infer_objects inferred_type info insert integers interpolate intersection intersection_update
isEmpty isNotNull isNull isStreaming is_ is_absolute is_block_device is_canonical is_char_device
is_dir is_fifo is_file is_finite is_in is_infinite is_integer is_leap_year
is_monotonic_decreasing is_monotonic_increasing is_month_end is_month_start is_mount is_nan
is_normal is_not_null is_null is_qnan is_quarter_end is_quarter_start is_relative_to is_reserved
is_set is_signed is_snan is_socket is_subnormal is_symlink is_unique is_year_end is_year_start
is_zero isalnum isalpha isascii isatty isdecimal isdigit isdisjoint isetitem isidentifier isin
islower isna isnull isnumeric isocalendar isoformat isoweekday isprintable isspace issubset
issuperset istitle isupper item items iter iter_content iter_lines iter_rows iterdir iterrows
itertuples join joinpath json keys kurt kurtosis last_valid_index lastgroup lastindex lazy le
legend len like line_buffering list listColumns listTables ljust ln load loc log log10 logb
logical_and logical_invert logical_or logical_xor lower lower_case lstat lstrip lt maketrans map
master match max max_mag maxlen mean median melt memory_usage merge method microsecond
microseconds min min_mag min_periods minute minutes mkdir mod mode month month_name most_common
move_to_end mul multiply na name names nanosecond nbytes ndim ne newlines next_minus next_plus
next_toward ngroup ngroups nlevels normal normalize notna notnull now nth number_class numerator
nunique obj ohlc on ones option options orc orderBy otherwise outputMode over owner pad parent
parents parquet parse_args parse_known_args partition partitionBy parts pattern pct_change
persist pipe pivot pivot_table pl plot pop popitem popleft pos pow predict predict_proba
prettify printSchema print_help processAllAvailable prod product put_nowait putmask quantile
quantize quarter queryName radd radix raise_for_status rand randn rank ravel rdiv rdivmod re
read read1 readStream read_bytes read_text readable readinto readinto1 readline readlines
readlink real register regs reindex reindex_like relative_to release remainder_near remove
removeprefix removesuffix rename rename_axis reorder_levels repartition repeat replace resample
reset_index resolution resolve result reverse rfind rfloordiv rglob rindex rjust rlike rmod rmul
rollback rolling rollup root rotate round rows rpartition rpow rsplit rstrip rsub rtruediv
same_quantum samefile scaleb scan scanner scatter schema score search searchsorted second
seconds seed seek seekable select selectExpr select_dtypes select_one sem set setFormatter
setLevel set_axis set_defaults set_description set_flags set_index set_names set_option
set_params set_title set_xlabel set_ylabel setdefault setdefaulttimeout shape sheet_by_index
shift show shuffle shutdown sink size skew slice slice_indexer slice_locs slice_replace sort
sortWithinPartitions sort_index sort_values sortlevel span sparse split splitlines sqrt squeeze
stack start startswith stat std stem step str strftime string strip strptime struct style sub
submit subn subplots substr subtract suffix suffixes sum summary swapcase swaplevel
symmetric_difference symmetric_difference_update table tableExists take task_done tell text tick
tight_layout time timestamp timetuple timetz title title_case toDF toJSON toPandas to_bytes
to_clipboard to_datetime64 to_dict to_dicts to_eng_string to_flat_index to_frame to_iceberg
to_integral to_integral_exact to_integral_value to_julian_date to_list to_numpy to_period
to_pydatetime to_records to_series to_string to_timestamp to_xarray today toordinal tostring
total total_seconds touch transform translate transpose trigger truediv tz tz_convert
tz_localize tzinfo tzname union unionAll unionByName unique unit unpersist unstack update upper
utcfromtimestamp utcnow utcoffset utctimetuple value value_counts values var view wait warn
warning week weekday weekofyear when width win_type window withColumn withColumnRenamed
withColumns withColumnsRenamed withWatermark with_columns with_name with_stem with_suffix wrap
writable write writeheader writelines writerow writerows xs year zeros zfill
    """)
"""Methods of strings, collections, pandas and Spark frames, files, loggers, models, cursors."""

FUNCTIONS = words("""
    abs all any anext ascii bin bool bytearray bytes callable chr classmethod complex dict dir
    display divmod enumerate filter float format frozenset hash help hex id input int isinstance
    issubclass iter len list map max memoryview min next object oct ord pow print property range
    repr reversed round set slice sorted staticmethod str sum super tuple type zip hasattr
    BaseException Exception ValueError TypeError KeyError IndexError RuntimeError
    FileNotFoundError NotImplementedError AssertionError OSError IOError StopIteration
    ZeroDivisionError AttributeError LookupError ArithmeticError PermissionError TimeoutError
    ConnectionError SystemExit UserWarning DeprecationWarning displayHTML getArgument
    """)
"""Built-in functions, and those of a notebook."""

MODULES = words("""
    abc argparse array arrow ast asyncio attr attrs base64 binascii bisect bs4 cachetools
    calendar catboost chardet charset_normalizer click cmath collections concurrent contextlib
    copy csv dataclasses datetime dateutil dbutils.fs.head dbutils.fs.ls dbutils.jobs.taskValues
    dbutils.library.restartPython dbutils.notebook.entry_point dbutils.notebook.exit
    dbutils.secrets.get dbutils.widgets decimal difflib dlt.expect dlt.expect_all
    dlt.expect_all_or_drop dlt.expect_all_or_fail dlt.expect_or_drop dlt.expect_or_fail dlt.read
    dlt.table dlt.view dotenv email.utils enum faker fnmatch fractions functools fuzzywuzzy gc
    geopandas getpass glob great_expectations gzip.GzipFile hashlib heapq hmac holidays html
    http.HTTPStatus humanize importlib.metadata importlib.resources inspect io.BytesIO
    io.StringIO io.TextIOWrapper ipaddress itertools jinja2 json jsonschema lightgbm locale
    logging loguru lxml math matplotlib mlflow.log_metric mlflow.log_param mlflow.set_experiment
    mlflow.start_run more_itertools multiprocessing.cpu_count nbformat networkx numbers numpy
    oidlUtils.notebook.exit oidlUtils.parameters.getParameter openpyxl operator orjson
    os.cpu_count os.curdir os.environ.get os.fspath os.getcwd os.getenv os.getpid os.linesep
    os.listdir os.makedirs os.mkdir os.path os.scandir os.sep os.stat os.walk packaging pandas
    pandera pathlib pendulum platform plotly polars pprint prophet psutil pyarrow pycountry
    pydantic pyspark pytz queue random rapidfuzz re requests.Session requests.adapters
    requests.exceptions rich scipy seaborn secrets shapely shlex shutil.disk_usage
    shutil.get_terminal_size shutil.which signal simplejson sklearn slugify
    spark.catalog.listTables spark.catalog.tableExists spark.conf.get spark.createDataFrame
    spark.range spark.read spark.readStream spark.sparkContext.appName
    spark.sparkContext.parallelize spark.sql spark.stop spark.table spark.udf spark.version
    sqlglot statistics statsmodels string struct structlog sys.argv sys.exc_info sys.exit
    sys.getsizeof sys.stderr sys.stdin sys.stdout tabulate tempfile tenacity textwrap threading
    time timeit tomllib toolz tqdm traceback typer types typing typing_extensions tzlocal ujson
    unicodedata unidecode unittest urllib.parse uuid warnings.warn weakref xgboost xlrd xml
    xmltodict yaml.dump yaml.safe_dump yaml.safe_load zipfile.ZipFile zlib zoneinfo
    """)
"""Modules, or single functions of them, whose calls are harmless unless `calls` says otherwise."""

CONNECTIONS = words(
    "sqlalchemy sqlite3 duckdb psycopg psycopg2 pymysql pyodbc oracledb snowflake trino"
)
"""Libraries whose connections run SQL, which is judged by itself; the rest is in `CONNECTED`."""
CONNECTED = words(
    """
    connect cursor close commit rollback begin fetchone fetchall fetchmany fetchdf fetch_df df
    arrow pl fetchnumpy fetch_arrow_table create_engine text dispose scalar scalars first all
    one mappings inspect register unregister description rowcount row_factory Row keys tuples
    read_csv read_parquet read_json values show columns shape create_function types MetaData
    Integer String Float Date DateTime Error
    """
)
"""Their methods that look, open or close."""
