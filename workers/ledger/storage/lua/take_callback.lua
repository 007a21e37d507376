-- Lease the callback that has been due for the longest time.
-- KEYS: due, bodies, tries    ARGV: seconds of a lease    Reply: {id, callback, tries}, or {} if none is due
local now = clock()
while true do
  local id = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
  if not id then return {} end
  local callback = redis.call('HGET', KEYS[2], id)
  if callback then
    redis.call('ZADD', KEYS[1], now + ARGV[1], id)
    return {id, callback, redis.call('HINCRBY', KEYS[3], id, 1)}
  end
  redis.call('ZREM', KEYS[1], id)
end
