-- A person wants an asset tried again that was given up, or at once if it waits in its backoff.
-- KEYS: task, its callbacks, its asset names, record, alarms, ready:urgent, ready:assets
-- ARGV: member, deadline, the prefix of the task's records    Reply: 1, or 0 where there is no need
local now = clock()
local state = redis.call('HGET', KEYS[4], 'state')
if not state or state == 'archived' or state == 'transferring' then return 0 end
if state == 'pending' then
  local looked_at = tonumber(redis.call('ZSCORE', KEYS[5], ARGV[1]) or '0')
  local ready = redis.call('ZSCORE', KEYS[6], ARGV[1]) or redis.call('ZSCORE', KEYS[7], ARGV[1])
  if ready or looked_at <= now then return 0 end
  redis.call('ZADD', KEYS[5], now, ARGV[1])
  return 1
end
redis.call('ZADD', KEYS[5], now, ARGV[1])
redis.call('HSET', KEYS[4], 'state', 'pending', 'deadline', ARGV[2])
redis.call('HDEL', KEYS[4], 'settled_at', 'error', 'streak', 'lapses', 'crashes', 'final')
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('HINCRBY', KEYS[1], 'version', 1)
for i = 1, 3 do redis.call('PERSIST', KEYS[i]) end
-- Its siblings must not expire either, or the next manifest would tell nothing of them.
for _, name in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('PERSIST', ARGV[3] .. name) end
return 1
