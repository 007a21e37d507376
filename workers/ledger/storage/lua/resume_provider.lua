-- The provider has answered: end the pause, unless it began after this request was sent.
-- KEYS: provider    ARGV: when the request was sent    Reply: the reason of the pause that ended, or ''
local known = redis.call('HMGET', KEYS[1], 'reason', 'set_at')
if not known[1] or tonumber(ARGV[1]) < tonumber(known[2]) then return '' end
redis.call('HDEL', KEYS[1], 'reason', 'detail', 'wait', 'since', 'set_at', 'until')
return known[1]
