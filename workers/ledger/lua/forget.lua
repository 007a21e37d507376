-- Forget a settled task whose manifest is written. What is in flight, or has changed since, does not expire.
-- KEYS: task    ARGV: the prefix of the task's assets    Reply: 1, or 0 where it must be kept
if redis.call('TTL', KEYS[1]) < 0 or redis.call('HEXISTS', KEYS[1], 'recalling') == 1 then return 0 end
for _, name in ipairs(names(KEYS[1])) do redis.call('DEL', ARGV[1] .. name) end
redis.call('DEL', KEYS[1])
return 1
