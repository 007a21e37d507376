-- The provider has answered: end the key's pause, unless it began after this request was sent.
-- KEYS: the key's pause, tasks whose last request failed    ARGV: when the request was sent
-- Reply: the reason of the pause that ended, or ''
redis.call('DEL', KEYS[2])
local known = redis.call('HMGET', KEYS[1], 'reason', 'set_at')
if not known[1] or tonumber(ARGV[1]) < tonumber(known[2]) then return '' end
redis.call('DEL', KEYS[1])
return known[1]
