-- Take the watched task that has been due for the longest time, and a turn at the provider. The task is due again after
-- the interval, so a worker that dies delays it and neither forgets it nor asks too often
-- (test_a_task_is_asked_about_again_when_its_worker_has_died).
-- KEYS: watches, provider    ARGV: prefix of watches, requests a second, least seconds between two requests, the key's
--                                  fingerprint, seconds for a request that probes after a pause
-- Reply: {} if nothing is due, {seconds to wait}, or {0, task, its fields}
local now = clock()
local task = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not task then return {} end
local wait = turns.pause(KEYS[2], ARGV[4], now)
if wait <= 0 then wait = turns.take(KEYS[2], tonumber(ARGV[2]), now) end
if wait > 0 then return {string.format('%.6f', wait)} end
if redis.call('HEXISTS', KEYS[2], 'until') == 1 then redis.call('HSET', KEYS[2], 'until', now + ARGV[5]) end
local watch = ARGV[1] .. task
redis.call('ZADD', KEYS[1], now + ARGV[3], task)
redis.call('HINCRBY', watch, 'asked', 1)
redis.call('HSET', watch, 'asked_at', string.format('%.3f', now))
return {'0', task, redis.call('HGETALL', watch)}
