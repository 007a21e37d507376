-- A person wants an asset tried again that was given up, or at once if it waits in its backoff.
-- KEYS: task, record, alarms, ready:urgent, ready:assets
-- ARGV: member, deadline, the prefix of the task's records    Reply: 1, or 0 where there is no need
local now = clock()
local state = redis.call('HGET', KEYS[2], 'state')
if not state or state == 'archived' or state == 'transferring' then return 0 end
if state == 'pending' then
  local looked_at = tonumber(redis.call('ZSCORE', KEYS[3], ARGV[1]) or '0')
  local ready = redis.call('ZSCORE', KEYS[4], ARGV[1]) or redis.call('ZSCORE', KEYS[5], ARGV[1])
  if ready or looked_at <= now then return 0 end
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  return 1
end
redis.call('ZADD', KEYS[3], now, ARGV[1])
redis.call('HSET', KEYS[2], 'state', 'pending', 'deadline', math.floor(ARGV[2]))
redis.call('HDEL', KEYS[2], 'settled_at', 'error', 'streak', 'lapses', 'crashes', 'final')
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('HINCRBY', KEYS[1], 'version', 1)
-- Its siblings must not expire either, or the next manifest would tell nothing of them.
redis.call('PERSIST', KEYS[1])
for _, name in ipairs(names(KEYS[1])) do redis.call('PERSIST', ARGV[3] .. name) end
return 1
