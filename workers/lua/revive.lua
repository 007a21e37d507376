-- A person wants an asset tried again that was given up.
-- KEYS: task, its callbacks, its asset names, record, alarms    ARGV: member, now, deadline    Reply: 1, or 0 where there is no need
local state = redis.call('HGET', KEYS[4], 'state')
if not state or state == 'archived' or state == 'pending' or state == 'transferring' then return 0 end
redis.call('HSET', KEYS[4], 'state', 'pending', 'deadline', ARGV[3])
redis.call('HDEL', KEYS[4], 'settled_at', 'error', 'streak', 'lapses', 'crashes', 'final')
redis.call('HINCRBY', KEYS[1], 'open', 1)
redis.call('HINCRBY', KEYS[1], 'version', 1)
for i = 1, 4 do redis.call('PERSIST', KEYS[i]) end
redis.call('ZADD', KEYS[5], ARGV[2], ARGV[1])
return 1
