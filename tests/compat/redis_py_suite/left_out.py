"""Which of redis-py's own tests do not pass on respq, and why.

A name stands for the tests of both kinds of client, a star for any letters; a class or a file
before it says more. docs/compatibility.md tells what of Redis there is not.
"""

from __future__ import annotations

from typing import Final

FAILS: Final = {
    "bitmaps": (
        "test_bitcount test_bitcount_mode test_bitfield_operations test_bitfield_ro test_bitop_* "
        "test_bitpos test_bitpos_mode test_get_set_bit test_pipeline_with_bitfield"
    ),
    "HyperLogLog": "test_pfadd test_pfcount test_pfmerge",
    "places on the earth": (
        "test_geoadd test_geoadd_ch test_geoadd_nx test_geoadd_xx test_geodist "
        "test_geodist_missing_one_member test_geodist_units test_geohash test_geopos "
        "test_geopos_no_value test_georadius* test_geosearch test_geosearch_member "
        "test_geosearch_sort test_geosearch_with test_geosearchstore test_geosearchstore_dist"
    ),
    "consumer groups": (
        "test_xack test_xautoclaim test_xclaim test_xclaim_trimmed test_xgroup_* "
        "test_xinfo_consumers test_xpending test_xpending_range test_xpending_range_idle "
        "test_xinfo_stream_full test_xreadgroup test_async_xreadgroup_exports_*"
    ),
    "LCS": "test_lcs test_lists_with_byte_keys test_lists_with_memoryview_keys",
    "DUMP and RESTORE": "test_dump_and_restore* test_restore test_restore_*",
    "when a key was last read": "test_object",
    "sharded channels": (
        "test_shard_channel* test_*_shard_channel "
        "test_sub_unsub_*_shard_channels test_subscribe_property_with_shard_channels "
        "test_resubscribe_to_shard_channels_* test_*_shard_channel_message_* "
        "tests/test_pubsub.py::*::test_ignore_*_messages test_push_handler_sharded_pubsub "
        "test_pubsub_shardchannels"
    ),
    "caches of clients": "test_client_getredir test_client_tracking test_client_trackinginfo",
    "a pause of all clients": "test_client_pause test_client_pause_all test_client_unpause",
    "CLIENT REPLY": "test_client_reply",
    "replication": "test_replicaof",
    "snapshots": "test_bgsave test_lastsave",
    "users": "test_acl_* test_client_kill_filter_by_user",
    "CONFIG SET, and settings that only Redis has": (
        "test_auth test_config_get_multi_params test_config_resetstat test_config_set "
        "test_config_set_multi_params"
    ),
    "COMMAND GETKEYSANDFLAGS": "test_command_getkeysandflags",
    "LATENCY, MEMORY, SLOWLOG and MONITOR": (
        "test_latency_history test_latency_latest test_latency_reset test_memory_malloc_stats "
        "test_memory_stats test_memory_usage test_slowlog_* "
        "test_watch_exec_no_unwatch test_watch_reset_unwatch"
    ),
    "DEBUG, LOLWUT and MODULE": (
        "test_lolwut test_module_list "
        "test_busy_loading_* test_oom_error test_read_only_error "
        "test_connect_invalid_auth_credentials_supplied test_connect_invalid_password_supplied "
        "test_connect_no_auth_configured test_connect_no_auth_supplied_when_required"
    ),
    "as many commands as Redis has": "test_command_list",
}
"""Tests that are run and do not pass: one that would has no place here."""

NOT_RUN: Final = {
    "they look for a server on a port that they know": (
        "test_client_setinfo test_client_setinfo_with_driver_info "
        "test_asyncio/test_connection_pool.py::TestConnectionPool::test_max_connections "
        "test_asyncio/test_connection_pool.py::TestConnectionPool::test_multiple_connections "
        "test_asyncio/test_connection_pool.py::TestConnectionPool::test_reuse_* "
        "test_sync test_psync TestPubSubRedisDown::test_channel_subscribe"
    ),
}
"""Tests whose outcome depends on what else there is on the machine."""
