-- An attempt failed and another may not: give the asset back, to be looked at when the backoff ends.
-- KEYS: record, alarms, taken    ARGV: member, owner, reason, streak, alarm    Reply: 1, or 0 where the lease was lost
local record = KEYS[1]
local known = redis.call('HMGET', record, 'state', 'owner')
if known[1] ~= 'transferring' or known[2] ~= ARGV[2] then return 0 end
redis.call('HSET', record, 'state', 'pending', 'error', ARGV[3], 'streak', ARGV[4])
redis.call('HDEL', record, 'owner', 'lease', 'lapses', 'crashes')
redis.call('HDEL', KEYS[3], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
return 1
