-- Renew a lease, and the registration of its upload, if the owner still holds it.
-- KEYS: record, timers, uploads
-- ARGV: member, owner, seconds of a lease, upload ("" for none), key of a partial file that is about to be stored
--       ("" for none)
-- Reply: 1, or 0 if the lease was lost
local known = redis.call('HMGET', KEYS[1], 'state', 'owner')
if known[1] ~= 'transferring' or known[2] ~= ARGV[2] then return 0 end
local lease = clock() + ARGV[3]
redis.call('HSET', KEYS[1], 'lease', lease)
redis.call('ZADD', KEYS[2], lease, ARGV[1])
if ARGV[4] ~= '' then redis.call('ZADD', KEYS[3], lease, ARGV[4]) end
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'partial', ARGV[5]) end
return 1
