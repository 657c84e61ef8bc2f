-- A script as large as those of job frameworks: it enqueues a job, brings in delayed ones that are
-- due, hands one out, and ends one that was handed out before. Most of it is for cases that do not
-- come up, as in theirs.
--
-- KEYS: a list of ids that wait, a sorted set of delayed ones, a hash of those handed out, a hash of jobs.
-- ARGV: the time in ms, an id, a payload.

local waiting, delayed, active, jobs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, id, payload = tonumber(ARGV[1]), ARGV[2], ARGV[3]

local LEASE_MS = 30000
local ATTEMPTS_MAX = 5
local BATCH = 10
local BACKOFF = {1000, 2000, 5000, 10000, 30000}

local function read_job(job_id)
    local text = redis.call('HGET', jobs, job_id)
    if not text then
        return nil
    end
    return cjson.decode(text)
end

local function write_job(job)
    redis.call('HSET', jobs, job.id, cjson.encode(job))
end

local function new_job()
    return {id = id, payload = payload, attempts = 0, created = now, state = 'waiting'}
end

local function enqueue(job)
    job.state = 'waiting'
    write_job(job)
    redis.call('RPUSH', waiting, job.id)
end

local function delay(job, delay_ms)
    job.state = 'delayed'
    job.due = now + delay_ms
    write_job(job)
    redis.call('ZADD', delayed, job.due, job.id)
end

local function bring_in_what_is_due()
    local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, BATCH)
    for _, due_id in ipairs(due) do
        redis.call('ZREM', delayed, due_id)
        local job = read_job(due_id)
        if job ~= nil then
            enqueue(job)
        end
    end
    return #due
end

local function hand_out()
    local next_id = redis.call('LPOP', waiting)
    if not next_id then
        return nil
    end
    local job = read_job(next_id)
    if job == nil then
        return nil
    end
    job.attempts = job.attempts + 1
    job.state = 'active'
    job.lease_end = now + LEASE_MS
    write_job(job)
    redis.call('HSET', active, job.id, job.lease_end)
    return job
end

local function fail(job, reason)
    redis.call('HDEL', active, job.id)
    if job.attempts >= ATTEMPTS_MAX then
        job.state = 'dead'
        job.reason = reason
        write_job(job)
        redis.call('RPUSH', waiting .. ':dead', job.id)
        return 'dead'
    end
    delay(job, BACKOFF[job.attempts] or BACKOFF[#BACKOFF])
    return 'delayed'
end

local function finish(job)
    if redis.call('HDEL', active, job.id) == 0 then
        return fail(job, 'lost')
    end
    redis.call('HDEL', jobs, job.id)
    return 'done'
end

if #id == 0 then
    return redis.error_reply('ID a job needs one')
end
if redis.call('HEXISTS', jobs, id) == 1 then
    return redis.error_reply('EXISTS ' .. id)
end

enqueue(new_job())
bring_in_what_is_due()
local job = hand_out()
if job == nil then
    return false
end
if #job.payload == 0 then
    return fail(job, 'empty')
end
return {job.id, finish(job)}
