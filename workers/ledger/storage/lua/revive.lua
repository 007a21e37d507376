-- An operator wants an asset tried again that was given up, or its backoff ended now.
-- KEYS: task, record, timers, waiting:urgent, waiting:assets, waiting:suspects
-- ARGV: member, deadline, prefix of the records of the task's assets    Reply: 1, or 0 if there is nothing to do
local now = clock()
local known = redis.call('HMGET', KEYS[2], 'state', 'url')
local state = known[1]
if not state or state == 'archived' or state == 'transferring' then return 0 end
if state == 'pending' then
  local looked_at = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '0')
  if waiting.has({KEYS[4], KEYS[5], KEYS[6]}, ARGV[1], known[2]) or looked_at <= now then return 0 end
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  return 1
end
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('HSET', KEYS[2], 'state', 'pending', 'deadline', math.floor(ARGV[2]))
redis.call('HDEL', KEYS[2], 'settled_at', 'error', 'streak', 'lapses', 'crashes', 'crashes_in_company', 'final')
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('HINCRBY', KEYS[1], 'version', 1)
-- The task's other assets must not expire either: the next manifest has to list them
-- (test_an_asset_that_is_active_again_keeps_all_records_of_its_task_from_expiring).
redis.call('PERSIST', KEYS[1])
for _, name in ipairs(names(KEYS[1])) do redis.call('PERSIST', ARGV[3] .. name) end
return 1
