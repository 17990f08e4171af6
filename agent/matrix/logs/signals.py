"""How logs word things: levels, exceptions, warnings, noise, consequences, success.

Rules kept here: data, no logic; these run on lines of at most `CLIP` characters, and no two parts
of a repetition can match the same text, so that no line takes long.
"""

import re

CLIP = 4000
"""Characters of a line that its kind is judged by."""

QUIET = {"TRACE", "DEBUG", "INFO", "NOTICE"}
WARNED = {"WARN", "WARNING"}
LOUD = {"ERROR", "SEVERE", "FATAL", "CRITICAL"}

LEVEL = re.compile(
    r"""(?:^|[\s\[\]|:{}"'=(\-])"""
    r"""(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL)"""
    r"""(?=[\s\]:|,"')\-]|$)|["']?level(?:name)?["']?\s*[=:]\s*["']?(?P<low>[A-Za-z]+)"""
)
_SUFFIXES = (
    "Error|Exception|Expired|Failure|Fault|Exit|Interrupt|Timeout|Abort|Violation|Undefined|"
    "NotFound|Denied|NotDefined|Conflict|Detected|Exhausted|Unavailable"
)
_NAMES = (
    "ArrowInvalid|BadRequest|Unauthorized|Forbidden|TooManyRequests|InvalidArgument|NoSuchKernel|"
    "NoSuchKey|NoSuchBucket|InvalidToken|ReauthenticationRequest|Cancelled|Unauthenticated"
)
"""Classes of well-known libraries that end otherwise; only where a message follows."""
_CLASS = rf"(?:[A-Za-z_$][\w$]*[.:]{{1,2}})*_?[A-Z][\w$]*(?:{_SUFFIXES})"
_IN_ERRORS = r"(?:\w+\.){0,8}(?:errors?|exceptions?|exc)\.(?:\w+\.){0,4}[A-Z]\w+"
EXCEPTION = re.compile(
    r"^[|\s>+*`]*(?:E\s{2,})?(?:Caused by:?\s+)?(?:Exception in thread [\"'][^\"']*[\"'];? )?"
    r"(?:Error: |ERROR: |error: |Exception: |Fatal error: |: )?(?:\(|<class ')?"
    rf"(?P<class>{_CLASS}\d*|{_IN_ERRORS}|(?:{_NAMES}|Exception)(?=: ))"
    r"(?=$|[:\s(]\s?|[.]$|\) |'>)"
)
FRONT = re.compile(
    r"\s+|[|>*+:,-]+(?=\s)|\[[^\[\]]{1,100}\]:?|\{[^{}]{1,100}\}:?|\([^()]{1,80}\):?|"
    r"\d[\d:.,/TZ+-]*(?=[\s\]]|$)|[A-Z][a-z]{2}(?=\s+\d)|UTC\b|"
    r"(?:stdout|stderr)\b(?: [FP](?=\s))?|[a-z_]{1,30}=\S{1,80}(?=\s)|"
    r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL)\b:?|"
    r"[\w./\\-]{1,200}\.py:\d+:|[\w.$/@-]{1,80}(?:\[\d+\])?:(?=[\s(]|[A-Za-z]\w*:)|[\w.$/-]{1,60}(?=\s+[|-]\s)|"
    r"(?:[A-Za-z][\w'-]{0,30} ){1,8}[\w'-]{0,30}:(?=\s)|[a-z_]\w{0,60}(?:\.[a-z_]\w{0,60})+(?= )"
)
"""One thing that may stand in front of an exception in a logged line."""
LOST_TASK = re.compile(r"Lost task [^:]{1,200}\): ")
"""What stands in front of the exception that a Spark task was lost by."""
NESTED = re.compile(
    r": ?(?:[A-Z][A-Za-z ]{1,40}: )?(?P<class>(?:[a-z_][\w$]*\.){2,10}[A-Z][\w$]*"
    r"(?:Exception|Error))(?=: |$|\()"
)
"""The class that another one's message starts with: what that one passes on."""
BARE = {"Exception", "RuntimeError", "BaseException", "Error", "SystemExit", "AirflowException"}
"""Classes that say nothing by themselves."""
PROCESS = re.compile(r"CalledProcessError|SystemExit|Bash command failed")
"""Wrappers of what another process said before, not in their own message."""
SECONDARY = re.compile(
    r"Exception ignored in|Error in sys\.excepthook|Error in atexit|"
    r"(?i:failed|failure|error|exception).{0,40}(?i:callback|send(?:ing)? (?:the )?(?:e-?mail|"
    r"alert|notification|metrics)|(?:while|when|during|on|in|at|upon) (?:the )?shut(?:ting )?down|"
    r"(?:closing|close) (?:the )?(?:connection|session))"
)
"""What goes wrong beside or after the failure itself."""
BRACKETED = re.compile(r"^\s*(?:Error: |: |Caused by: )?\[_?[A-Z][A-Z0-9]+(?:[_.][A-Z0-9]+)+\]")
"""A condition in brackets at the start of a message."""
CONDITION = re.compile(r"(?:^|(?:Error|Exception): )\[_?[A-Z][A-Z0-9]+(?:[_.][A-Z0-9]+)+\] ")
"""A condition at the start of a line or of an exception's message: no words of it are a retry."""
RECORD = re.compile(
    r"^\s*(?:\[?(?:\d{2,4}[-/.:]\d\d|[A-Z][a-z]{2} \d)|Traceback|Caused by|at |File |-{4,}|"
    r"During handling|The above|[>$#] |\+-|\|)"
)
"""The start of a record of its own."""
BORDER = re.compile(r"^\+[-+=]{3,}\+$")
"""The line around the rows of a table that was printed."""
LOGGED_JAVA = re.compile(r"(?!pyspark\.|py4j\.)[a-z][\w$]*(?:\.[\w$]+)*\.[A-Z]")
"""The exception that a Java logger prints below its record."""
JVM_RECORD = re.compile(r"^\s*\d\d/\d\d/\d\d \d\d:\d\d:\d\d WARN ")
"""A warning of Spark's own log, which no Python trace belongs to."""
ERRORISH = re.compile(
    r"(?i)^[^a-z]{0,80}(?:[a-z_.-]{1,40}: ){0,3}(?:error|fatal|failed|failure|exception|panic|"
    r"abort(?:ed)?|runtime error|database error|compilation error|parsing error|cannot|could not|"
    r"unable to|invalid)\b|\b(?:ORA|TNS|DPY|DPI|PLS|SP2)-\d{4,5}\b|"
    r"\b(?:WORKFLOW|JOB_VALIDATE)_(?:[A-Z]{1,20}_)?\d{4}\b|\berror[: ]|exception: |"
    r": cannot |\bfailed (?:to|with|because|due)\b|core dumped|\bkilled\b|\bSQLSTATE\b|\bFAILED\b|"
    r"\b(?:insufficient|denied|refused|exceeded|exhausted|unavailable|unauthorized|forbidden)\b|"
    r"(?:does not|doesn't|do not) (?:exist|have|match|support)|"
    r"\bnot (?:found|supported|allowed|defined)\b|\bexit(?:ed)? (?:with )?(?:code |status )?-?[1-9]"
)
PLAIN_ERROR = re.compile(r"(?:\S{0,40} )?(?:Error|ERROR|Fatal|FATAL|error): ")
KILLED = re.compile(
    r"Negsignal|app status: FAILED|(?:return|exit(?:ed with)?) code:? ?(?:-\d|1[34]\d\b)"
)
"""A quiet line that tells how a process ended."""
CODE = re.compile(
    r'^\s*(?:at [\w.$/<>@-]+\(|File "|File <|File /|File ~|\.\.\. \d+ (?:more|common)|'
    r"-+> ?\d+ |raise [\w.]+[(]?|~*\^+~*$)|"
    r"^\s+(?![45]\d\d [A-Z]\w+:? |\d{6} \(\w{5}\))\d+ +\S|^\d+ (?:<source line>| +\S)|"
    r"^\d+ (?:[A-Za-z_][\w.]* ?(?:=|\(|\[)|[#@]|"
    r"(?:import|from|def|class|return|for|if|with|try|except|raise)\b)|"
    r"^\s{4,}(?:raise|return|self\.|def |assert |if |for |with |import |from )"
)
_AGAIN = (
    r"retrying(?! (?:may|the (?:job|query|request|operation) (?:may|might|could)))|will retry|"
    r"will be retried|trying again|attempting port|"
    r"retry(?:ing)?[ _](?:in|after|attempt)|retry \d+(?:/| of )\d+|"
    r"attempt \d+ (?:of|/) ?\d+ failed|up_for_retry|backing off|"
    r"has not accepted any resources"
)
AGAIN = re.compile(rf"(?i)\b(?:{_AGAIN})\b")
"""Something went wrong and is tried again."""
RETRIED = re.compile(
    rf"(?i)\b(?:{_AGAIN}|falling back|ignoring|(?<!commands )ignored|skipping|"
    r"continuing (?:without|anyway)|using (?:the )?(?:builtin|default)|deprecat\w*|recovered|"
    r"non-fatal)\b|"
    r"(?:^|[\s:])[A-Z]\w{0,60}Warning: "
)
GAVE_UP = re.compile(
    r"(?i)max(?:imum)? (?:number of )?retries|retries (?:exceeded|exhausted|failed)|giving up|"
    r"gave up|retry .{0,40}(?:would exceed|exceed(?:s|ed)|exhausted)|"
    r"(?:out of|no more|all) (?:retries|attempts)"
)
ENDED = re.compile(
    r"(?i)\b(?:cancel(?:l?ed|l?ing)|killed|killing|terminated|aborted|evicted|stopped|"
    r"(?:skipped|skipping) (?:this|the) (?:run|job|task))\b.{0,300}"
    r"\b(?:because|due to|after|exceeded|reason)\b"
)
"""A warning that tells that something was ended."""
FAILED = re.compile(
    r"(?i)Marking (?:task|run|DagRun) .{0,200}FAILED|(?:status|state)[\"']?[:=] ?[\"']?FAILED|"
    r"Task exited with return code (?!0\b)-?\d|(?:returned|exited|finished) with (?:a )?non-zero|"
    r"exit(?:ed with)?[ _](?:code|status):? (?!0\b)-?\d"
)
"""The log says that the run failed."""
MISSING = re.compile(
    r"(?i)TABLE_OR_VIEW_NOT_FOUND|PATH_NOT_FOUND|NoSuch(?:Table|Key|File)|FileNotFound|"
    r"(?:table|view|file|path|object|relation|directory|dataset|partition|location)\b.{0,160}"
    r"(?:not found|does not exist|doesn't exist|cannot be found|not exist)|no such (?:table|file)|"
    r"ORA-00942|upstream"
)
"""What a later failure says that lacks what an earlier one should have made."""
EMPTY = re.compile(
    r"(?i)NoneType object (?:has no attribute|is not)|UnboundLocalError|"
    r"referenced before assignment|cannot access local variable"
)
"""What a later failure says, without quotes, that finds nothing where a value should be."""
NAMED = re.compile(r"[\w./:${}=-]{3,300}")
"""Names of tables and files in a message."""
INNER = re.compile(
    r"\W{0,4}(?:\d[\d:.,/TZ+-]{0,40}\W{1,3}){0,2}\W{0,3}(?:WARN|WARNING|ERROR|FATAL|CRITICAL)\b(?=[\s\]:|-])"
)
"""The level of a record that another record carries."""
NOISE = re.compile(
    r"(?i)native-hadoop library|ShutdownHookManager|Exception while deleting Spark temp dir|"
    r"Executor decommission(?:ed)? finished|decommission.{0,200}(?:scale.?down|spark scale)|"
    r"StacklessClosedChannelException|TransportRequestHandler: Error sending result|"
    r"Failed to get database global_temp|deletecollection|"
    r"log4j:WARN|SLF4J:|illegal reflective access|because of (?:a YARN event|preemption)|"
    r"could not bind on port \d+\. Attempting|(?<![\d.:])\b0 (?:errors?|failed|failures)\b|"
    r"(?<![A-Za-z])error(?:s|_count)?[=:] ?0\b|no errors?\b|Broken pipe.{0,80}(?:closing|client)|"
    r"AsyncEventQueue.{0,80}Dropp|Driver commanded a shutdown|"
    r"(?-i:^\s*[a-z][a-z _-]{2,80}(?:[:=]|\s{2})\s*0\s*$)"
)
CONSEQUENCE = re.compile(
    r"(?i)upstream[_ ](?:task[s]?[_ ])?(?:has |have )?(?:failed|skipped)|"
    r"Marking task as (?:FAILED|UP_FOR)|Marking (?:DagRun|run) .{0,200}failed|"
    r"Task exited with return code(?! ?(?:Negsignal|-\d|1[34]\d))|"
    r"workload failed, see run output|Driver stacktrace:?$|"
    r"in state upstream_failed|^\s*(?:Skipping|SKIP)\b(?!.{0,200}\b(?:because|due to|limit)\b)|"
    r"Completed with \d+ error|"
    r"Job \d+ failed: |ExitCode: \d+$|Script '.{0,200}' returned with non-zero|"
    r"The task (?:has )?failed because (?:of )?(?:an )?upstream"
)
SUCCESS = re.compile(
    r"(?i)TERMINATED SUCCESS|Marking task as SUCCESS|return code 0\b|"
    r"exit(?:ed with)?[ _]code:? 0\b|final(?: app)? ?status:? SUCCEEDED|Completed successfully|"
    r"Deployment complete!|Validation OK!|^Found \d+ warnings?$|Apply complete!|"
    r"BUILD SUCCESS|PASS=\d+ WARN=\d+ ERROR=0|\bfinished successfully|"
    r"successfully (?:completed|finished)|state[\"']?[:=] ?[\"']?SUCCE|"
    r"\"status\": ?\"(?:SUCCESS|SUCCEEDED|ok)\"|run succeeded|Job (?:has )?succeeded|"
    r"\bSUCCESS$|all checks passed|execution_status[=:] ?SUCCESS|"
    r"(?:job|run|task|pipeline|update) .{0,60}(?:completed|succeeded)\.?$"
)
DONE = re.compile(
    r"(?i)\b(?:finished|completed|done) in \d|\bJob \d+ finished: |"
    r"\b(?:upload|download|backup|load|sync|export|import|build|copy)(?:ing)? "
    r"(?:is )?complete[d.]*$|"
    r"\bsuccessfully (?:built|tagged|installed|uploaded|loaded|wrote|written|created|imported|"
    r"exported|deployed|applied|published|committed)\b|"
    r"\b[1-9][\d,]* rows? (?:inserted|written|loaded|copied|merged|upserted)\b"
)
"""Something is done: success where the log ends with it."""
WRAPPER = re.compile(
    r"Py4JJavaError|Job aborted|stage failure|Workload failed|CellExecutionError|"
    r"PapermillExecutionError|STREAM_FAILED|StreamingQueryException|ExecutionException:|"
    r"InvocationTargetException|UndeclaredThrowable|CompletionException|"
    r"thrown from the Python worker|CalledProcessError|Bash command failed|DagRun|"
    r"Failed to execute job|An error occurred while calling|FileWriteFormat|"
    r"Task failed while writing rows|TASK_WRITE_FAILED|FAILED_READ_FILE|SystemExit|"
    r"BatchUpdateException|NotebookExecutionException|WorkflowException|"
    r"Error while executing notebook|RemoteTraceback|UndefinedError: .{0,80}wrapped|"
    r"AirflowException: (?:Task|Pod|The (?:bash|pod)|Job run|DBT|Cannot execute)|TaskFailed|"
    r"SubprocessError|DbtRuntimeError: Runtime Error|ExceptionGroup|RunExecutionError|"
    r"DagsterExecutionStep|TriggerFailure|BackendException|ReflectiveOperation|RetryError|"
    r"_InactiveRpcError|FlowRunFailed|User class threw|SparkUserAppException|"
    r"RuntimeException: Failed to run"
)
