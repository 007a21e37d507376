-- A process died over an asset: give the asset back at once, and count.
-- KEYS: taken, alarms    ARGV: owner, the records' common prefix    Reply: the asset, or '' where it held none
local member = redis.call('HGET', KEYS[1], ARGV[1])
if not member then return '' end
redis.call('HDEL', KEYS[1], ARGV[1])
local record = ARGV[2] .. member
local known = redis.call('HMGET', record, 'state', 'owner')
if known[1] ~= 'transferring' or known[2] ~= ARGV[1] then return '' end
redis.call('HSET', record, 'state', 'pending', 'error', 'worker_lost')
redis.call('HDEL', record, 'owner', 'lease')
redis.call('HINCRBY', record, 'crashes', 1)
redis.call('ZADD', KEYS[2], clock(), member)
return member
