-- Take what is due, and set each alarm a little on, so that it rings again if its taker dies.
-- KEYS: alarms    ARGV: now, most to take, next alarm    Reply: members
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], ARGV[3], member) end
return due
