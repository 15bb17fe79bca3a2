"""The background job: a folder, a protocol, a process."""
