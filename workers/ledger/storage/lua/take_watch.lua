-- Take the watched task that has been due for the longest time, and a turn at the provider. The task is due again after
-- an interval that grows with its age, so a worker that dies delays it and neither forgets it nor asks too often
-- (test_a_task_is_asked_about_again_when_its_worker_has_died).
-- After a pause the probe is about a task that has not failed lately, if one is due.
-- KEYS: watches, provider, the key's pause, tasks whose last request failed
-- ARGV: prefix of watches, requests a second, least and most seconds between two requests, fraction of the age, seconds
--       for a request that probes after a pause
-- Reply: {} if nothing is due, {seconds to wait}, or {0, task, its fields}
local MAX_LOOKED_AT = 20
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, MAX_LOOKED_AT)
local task = due[1]
if not task then return {} end
local wait = turns.pause(KEYS[3], now)
if wait <= 0 then wait = turns.take(KEYS[2], tonumber(ARGV[2]), now) end
if wait > 0 then return {string.format('%.6f', wait)} end
if redis.call('HEXISTS', KEYS[3], 'until') == 1 then
  redis.call('HSET', KEYS[3], 'until', now + math.min(ARGV[6], tonumber(redis.call('HGET', KEYS[3], 'wait'))))
  for i = #due, 1, -1 do
    if redis.call('SISMEMBER', KEYS[4], due[i]) == 0 then task = due[i] end
  end
end
local watch = ARGV[1] .. task
local age = now - tonumber(redis.call('HGET', watch, 'since') or now)
redis.call('ZADD', KEYS[1], now + math.max(ARGV[3], math.min(age * ARGV[5], ARGV[4])), task)
redis.call('HINCRBY', watch, 'asked', 1)
redis.call('HSET', watch, 'asked_at', string.format('%.3f', now))
return {'0', task, redis.call('HGETALL', watch)}
