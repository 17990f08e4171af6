"""Secrets, endpoints, indexes and files beside the workspace tree, driven by databricks-sdk."""

import base64
import io

import httpx
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    BadRequest,
    NotFound,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
)
from databricks.sdk.service.catalog import VolumeType
from databricks.sdk.service.serving import EndpointCoreConfigInput, EndpointStateReady
from databricks.sdk.service.vectorsearch import (
    DirectAccessVectorIndexSpec,
    EndpointType,
    VectorIndexType,
)
from databricks.sdk.service.workspace import AclPermission

from agent.simulators.databricks import Options, Simulator, resources, secretscopes


def test_secrets_are_kept_and_listed_without_their_values(
    sim: Simulator, sdk: WorkspaceClient
) -> None:
    sdk.secrets.create_scope("etl")
    with pytest.raises(ResourceAlreadyExists, match="Scope etl already exists!"):
        sdk.secrets.create_scope("etl")
    sdk.secrets.put_secret("etl", "password", string_value="hunter2")
    assert [one.name for one in sdk.secrets.list_scopes()] == ["etl"]
    assert [one.key for one in sdk.secrets.list_secrets("etl")] == ["password"]
    value = sdk.secrets.get_secret("etl", "password").value
    assert base64.b64decode(value or "") == b"hunter2"
    assert secretscopes.secret(sim, "etl", "password") == b"hunter2"
    assert secretscopes.secret(sim, "other", "password") is None
    sdk.secrets.put_acl("etl", "ana@example.com", AclPermission.READ)
    assert {one.principal for one in sdk.secrets.list_acls("etl")} == {sim.user, "ana@example.com"}
    sdk.secrets.delete_acl("etl", "ana@example.com")
    with pytest.raises(ResourceDoesNotExist):
        sdk.secrets.get_acl("etl", "ana@example.com")
    sdk.secrets.delete_secret("etl", "password")
    with pytest.raises(ResourceDoesNotExist, match="password"):
        sdk.secrets.get_secret("etl", "password")
    sdk.secrets.delete_scope("etl")
    with pytest.raises(ResourceDoesNotExist, match="Scope etl does not exist!"):
        list(sdk.secrets.list_secrets("etl"))


def test_a_serving_endpoint_gets_ready_and_can_be_made_unready(
    sim: Simulator, sdk: WorkspaceClient, http: httpx.Client
) -> None:
    assert list(sdk.serving_endpoints.list()) == []
    with pytest.raises(NotFound):
        sdk.serving_endpoints.get("chat")
    sim.options = Options(realistic=True)
    sdk.serving_endpoints.create("chat", config=EndpointCoreConfigInput(name="chat"))

    def ready() -> EndpointStateReady | None:
        state = sdk.serving_endpoints.get("chat").state
        assert state is not None
        return state.ready

    assert ready() == EndpointStateReady.NOT_READY
    sim.clock.advance(resources.STARTS_S)
    assert ready() == EndpointStateReady.READY
    body = {"kind": "serving_endpoint", "name": "chat", "ready": False}
    assert http.post("/__simulator/resources", json=body).status_code == 200
    assert ready() == EndpointStateReady.NOT_READY
    assert [one.name for one in sdk.serving_endpoints.list()] == ["chat"]
    sdk.serving_endpoints.delete("chat")
    assert list(sdk.serving_endpoints.list()) == []


def test_vector_indexes_lie_on_endpoints(sim: Simulator, sdk: WorkspaceClient) -> None:
    spec = DirectAccessVectorIndexSpec(schema_json="{}")

    def create() -> None:
        sdk.vector_search_indexes.create_index(
            "main.ml.docs", "vs", "id", VectorIndexType.DIRECT_ACCESS, direct_access_index_spec=spec
        )

    with pytest.raises(NotFound, match="vs"):
        create()
    endpoint = sdk.vector_search_endpoints.create_endpoint("vs", EndpointType.STANDARD).result()
    assert endpoint.num_indexes == 0
    create()
    found = sdk.vector_search_indexes.get_index("main.ml.docs")
    assert found.status is not None
    assert found.status.ready is True
    resources.set_ready(sim, resources.VECTOR_INDEX, "main.ml.docs", ready=False)
    status = sdk.vector_search_indexes.get_index("main.ml.docs").status
    assert status is not None
    assert status.ready is False
    assert [one.name for one in sdk.vector_search_indexes.list_indexes("vs")] == ["main.ml.docs"]
    sdk.vector_search_indexes.delete_index("main.ml.docs")
    with pytest.raises(NotFound):
        sdk.vector_search_indexes.get_index("main.ml.docs")


def test_dbfs_writes_reads_lists_and_moves(sdk: WorkspaceClient) -> None:
    data = bytes(range(256)) * 8192
    with sdk.dbfs.open("/scratch/a/big.bin", write=True, overwrite=True) as file:
        file.write(data)
    with sdk.dbfs.open("/scratch/a/big.bin", read=True) as file:
        assert file.read() == data
    sdk.dbfs.mkdirs("dbfs:/scratch/empty")
    assert [(one.path, one.is_dir) for one in sdk.dbfs.list("/scratch")] == [
        ("/scratch/a", True),
        ("/scratch/empty", True),
    ]
    assert sdk.dbfs.get_status("/scratch/a/big.bin").file_size == len(data)
    sdk.dbfs.put("/scratch/small", contents=base64.b64encode(b"x").decode(), overwrite=True)
    with pytest.raises(ResourceAlreadyExists):
        sdk.dbfs.put("/scratch/small", contents=base64.b64encode(b"y").decode())
    sdk.dbfs.move_("/scratch/a", "/scratch/b")
    assert sdk.dbfs.exists("/scratch/b/big.bin")
    with pytest.raises(BadRequest, match="recursive"):
        sdk.api_client.do("POST", "/api/2.0/dbfs/delete", body={"path": "/scratch/b"})
    sdk.dbfs.delete("/scratch", recursive=True)
    with pytest.raises(NotFound):
        sdk.dbfs.get_status("/scratch/b/big.bin")


def test_dbfs_reads_a_piece_of_a_file(sdk: WorkspaceClient) -> None:
    sdk.dbfs.put("/f", contents=base64.b64encode(b"0123456789").decode())
    piece = sdk.dbfs.read("/f", offset=3, length=4)
    assert (piece.bytes_read, base64.b64decode(piece.data or "")) == (4, b"3456")
    assert sdk.dbfs.read("/f", offset=99).bytes_read == 0


def test_files_lie_in_volumes_that_exist(sdk: WorkspaceClient) -> None:
    path = "/Volumes/main/default/landing/in/a.csv"
    with pytest.raises(NotFound, match=r"main\.default\.landing"):
        sdk.files.upload(path, io.BytesIO(b"id\n1\n"))
    sdk.volumes.create("main", "default", "landing", VolumeType.MANAGED)
    sdk.files.upload(path, io.BytesIO(b"id\n1\n"))
    contents = sdk.files.download(path).contents
    assert contents is not None
    assert contents.read() == b"id\n1\n"
    sdk.files.create_directory("/Volumes/main/default/landing/out")
    listed = sdk.files.list_directory_contents("/Volumes/main/default/landing")
    assert [(one.name, one.is_directory) for one in listed] == [("in", True), ("out", True)]
    assert sdk.files.get_metadata(path).content_length == 5
    sdk.files.delete(path)
    with pytest.raises(NotFound):
        sdk.files.download(path)
