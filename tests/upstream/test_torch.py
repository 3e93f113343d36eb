"""What is assumed of torch's private parts; tests/models lets two processes meet at the store."""

from __future__ import annotations

from torch import distributed

from stillright.upstream.torch import cpu_has_bfloat16, default_store


def test_the_processor_says_whether_it_has_bfloat16() -> None:
    assert cpu_has_bfloat16() in (True, False)


def test_a_group_has_a_store_that_keeps_what_is_set(tmp_path: object) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        default_store().set("key", b"value")
        assert default_store().get("key") == b"value"
    finally:
        distributed.destroy_process_group()
