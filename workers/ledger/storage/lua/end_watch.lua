-- Stop asking about a task. The outcome is kept for a while; so are the times of the last request and the last refresh.
-- A refresh that was asked for after the last request was sent goes on: the answer to that request is older
-- (test_a_refresh_that_is_wanted_during_a_request_comes_after_it).
-- KEYS: watches, watch, counters
-- ARGV: task, outcome, reason, seconds to keep it, '1' if the answer of the last request ends it, '' if a callback does,
--       the only purpose for which the watch may end ('' for any): it may have got a stronger one since
-- Reply: 1, or 0 if the task is not watched or goes on being watched
local known = redis.call('HMGET', KEYS[2], 'purpose', 'refreshed_at', 'asked_at')
if ARGV[5] == '' and known[1] == 'refresh' then return 0 end
if ARGV[6] ~= '' and known[1] ~= ARGV[6] then return 0 end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == false then return 0 end
if known[2] and tonumber(known[2]) > tonumber(known[3] or '0') then
  redis.call('HSET', KEYS[2], 'purpose', 'refresh')
  redis.call('ZADD', KEYS[1], known[2], ARGV[1])
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'outcome', ARGV[2], 'reason', ARGV[3], 'ended_at', string.format('%.3f', clock()))
redis.call('HDEL', KEYS[2], 'until', 'tried', 'doubtful', 'unknown', 'exists')
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('HINCRBY', KEYS[3], 'watches|' .. ARGV[2] .. '|' .. ARGV[3], 1)
return 1
