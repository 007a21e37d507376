-- Give a worker the asset that expires first, until its lease ends.
-- KEYS: alarms, taken, then for each queue to look in, in this order, its ready set and its list of tickets
-- ARGV: owner, seconds of a lease, the records' common prefix
-- Reply: {asset, its whole record, the number of the queue to which another worker should be called, or 0},
--        or {} where nothing is ready
local now = clock()
for i = 3, #KEYS, 2 do
  while true do
    -- What has expired is the sweep's to settle; no time is spent on it.
    local member = redis.call('ZRANGEBYSCORE', KEYS[i], '(' .. now, '+inf', 'LIMIT', 0, 1)[1]
    if not member then break end
    redis.call('ZREM', KEYS[i], member)
    local record = ARGV[3] .. member
    if redis.call('HGET', record, 'state') == 'pending' then
      redis.call('HINCRBY', record, 'attempts', 1)
      redis.call('HSET', record, 'state', 'transferring', 'owner', ARGV[1], 'lease', now + ARGV[2],
        'started_at', now)
      redis.call('HDEL', record, 'fresh')
      redis.call('HSET', KEYS[2], ARGV[1], member)
      redis.call('ZADD', KEYS[1], now + ARGV[2], member)
      local alone = redis.call('ZCARD', KEYS[i]) > 0 and redis.call('LLEN', KEYS[i + 1]) == 0
      return {member, redis.call('HGETALL', record), alone and (i - 1) / 2 or 0}
    end
  end
end
return {}
