-- Forget a settled task of the older format whose manifest is written.
-- KEYS: older task, its callbacks, its asset names    ARGV: prefix of its assets' records
-- Reply: 1, or 0 if it must be kept
if redis.call('TTL', KEYS[1]) < 0 then return 0 end
for _, name in ipairs(redis.call('SMEMBERS', KEYS[3])) do redis.call('DEL', ARGV[1] .. name) end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return 1
