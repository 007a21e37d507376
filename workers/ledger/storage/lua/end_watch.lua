-- Stop asking about a task. What ended it is kept for a while; so is the time of the last request and of the last refresh.
-- KEYS: watches, watch, counters
-- ARGV: task, outcome, reason, seconds to keep it, '1' if only a refresh may go on, else ''
-- Reply: 1, or 0 if the task is not watched
if ARGV[5] == '1' and redis.call('HGET', KEYS[2], 'purpose') == 'refresh' then return 0 end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], 'outcome', ARGV[2], 'reason', ARGV[3], 'ended_at', string.format('%.3f', clock()))
redis.call('HDEL', KEYS[2], 'until', 'tried')
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('HINCRBY', KEYS[3], 'watches|' .. ARGV[2] .. '|' .. ARGV[3], 1)
return 1
