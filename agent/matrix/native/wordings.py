"""How Spark 2.4 to 3.3 and Delta 1 worded what later got a condition's name.

Rules kept here: data, one row per wording: the condition of today and a google-re2 pattern whose
groups have the names of its parameters; the first row that is found counts.
Source: https://github.com/apache/spark/blob/branch-3.1/sql/catalyst/src/main/scala/org/apache/spark/
sql/errors/QueryCompilationErrors.scala
"""

import functools
from typing import NamedTuple

from agent.matrix import patterns


class Wording(NamedTuple):
    """A message of an older version."""

    code: str
    pattern: str


OLDER = tuple(
    Wording(code, pattern)
    for code, pattern in (
        (
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            r"cannot resolve ['\"]?(?P<objectName>.+?)['\"]? given input columns: "
            r"\[?(?P<proposal>[^\]\n]*)",
        ),
        (
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            r"Column '(?P<objectName>[^'\n]+)' does not exist\. (?:Did you mean one of "
            r"the following\? "
            r"\[|Available columns: )(?P<proposal>[^\]\n]*)",
        ),
        (
            "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            r"Cannot resolve column name \"(?P<objectName>[^\"\n]+)\" among "
            r"\((?P<proposal>[^\n]*)\)",
        ),
        (
            "DATATYPE_MISMATCH",
            r"cannot resolve ['\"](?P<sqlExpr>[^\n]+?)['\"] due to data type mismatch:",
        ),
        (
            "TABLE_OR_VIEW_NOT_FOUND",
            r"(?i)Table or view (?:not found: (?P<relationName>[^\s;,]+)|"
            r"'?(?P<relationName2>[^\s';]+)'?"
            r" not found(?: in database '(?P<schemaName>[^'\n]+)')?)",
        ),
        ("SCHEMA_NOT_FOUND", r"Database '(?P<schemaName>[^'\n]+)' (?:not found|does not exist)"),
        ("SCHEMA_NOT_FOUND", r"Namespace '(?P<schemaName>[^'\n]+)' not found"),
        ("SCHEMA_ALREADY_EXISTS", r"Database '?(?P<schemaName>[^\s'\n]+)'? already exists"),
        (
            "TABLE_OR_VIEW_ALREADY_EXISTS",
            r"Table (?:or view )?'?(?P<relationName>[\w.`]+)'? already exists",
        ),
        (
            "TEMP_TABLE_OR_VIEW_ALREADY_EXISTS",
            r"Temporary (?:view|table) '?(?P<relationName>[\w.`]+)'? already exists",
        ),
        (
            "LOCATION_ALREADY_EXISTS",
            r"The associated location \('?(?P<location>[^'\n]+?)'?\) (?:already exists|"
            r"is not empty)",
        ),
        ("UNRESOLVED_ROUTINE", r"Undefined function: '?(?P<routineName>[^'\s\n]+)'?\."),
        ("PATH_NOT_FOUND", r"Path does not exist: (?P<path>[^\s;]+)"),
        ("PATH_ALREADY_EXISTS", r"(?i)\bpath (?P<outputPath>\S+) already exists"),
        (
            "AMBIGUOUS_REFERENCE",
            r"Reference '(?P<name>[^'\n]+)' is ambiguous, could be: "
            r"(?P<referenceNames>[^\n;]+?)\.?(?:;|$)",
        ),
        (
            "DATA_SOURCE_NOT_FOUND",
            r"Failed to find data source: (?P<provider>[\w.$-]*[\w$])",
        ),
        (
            "UNABLE_TO_INFER_SCHEMA",
            r"Unable to infer schema for (?P<format>\w+)\. It must be specified manually",
        ),
        (
            "COLUMN_ALREADY_EXISTS",
            r"Found duplicate column\(s\)[^:\n]{0,80}: (?P<columnName>[^\n;]+)",
        ),
        (
            "MISSING_AGGREGATION",
            r"expression '(?P<expression>[^\n]+?)' is neither present in the group by",
        ),
        (
            "MISSING_GROUP_BY",
            r"grouping expressions sequence is empty, and '(?P<expression>[^\n]+?)' is "
            r"not an aggregate",
        ),
        (
            "NUM_COLUMNS_MISMATCH",
            r"(?P<operator>\w+) can only be performed on tables with the same number of "
            r"columns, but the "
            r"first table has (?P<firstNumColumns>\d+) columns and the second table has "
            r"(?P<invalidNumColumns>\d+)",
        ),
        (
            "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
            r"Cannot write to '(?P<tableName>[^'\n]+)', not enough data columns",
        ),
        (
            "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
            r"Cannot write to '(?P<tableName>[^'\n]+)', too many data columns",
        ),
        (
            "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
            r"Cannot safely cast '(?P<colName>[^'\n]+)': (?P<srcType>\w+) to (?P<targetType>\w+)",
        ),
        (
            "CANNOT_UP_CAST_DATATYPE",
            r"Cannot up cast (?P<expression>\S+) from (?P<sourceType>\S+) to "
            r"(?P<targetType>\S+?)\.?(?:$|\s)",
        ),
        (
            "CAST_INVALID_INPUT",
            r"invalid input syntax for type (?:numeric|\w+): (?P<expression>\S+)",
        ),
        (
            "PARSE_SYNTAX_ERROR",
            r"(?:mismatched input|extraneous input|missing .{1,80} at|no viable "
            r"alternative at input)"
            r" '(?P<error>[^'\n]*)'",
        ),
        ("PARSE_SYNTAX_ERROR", r"(?i)Syntax error at or near '(?P<error>[^'\n]+)'"),
        (
            "DIVIDE_BY_ZERO",
            r"(?i)org\.apache\.spark\.\S+: divide by zero|ArithmeticException: divide by zero",
        ),
        (
            "ARITHMETIC_OVERFLOW",
            r"(?P<message>(?:integer|long|short|byte) overflow)\b",
        ),
        (
            "NUMERIC_VALUE_OUT_OF_RANGE.WITH_SUGGESTION",
            r"(?P<value>Decimal\(\S+?\)|\S+) cannot be represented as Decimal\((?P<precision>\d+), "
            r"(?P<scale>\d+)\)",
        ),
        (
            "INVALID_ARRAY_INDEX",
            r"Invalid (?:array )?index: (?P<indexValue>-?\d+), numElements: (?P<arraySize>\d+)",
        ),
        ("DUPLICATED_MAP_KEY", r"Duplicate map key (?P<key>.{1,80}?) was found"),
        (
            "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
            r"Generators are not supported when it's nested in expressions, but got: "
            r"(?P<expression>[^\n]+)",
        ),
        (
            "UNSUPPORTED_FEATURE.CATALOG_OPERATION",
            r"Catalog (?P<catalogName>\S+) does not support (?P<operation>[\w ]+)",
        ),
        (
            "INVALID_PARTITION_COLUMN_DATA_TYPE",
            r"Cannot use (?P<type>[\w<>(),]+) for partition column",
        ),
        (
            "CONCURRENT_QUERY",
            r"Cannot start query with (?:name|id) \S{1,200} as (?:a|another) query with "
            r"(?:that|same) (?:name|id)",
        ),
        (
            "DELTA_CONCURRENT_APPEND",
            r"ConcurrentAppendException: Files were added to (?P<partition>.{1,200}?) by",
        ),
        ("DELTA_CONCURRENT_DELETE_READ", r"ConcurrentDeleteReadException: "),
        ("DELTA_CONCURRENT_DELETE_DELETE", r"ConcurrentDeleteDeleteException: "),
        ("DELTA_CONCURRENT_TRANSACTION", r"ConcurrentTransactionException: "),
        ("DELTA_CONCURRENT_WRITE", r"ConcurrentWriteException: "),
        ("DELTA_METADATA_CHANGED", r"MetadataChangedException: "),
        ("DELTA_PROTOCOL_CHANGED", r"ProtocolChangedException: "),
        ("DELTA_METADATA_MISMATCH", r"A schema mismatch detected when writing to the Delta table"),
        (
            "DELTA_FAILED_TO_MERGE_FIELDS",
            r"Failed to merge fields '(?P<currentField>[^'\n]+)' and '(?P<updateField>[^'\n]+)'",
        ),
        ("DELTA_TABLE_NOT_FOUND", r"Delta table (?P<tableName>\S{1,200}) doesn't exist"),
        ("DELTA_MISSING_DELTA_TABLE", r"(?P<tableName>\S{1,200}) is not a Delta table"),
        (
            "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
            r"multiple source rows matched and attempted to modify the same",
        ),
        (
            "DELTA_VERSIONS_NOT_CONTIGUOUS",
            r"Versions \((?P<versionList>.{1,300}?)\) are not contiguous",
        ),
        (
            "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES",
            r"CHECK constraint (?P<constraintName>\S{1,200}) (?P<expression>.{1,300}?) "
            r"violated by row",
        ),
        (
            "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
            r"NOT NULL constraint violated for column: (?P<columnName>[^\s;]+?)\.?(?:\s|;|$)",
        ),
    )
)


@functools.lru_cache(maxsize=1)
def _filter() -> patterns.PatternSet:
    return patterns.PatternSet([wording.pattern for wording in OLDER])


def older(text: str) -> tuple[str, dict[str, str]] | None:
    """Return the condition that an older wording stands for, with its parameters, or None."""
    data = patterns.encoded(text)
    for index in _filter().match(data):
        row = OLDER[index]
        found = patterns.groups(row.pattern, data) or {}
        return row.code, {name.rstrip("2"): value for name, value in found.items()}
    return None
