"""How a simulated AIDP workspace behaves where builds of the real one differ, or nobody knows."""

from typing import Literal

from agent.simulators.options import AnyOptions

Family = Literal["GA", "LA"]
"""Version and prefix of every path: GA = 20260430/aiDataPlatforms, LA = 20240831/dataLakes."""


class Options(AnyOptions):
    """How this workspace behaves where real ones differ."""

    cluster_name: str = "rehearsal_cluster"
    """Display name of the cluster that a new workspace has."""

    # What every request meets
    families: tuple[Family, ...] = ("GA", "LA")
    """Which paths answer; a request by the other is 404 NotAuthorizedOrNotFound."""
    api_keys: bool = True
    """Requests signed with an API key are let in; some tenancies take session tokens only."""
    skew_s: float = 300.0
    """How far a request's `date` may be off the service's time."""
    clock_off_s: float = 0.0
    """How far the service's idea of the time is ahead of this machine's, for `skew_s`."""
    refresh_works: bool = True
    """A session can be refreshed; else whoever opened it has to sign in again."""
    retry_token_conflict: bool = True
    """A known opc-retry-token with another body is 409; else it gets the first reply as well."""
    page_size: int = 100
    """Items of a page where no limit is sent; 25 has been seen too."""
    page_repeats: bool = False
    """A list names the same next page again and again, as a broken proxy may."""
    epoch_times: bool = False
    """Times that are documented as RFC 3339 come as milliseconds since the epoch."""

    # Files
    contents_down: Literal["", "404", "500"] = ""
    """What every call of the notebook contents API is answered with; empty = it works."""
    contents_unencoded: bool = False
    """The contents API takes slashes as they are too; else only as `%2F`, and 404 without."""
    la_contents_404: bool = True
    """On LA paths an API key gets 404 from the contents API, as has been seen."""
    directory_metadata: bool = False
    """The contents API tells of a directory with content=0, and refuses to list it with 400, as the
    SDK's documentation says; else reading one is 500, as has been seen."""
    adds_metadata: bool = False
    """A notebook comes back with metadata that it was not sent with."""
    objects_get_404: bool = False
    """Reading an object directly is 404; only its pre-authenticated link is left."""
    leading_slash_400: bool = False
    """The objects API refuses paths that begin with a slash; else it takes /Workspace/... too."""
    missing_parent_404: bool = False
    """A file in a folder that is not there is 404; else the folder is made."""
    par_s: float = 3600.0
    """How long a pre-authenticated link holds."""

    # Jobs and clusters
    update_status: Literal[200, 201, 202] = 202
    """What an update of a job is answered with."""
    create_cooldown_s: float = 3.0
    """How long no job can be created (500) after one without path or maxConcurrentRuns; for real
    it is about 15 minutes."""
    duplicate_job_code: Literal["Conflict", "NotAuthorizedOrResourceAlreadyExists"] = "Conflict"
    """Code of the 409 for a name that another job has."""
    hyphen_names: bool = False
    """Names of jobs may have hyphens; one build refuses them."""
    unknown_fields: Literal["kept", "dropped"] = "kept"
    """What becomes of fields of a job or task that no schema knows."""
    bare_depends_on: Literal["kept", "lost", "refused"] = "kept"
    """`dependsOn: ["a"]` instead of objects is kept as it is and counts, is dropped without a
    word, or is refused with 400."""
    etags: bool = True
    """Jobs and clusters have etags and if-match counts; never seen on a live instance."""
    runs_as_admin_only: bool = True
    """Changing a job's runAs needs ADMIN on the job, else 404."""
    cluster_start_s: float = 2.0
    """How long a cluster takes to start where the workspace is not realistic."""
    cluster_list_all: bool = True
    """GET /clusters below the instance answers on LA paths, as has been seen."""
    log_times: Literal["rfc3339", "epoch_ms"] = "rfc3339"
    """Which times searchLogs and downloadLogs take; the other form is 400."""
    log_shape: Literal["nested", "flat"] = "nested"
    """Where a log line's text is in `results[].data`: in `logContent.data.message`, as OCI Logging
    has it, or in `message`. Not established."""
    metric_names: Literal["camel", "upper", "both"] = "camel"
    """Which spelling of a metric's name gives a series, such as MemoryUtilization."""

    # Runs
    sort_by_required: bool = True
    """Lists of runs and task runs without `sortBy` are 400 WORKFLOW_0007; else by timeCreated."""
    epoch_run_times: bool = True
    """`startTime` and `endTime` of runs are milliseconds since the epoch; else RFC 3339."""
    summaries: bool = True
    """A run carries its task runs' summaries where the request does not say."""
    repair_status: int = 202
    repair_uses: Literal["job", "run"] = "job"
    """Whose definition a repair runs: the job's of today, or the one the run began with."""
    run_parameters_reach: bool = True
    """Parameters of a run reach its tasks; else tasks see their own and the job's only."""
    default_compute_code: Literal["0055", "0071"] = "0055"
    """How a task on the Default Master Catalog Compute fails."""
    scheduled_need_run_as: bool = False
    """Runs that a schedule starts fail (0055) where the job has no runAs, as they do for jobs that
    an instance principal made."""
    python_tasks_work: bool = True
    """Else they fail with `Unexpected error ... using file`, as on one build."""
    stopping_s: float = 2.0
    """How long a run that is cancelled is CANCELING."""

    # What tasks leave
    error_trace: Literal["full", "generic", "none"] = "full"
    """`errorTrace` of a failed task run: its own, one that says nothing, or null."""
    cell_outputs: Literal["kept", "failed_only", "none"] = "kept"
    """Of which notebooks the service keeps what cells printed."""
    tracebacks: Literal["stderr", "error"] = "stderr"
    """Where a failing cell's traceback is: in a stream of stderr, or an output of type error."""
    exit_values: bool = True
    """What a notebook gave `oidlUtils.notebook.exit` comes back as an output parameter."""
    output_form: Literal["plain", "base64", "gzip"] = "plain"
    """How `data[].value` is written; gzip is in base64 too."""
    output_limit: int = 10_000_000
    """Characters of `data[].value`; more is cut off and `isTruncated` is true."""
