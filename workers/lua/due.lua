-- Take what is due, and set each alarm a little on, so that it rings again if its taker dies.
-- KEYS: alarms    ARGV: most to take, seconds until the alarm rings again    Reply: members
local now = clock()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, member in ipairs(due) do redis.call('ZADD', KEYS[1], now + ARGV[2], member) end
return due
