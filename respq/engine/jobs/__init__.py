"""Jobs, queues and schedules: what they hold and how they change."""
