-- What is too old is found by its time, whichever organisation's it is.
CREATE INDEX usage_hours_hour ON shared.usage_hours (hour);
CREATE INDEX api_usage_logs_created_at ON shared.api_usage_logs (created_at);
