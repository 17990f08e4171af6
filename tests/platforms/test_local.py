import pytest
from contract import Contract, Factory
from local_stage import Local


class TestLocal(Contract):
    @pytest.fixture
    def factory(self, local: Local) -> Factory:
        return local.story
